package sigattn

import (
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"sync/atomic"

	"github.com/sigattn/sigattn/internal/driver"
)

// Kernel is a package loaded for one device and context. It may be used by many goroutines.
type Kernel struct {
	name       string
	headDim    int // the largest it serves
	device     Arch
	processors uint32 // SMs of the device
	context    driver.Context
	images     [BackwardFinish + 1]*image // by pass, of those that take any tensor; nil where the package has none for the device
	mapped     [BackwardFinish + 1]*image // by pass, of those that take tensor maps
	maps       *mapCache                  // nil where there are none of these
	closed     atomic.Bool
}

// image is one loaded kernel.
type image struct {
	KernelInfo
	ptx        bool // compiled by the driver from PTX
	module     driver.Module
	function   driver.Function
	registers  int
	localBytes int
	clusters   clusterCounts // of a kernel that splits keys
}

// Info says what Load picked. Where a pass has two images, arguments decide between them, as Kernel.ForwardImage says.
type Info struct {
	Package    string
	Device     Arch
	Processors int         // SMs of the device
	Images     []ImageInfo // in the order of passes, and of each the one that takes tensor maps first
}

// ImageInfo is one loaded kernel.
type ImageInfo struct {
	KernelInfo
	PTX        bool // compiled by the driver from PTX; a cubin otherwise
	Registers  int  // per thread
	LocalBytes int  // per thread: stack and spills
}

// Load loads a package's kernels for the device of the calling thread's current context. Code that must be compiled
// from PTX, for devices later than every cubin, takes some seconds the first time; the driver caches the result.
//
// Errors wrap ErrNoDriver, ErrContext where no context is current, ErrUnsupportedArch (an *ArchError that lists what
// the package holds), ErrArchive or ErrCUDA.
func Load(p *Package) (*Kernel, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	context, err := driver.CurrentContext()
	switch {
	case err != nil:
		return nil, fmt.Errorf("sigattn: Load: %w", err)
	case context == 0:
		return nil, fmt.Errorf("sigattn: Load: %w: none is current on the calling thread", ErrContext)
	}
	chip, err := currentChip()
	if err != nil {
		return nil, fmt.Errorf("sigattn: Load: %w", err)
	}
	files, err := openArchive(p)
	if err != nil {
		return nil, err
	}
	choices, err := choose(p, chip, files.has)
	if err != nil {
		return nil, err
	}
	k := &Kernel{
		name: p.Name, headDim: p.HeadDim,
		device: chip.arch, processors: uint32(chip.processors), context: context,
	}
	if slices.ContainsFunc(choices, choice.mapped) {
		k.maps = &mapCache{elements: tensorTypes[p.DType]}
	}
	for _, c := range choices {
		i, err := c.load(files)
		if err != nil {
			return nil, errors.Join(err, k.unload())
		}
		if c.mapped() {
			k.mapped[c.Pass] = i
		} else {
			k.images[c.Pass] = i
		}
	}
	return k, nil
}

// Close releases the kernel's code. No other call may be under way, and what was launched must have finished. The thread's
// current context is that of Load. Calls after the first do nothing.
func (k *Kernel) Close() error {
	if k.closed.Load() {
		return nil
	}
	release, err := k.enter("Close")
	if err != nil {
		return err
	}
	defer release()
	if k.closed.Swap(true) {
		return nil
	}
	return k.unload()
}

// Info says which images were picked for the device.
func (k *Kernel) Info() Info {
	info := Info{Package: k.name, Device: k.device, Processors: int(k.processors)}
	for i := range k.loaded() {
		info.Images = append(info.Images, i.info())
	}
	return info
}

// loaded yields the images in Info's order.
func (k *Kernel) loaded() iter.Seq[*image] {
	return func(yield func(*image) bool) {
		for pass := range k.images {
			for _, i := range [...]*image{k.mapped[pass], k.images[pass]} {
				if i != nil && !yield(i) {
					return
				}
			}
		}
	}
}

func (i *image) info() ImageInfo { return ImageInfo{i.KernelInfo, i.ptx, i.registers, i.localBytes} }

// enter keeps the goroutine on a thread whose current context is the kernel's, until release.
func (k *Kernel) enter(op string) (release func(), err error) {
	runtime.LockOSThread()
	current, err := driver.CurrentContext()
	switch {
	case err != nil:
		err = fmt.Errorf("sigattn: %s: %w", op, err)
	case k.closed.Load():
		err = fmt.Errorf("sigattn: %s: %w", op, ErrClosed)
	case current == 0:
		err = fmt.Errorf("sigattn: %s: %w: none is current on the calling thread, want Load's, %#x", op, ErrContext, uint64(k.context))
	case current != k.context:
		err = fmt.Errorf("sigattn: %s: %w: %#x is current, want Load's, %#x", op, ErrContext, uint64(current), uint64(k.context))
	default:
		return runtime.UnlockOSThread, nil
	}
	runtime.UnlockOSThread()
	return nil, err
}

func (k *Kernel) lacks(what string) error {
	e := &PassError{Package: k.name, Device: k.device, Want: what}
	for i := range k.loaded() {
		e.Loaded = append(e.Loaded, i.Pass.String())
	}
	return e
}

// unload releases the modules that are loaded.
func (k *Kernel) unload() error {
	var errs []error
	for i := range k.loaded() {
		errs = append(errs, i.module.Unload())
	}
	return errors.Join(errs...)
}

// geometry is the blocks of a launch, and how many of them make a cluster; 0 are one.
type geometry struct{ blocks, cluster uint32 }

// launch submits one kernel; a grid of no blocks is none.
func launch[P any](i *image, s Stream, g geometry, params *P) error {
	if g.blocks == 0 {
		return nil
	}
	err := driver.LaunchKernel(i.function, driver.Launch{
		Blocks:      g.blocks,
		Cluster:     g.cluster,
		Threads:     uint32(i.Threads),
		SharedBytes: uint32(i.SharedBytes),
		Stream:      driver.Stream(s),
	}, params)
	if err != nil {
		return fmt.Errorf("sigattn: %s: %w", i.Name, err)
	}
	return nil
}
