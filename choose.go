package sigattn

import (
	"errors"
	"fmt"

	"github.com/sigattn/sigattn/internal/driver"
)

// chip is what the choice of an image and a launch depend on.
type chip struct {
	arch        Arch
	sharedBytes int // per block, the most that a kernel may ask for
	processors  int // SMs
}

// currentChip describes the device of the calling thread's context.
func currentChip() (chip, error) {
	d, err := driver.CurrentDevice()
	if err != nil {
		return chip{}, err
	}
	capability, err := d.Capability()
	if err != nil {
		return chip{}, err
	}
	shared, err := d.Attribute(driver.SharedBytesPerBlockOptIn)
	if err != nil {
		return chip{}, err
	}
	processors, err := d.Attribute(driver.MultiprocessorCount)
	if err != nil {
		return chip{}, err
	}
	return chip{Arch(capability), shared, processors}, nil
}

// choice is the image that one pass runs.
type choice struct {
	KernelInfo
	ptx bool
}

// Suffixes of the archive's entries.
const (
	cubinSuffix = ".cubin"
	ptxSuffix   = ".ptx"
)

// choose picks the images of each pass that the chip can run: the best that takes tensor maps and the best that takes any
// tensor, as far as there are such. has tells which entries the archive holds. A finish kernel reads the fused kernel's
// workspace, in which those that take tensor maps and the others differ, so it is of the same kind and TileM.
func choose(p *Package, on chip, has func(entry string) bool) ([]choice, error) {
	var choices []choice
	fusedTileM := map[bool]int{} // by whether it takes tensor maps
	for _, pass := range [...]Pass{Forward, ForwardSplit, BackwardFused, BackwardOrdered, BackwardDKV, BackwardDQ, BackwardFinish} {
		for _, mapped := range [...]bool{true, false} {
			best := choice{}
			for _, info := range p.Kernels {
				if info.Pass != pass || info.mapped() != mapped || info.SharedBytes > on.sharedBytes {
					continue
				}
				if m := fusedTileM[mapped]; pass == BackwardFinish && m != 0 && info.TileM != m {
					continue
				}
				for _, ptx := range [...]bool{false, true} {
					c := choice{info, ptx}
					if c.runs(on.arch) && has(c.entry()) && c.better(best) {
						best = c
					}
				}
			}
			if best.Pass == 0 {
				continue
			}
			if pass == BackwardFused || pass == BackwardOrdered {
				fusedTileM[mapped] = best.TileM
			}
			choices = append(choices, best)
		}
	}
	if len(choices) == 0 {
		return nil, &ArchError{Package: p.Name, Device: on.arch, SharedBytes: on.sharedBytes, Images: listImages(p, has)}
	}
	return choices, nil
}

// entry is the image's name in the archive.
func (c choice) entry() string {
	if c.ptx {
		return c.Name + ptxSuffix
	}
	return c.Name + cubinSuffix
}

// runs reports whether code for c.Arch runs on an architecture: a cubin on its major version from its minor on, PTX on
// everything from it on; but code for 9.0, which is sm_90a's, there alone.
func (c choice) runs(on Arch) bool {
	if c.Arch == SM90 {
		return on == SM90
	}
	return c.Arch <= on && (c.ptx || c.Arch.Major() == on.Major())
}

// better reports whether c is to be preferred to another image that runs too. A cubin precedes PTX, and of each the
// highest architecture wins; but PTX of one major version differs by the shared memory that the plan was made for, and
// what serves a later major version best is the plan that uses most.
func (c choice) better(than choice) bool {
	switch {
	case than.Pass == 0:
		return true
	case c.ptx != than.ptx:
		return than.ptx
	case c.ptx && c.Arch.Major() == than.Arch.Major() && c.SharedBytes != than.SharedBytes:
		return c.SharedBytes > than.SharedBytes
	}
	return c.Arch > than.Arch
}

// listImages describes what a package holds, for an error.
func listImages(p *Package, has func(entry string) bool) []string {
	var list []string
	for _, info := range p.Kernels {
		for _, ptx := range [...]bool{false, true} {
			if c := (choice{info, ptx}); has(c.entry()) {
				kind := "cubin"
				if ptx {
					kind = "PTX"
				}
				list = append(list, fmt.Sprintf("%v %v %s (%d bytes of shared memory)", info.Pass, info.Arch, kind, info.SharedBytes))
			}
		}
	}
	if list == nil {
		return []string{"none"}
	}
	return list
}

// load brings the image onto the device of the current context, ready to launch without any further work. Where the
// driver has no use for machine code that should run, PTX of the same kernel is taken.
func (c choice) load(files *archive) (*image, error) {
	i, err := c.loadEntry(files)
	if e := (*CUDAError)(nil); errors.As(err, &e) && e.Code == driver.CodeNoBinaryForGPU && !c.ptx {
		if ptx := (choice{c.KernelInfo, true}); files.has(ptx.entry()) {
			return ptx.loadEntry(files)
		}
	}
	return i, err
}

func (c choice) loadEntry(files *archive) (*image, error) {
	data, err := files.image(c.entry())
	if err != nil {
		return nil, err
	}
	i := &image{KernelInfo: c.KernelInfo, ptx: c.ptx}
	if c.ptx {
		i.module, err = driver.LoadPTX(data)
	} else {
		i.module, err = driver.LoadModule(data)
	}
	if err != nil {
		return nil, fmt.Errorf("sigattn: loading %s: %w", c.entry(), err)
	}
	if err := i.prepare(); err != nil {
		_ = i.module.Unload() // the first error tells more
		return nil, fmt.Errorf("sigattn: loading %s: %w", c.entry(), err)
	}
	return i, nil
}

// prepare finds the kernel, allows its shared memory and reads its attributes, which ends the driver's lazy loading.
func (i *image) prepare() (err error) {
	if i.function, err = i.module.Function(i.Name); err != nil {
		return err
	}
	if err := i.function.SetAttribute(driver.FuncMaxSharedBytes, i.SharedBytes); err != nil {
		return err
	}
	if i.registers, err = i.function.Attribute(driver.FuncRegisters); err != nil {
		return err
	}
	if i.localBytes, err = i.function.Attribute(driver.FuncLocalBytes); err != nil || i.Pass != ForwardSplit {
		return err
	}
	i.clusters, err = i.countClusters()
	return err
}
