package gen

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress/flate"
)

// ArchiveName is the file of a package that holds its images.
const ArchiveName = "images.zip"

// ErrArchive is wrapped by every error about an archive that is damaged or holds something else than it must.
var ErrArchive = errors.New("bad archive")

func archiveErrorf(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrArchive, fmt.Errorf(format, args...))
}

// compression is within a few percent of the best and ten times as fast.
const compression = 6

// packArchive is a zip of p's images behind their manifest. Equal images give equal bytes: entries are ordered as the
// kernels are and carry no time, and the compressor is a module's, not that of whatever Go it is built with.
func packArchive(p renderedPackage, compiler string, images []Image) ([]byte, error) {
	manifest, err := newManifest(compiler, p, images).encode()
	if err != nil {
		return nil, err
	}
	entries := []file{{manifestName, manifest}}
	for i, k := range p.kernels {
		entries = append(entries, file{k.plan.Name() + ".cubin", images[i].Cubin})
		if p.carriesPTX(k.plan) {
			entries = append(entries, file{k.plan.Name() + ".ptx", images[i].PTX})
		}
	}
	var packed bytes.Buffer
	w := zip.NewWriter(&packed)
	w.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(out, compression)
	})
	for _, e := range entries {
		entry, err := w.CreateHeader(&zip.FileHeader{Name: e.name, Method: zip.Deflate})
		if err != nil {
			return nil, err
		}
		if _, err := entry.Write(e.data); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}

// checkArchive is an error that wraps ErrArchive unless archive holds exactly p's images, made of its sources with
// today's options.
func checkArchive(p renderedPackage, archive []byte) error {
	m, err := ReadArchive(archive)
	if err != nil {
		return err
	}
	if len(m.Kernels) != len(p.kernels) {
		return archiveErrorf("it holds %d kernels and not %d", len(m.Kernels), len(p.kernels))
	}
	for i, k := range p.kernels {
		got, want := m.Kernels[i], expectedEntry(p, k)
		switch {
		case got.Name != want.Name || got.Arch != want.Arch:
			return archiveErrorf("kernel %d is %s and not %s", i, got.Name, want.Name)
		case got.SourceSHA256 != want.SourceSHA256:
			return archiveErrorf("%s was made of another source", want.Name)
		case !slices.Equal(got.Options, want.Options):
			return archiveErrorf("%s was made with other options", want.Name)
		case got.SharedBytes != want.SharedBytes:
			return archiveErrorf("%s was planned with other shared memory", want.Name)
		case got.CubinSHA256 == "" || (got.PTXSHA256 != "") != p.carriesPTX(k.plan):
			return archiveErrorf("%s lacks an image, or has one too many", want.Name)
		}
	}
	return nil
}
