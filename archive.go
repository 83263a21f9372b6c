package sigattn

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// manifestName is the archive's entry that says what the others are.
const manifestName = "manifest.json"

// manifest is what the runtime reads of that entry.
type manifest struct {
	Kernels []manifestKernel `json:"kernels"`
}

// manifestKernel is one kernel's part. The sums are of its images in hexadecimal, "" where there is none.
type manifestKernel struct {
	Name        string `json:"name"`
	Arch        string `json:"arch"`
	CubinSHA256 string `json:"cubin_sha256"`
	PTXSHA256   string `json:"ptx_sha256"`
	SharedBytes int    `json:"shared_bytes"`
}

// archive is a package's opened zip of images.
type archive struct {
	name  string // the package's
	files map[string]*zip.File
	sums  map[string]string // by entry, of those in the manifest
}

// openArchive reads the directory and the manifest of p.Archive. The manifest agrees with p, and every image that it
// names is there. Errors are *ArchiveError.
func openArchive(p *Package) (*archive, error) {
	r, err := zip.NewReader(strings.NewReader(p.Archive), int64(len(p.Archive)))
	if err != nil {
		return nil, &ArchiveError{Package: p.Name, Err: err}
	}
	a := &archive{name: p.Name, files: make(map[string]*zip.File, len(r.File)), sums: make(map[string]string)}
	for _, f := range r.File {
		a.files[f.Name] = f
	}
	if err := a.readManifest(p); err != nil {
		return nil, err
	}
	return a, nil
}

// readManifest fills a.sums and compares the manifest with p and with the archive's directory.
func (a *archive) readManifest(p *Package) error {
	text, err := a.unpack(manifestName)
	if err != nil {
		return err
	}
	var m manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return a.fail(manifestName, err)
	}
	kernels := make(map[string]manifestKernel, len(m.Kernels))
	for _, k := range m.Kernels {
		kernels[k.Name] = k
		for entry, sum := range map[string]string{k.Name + cubinSuffix: k.CubinSHA256, k.Name + ptxSuffix: k.PTXSHA256} {
			if sum == "" {
				continue
			}
			if a.files[entry] == nil {
				return a.fail(entry, errMissing)
			}
			a.sums[entry] = sum
		}
	}
	for _, info := range p.Kernels {
		k, ok := kernels[info.Name]
		switch {
		case !ok || k.CubinSHA256 == "" && k.PTXSHA256 == "":
			return a.fail(info.Name, errMissing)
		case k.Arch != info.Arch.String() || k.SharedBytes != info.SharedBytes:
			return a.fail(info.Name, fmt.Errorf("the package says %v with %d bytes of shared memory, the archive %s with %d",
				info.Arch, info.SharedBytes, k.Arch, k.SharedBytes))
		}
	}
	return nil
}

var errMissing = errors.New("it is missing")

func (a *archive) has(image string) bool { return a.sums[image] != "" }

// image unpacks one image and compares it with the manifest's sum.
func (a *archive) image(entry string) ([]byte, error) {
	data, err := a.unpack(entry)
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != a.sums[entry] {
		return nil, a.fail(entry, errors.New("its SHA-256 is not the manifest's"))
	}
	return data, nil
}

// unpack reads one entry, whose checksum it compares.
func (a *archive) unpack(entry string) ([]byte, error) {
	f := a.files[entry]
	if f == nil {
		return nil, a.fail(entry, errMissing)
	}
	r, err := f.Open()
	if err != nil {
		return nil, a.fail(entry, err)
	}
	data, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, a.fail(entry, err)
	}
	return data, nil
}

func (a *archive) fail(entry string, err error) error {
	return &ArchiveError{Package: a.name, Entry: entry, Err: err}
}
