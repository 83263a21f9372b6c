package driver

import (
	"fmt"
	"runtime"
	"sync"
	"unsafe"
)

// MaxParamBytes bounds a launch's parameter block.
const MaxParamBytes = 2048

// frame holds what one call on the launch path hands to C. Frames live on the heap, which does not move, and are
// recycled, so that a launch allocates nothing however many goroutines launch at once.
type frame struct {
	args    [11]uintptr
	result  uintptr                   // what a call returns through a pointer
	pointer uintptr                   // the array of parameter addresses, of one element: &params
	config  launchConfig              // what cuLaunchKernelEx takes
	cluster launchAttribute           // config's
	params  [MaxParamBytes / 8]uint64 // the parameter block
}

var frames = sync.Pool{New: func() any {
	f := new(frame)
	f.pointer = uintptr(unsafe.Pointer(&f.params))
	return f
}}

// Launch is a one-dimensional launch geometry.
type Launch struct {
	Blocks, Threads, SharedBytes uint32 // SharedBytes is dynamic, per block
	Cluster                      uint32 // blocks per cluster, a divisor of Blocks; 0 and 1 are none
	Stream                       Stream
}

// LaunchKernel submits f with one by-value parameter, which is copied before it returns. P holds no Go pointers and is
// laid out as the kernel's parameter. It neither allocates nor waits. A driver older than CUDA 11.8 has no clusters and gives
// an error with CodeNotSupported.
func LaunchKernel[P any](f Function, l Launch, params *P) error {
	return launch(f, l, unsafe.Pointer(params), unsafe.Sizeof(*params))
}

func launch(f Function, l Launch, params unsafe.Pointer, size uintptr) error {
	if err := open(); err != nil {
		return err
	}
	if size > MaxParamBytes {
		return fmt.Errorf("%w: a parameter block of %d bytes, at most %d are supported", ErrCUDA, size, MaxParamBytes)
	}
	if l.Cluster > 1 && !served(symLaunchKernelEx) {
		return notServed(symLaunchKernelEx)
	}
	fr := frames.Get().(*frame)
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&fr.params)), size), unsafe.Slice((*byte)(params), size))
	op, code := fr.submit(f, l)
	runtime.KeepAlive(fr)
	frames.Put(fr)
	if code != 0 {
		return newError(op, code)
	}
	return nil
}

// submit calls the driver's function that the geometry needs. Frames do not move, so they may hold their own addresses.
func (fr *frame) submit(f Function, l Launch) (op symbol, code int32) {
	params := uintptr(unsafe.Pointer(&fr.pointer))
	if l.Cluster <= 1 {
		fr.args = [...]uintptr{
			uintptr(f), uintptr(l.Blocks), 1, 1, uintptr(l.Threads), 1, 1,
			uintptr(l.SharedBytes), uintptr(l.Stream), params, 0,
		}
		return symLaunchKernel, call(symLaunchKernel, fr.args[:]...)
	}
	fr.configure(l)
	fr.args = [len(fr.args)]uintptr{uintptr(unsafe.Pointer(&fr.config)), uintptr(f), params, 0}
	return symLaunchKernelEx, call(symLaunchKernelEx, fr.args[:4]...)
}

// MaxActiveClusters is how many clusters of a launch of f can run at once, alone on the device; 0 where not one can. It reads all
// of l but the stream.
func (f Function) MaxActiveClusters(l Launch) (int, error) {
	if err := open(); err != nil {
		return 0, err
	}
	const op = symOccupancyMaxActiveClusters
	if !served(op) {
		return 0, notServed(op)
	}
	fr := frames.Get().(*frame)
	fr.configure(l)
	fr.args = [len(fr.args)]uintptr{uintptr(unsafe.Pointer(&fr.result)), uintptr(f), uintptr(unsafe.Pointer(&fr.config))}
	code := call(op, fr.args[:3]...)
	n := *(*int32)(unsafe.Pointer(&fr.result))
	frames.Put(fr)
	if code != 0 {
		return 0, newError(op, code)
	}
	return int(n), nil
}

// configure makes the frame's config that of a launch in clusters.
func (fr *frame) configure(l Launch) {
	fr.cluster = launchAttribute{id: attributeClusterDimension, value: [16]uint32{l.Cluster, 1, 1}}
	fr.config = launchConfig{
		grid: [...]uint32{l.Blocks, 1, 1}, block: [...]uint32{l.Threads, 1, 1},
		sharedBytes: l.SharedBytes, stream: l.Stream,
		attributes: uintptr(unsafe.Pointer(&fr.cluster)), count: 1,
	}
}

// launchConfig is CUlaunchConfig.
type launchConfig struct {
	grid, block [3]uint32
	sharedBytes uint32
	stream      Stream
	attributes  uintptr // of launchAttribute
	count       uint32
}

// launchAttribute is CUlaunchAttribute: its id, and a value of 64 bytes, of which a cluster's dimensions are the first three words.
type launchAttribute struct {
	id    uint32
	_     uint32
	value [16]uint32
}

// attributeClusterDimension is CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION.
const attributeClusterDimension = 4
