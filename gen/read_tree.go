package gen

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/sigattn/sigattn"
)

// ReadTree is the packages of the generated tree in folder, as their Go code has them, by head dim, storage type, mask and
// sigmoid. It reads them from disk, so that a program built before a tree was generated can run it. The error wraps
// ErrArchive where there is none or one is damaged.
func ReadTree(folder string) ([]*sigattn.Package, error) {
	archives, err := archivesIn(folder)
	if err != nil {
		return nil, err
	}
	var packages []*sigattn.Package
	for _, path := range archives {
		p, err := readPackage(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		packages = append(packages, p)
	}
	slices.SortFunc(packages, func(a, b *sigattn.Package) int {
		return cmp.Or(a.HeadDim-b.HeadDim, int(a.DType)-int(b.DType), int(a.Mask)-int(b.Mask), int(a.Sigmoid)-int(b.Sigmoid))
	})
	return packages, nil
}

// archivesIn are the paths of the archives of the generated tree in folder, one at least.
func archivesIn(folder string) ([]string, error) {
	archives, err := filepath.Glob(filepath.Join(folder, "*", ArchiveName))
	if err != nil || len(archives) == 0 {
		return nil, archiveErrorf("%q holds no generated packages", folder)
	}
	return archives, nil
}

// readPackage is the package whose archive path names; the kernels' names say the rest.
func readPackage(path string) (*sigattn.Package, error) {
	archive, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	manifest, err := ReadArchive(archive)
	if err != nil {
		return nil, err
	}
	p := &sigattn.Package{Name: filepath.Base(filepath.Dir(path)), Archive: string(archive)}
	for _, k := range manifest.Kernels {
		plan, err := ParseName(k.Name)
		if err != nil {
			return nil, err
		}
		p.HeadDim, p.DType, p.Mask, p.Sigmoid = plan.HeadDim, plan.DType, plan.Mask, plan.Sigmoid
		p.Kernels = append(p.Kernels, sigattn.KernelInfo{
			Name: k.Name, Pass: plan.Pass, Arch: plan.Arch, TileM: plan.M, TileN: plan.N,
			Threads: plan.Threads, SharedBytes: k.SharedBytes,
		})
	}
	if len(p.Kernels) == 0 {
		return nil, archiveErrorf("it holds no kernels")
	}
	return p, nil
}
