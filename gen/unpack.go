package gen

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"

	"github.com/klauspost/compress/flate"
)

// ReadArchive is the Manifest of an archive whose entries are all whole and exactly those that the Manifest names. The
// error wraps ErrArchive.
func ReadArchive(archive []byte) (Manifest, error) {
	a, err := openArchive(archive)
	if err != nil {
		return Manifest{}, err
	}
	for _, k := range a.manifest.Kernels {
		if err := a.unpackKernel(k, io.Discard, io.Discard); err != nil {
			return Manifest{}, err
		}
	}
	return a.manifest, nil
}

// openedArchive is an archive whose entries are exactly those that its Manifest names. Only the Manifest is read yet.
type openedArchive struct {
	manifest Manifest
	entries  map[string]*zip.File
}

func openArchive(archive []byte) (openedArchive, error) {
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		return openedArchive{}, archiveErrorf("%w", err)
	}
	z.RegisterDecompressor(zip.Deflate, flate.NewReader)
	a := openedArchive{entries: map[string]*zip.File{}}
	for _, f := range z.File {
		a.entries[f.Name] = f
	}
	var manifest bytes.Buffer
	if err := a.unpack(manifestName, &manifest); err != nil {
		return openedArchive{}, err
	}
	if err := json.Unmarshal(manifest.Bytes(), &a.manifest); err != nil {
		return openedArchive{}, archiveErrorf("%s: %w", manifestName, err)
	}
	if a.manifest.Generator != generator {
		return openedArchive{}, archiveErrorf("%s names the generator %q, not %q", manifestName, a.manifest.Generator, generator)
	}
	return a, a.checkNames()
}

// checkNames is an error unless the Manifest and the images that it names are all that there is.
func (a openedArchive) checkNames() error {
	named := map[string]bool{manifestName: true}
	for _, k := range a.manifest.Kernels {
		named[k.Name+".cubin"], named[k.Name+".ptx"] = k.CubinSHA256 != "", k.PTXSHA256 != ""
	}
	for name, is := range named {
		if !is {
			continue
		}
		if _, err := a.entry(name); err != nil {
			return err
		}
	}
	for name := range a.entries {
		if !named[name] {
			return archiveErrorf("%s is not in %s", name, manifestName)
		}
	}
	return nil
}

func (a openedArchive) entry(name string) (*zip.File, error) {
	if f := a.entries[name]; f != nil {
		return f, nil
	}
	return nil, archiveErrorf("%s: it is missing", name)
}

// image is k's, one of the Manifest's kernels.
func (a openedArchive) image(k ManifestKernel) (Image, error) {
	var cubin, ptx bytes.Buffer
	err := a.unpackKernel(k, &cubin, &ptx)
	return Image{Kernel: k.Name, Cubin: cubin.Bytes(), PTX: ptx.Bytes(), Report: k.Report()}, err
}

// unpackKernel writes those of k's images that there are. The error comes after the bytes that are not what k says.
func (a openedArchive) unpackKernel(k ManifestKernel, cubin, ptx io.Writer) error {
	return errors.Join(a.unpackImage(k.Name+".cubin", k.CubinSHA256, cubin), a.unpackImage(k.Name+".ptx", k.PTXSHA256, ptx))
}

func (a openedArchive) unpackImage(name, sum string, to io.Writer) error {
	if sum == "" {
		return nil
	}
	hash := sha256.New()
	if err := a.unpack(name, io.MultiWriter(to, hash)); err != nil {
		return err
	}
	if hex.EncodeToString(hash.Sum(nil)) != sum {
		return archiveErrorf("%s is not what %s says", name, manifestName)
	}
	return nil
}

// unpack writes an entry, whose checksum it compares.
func (a openedArchive) unpack(name string, to io.Writer) error {
	f, err := a.entry(name)
	if err != nil {
		return err
	}
	r, err := f.Open()
	if err != nil {
		return archiveErrorf("%s: %w", name, err)
	}
	_, err = io.Copy(to, r)
	if err = errors.Join(err, r.Close()); err != nil {
		return archiveErrorf("%s: %w", name, err)
	}
	return nil
}
