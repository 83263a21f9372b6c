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
	pointer uintptr                   // cuLaunchKernel's array of parameter addresses, of one element: &params
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
	Stream                       Stream
}

// LaunchKernel submits f with one by-value parameter, which is copied before it returns. P holds no Go pointers and is
// laid out as the kernel's parameter. It neither allocates nor waits.
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
	fr := frames.Get().(*frame)
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&fr.params)), size), unsafe.Slice((*byte)(params), size))
	fr.args = [...]uintptr{
		uintptr(f), uintptr(l.Blocks), 1, 1, uintptr(l.Threads), 1, 1,
		uintptr(l.SharedBytes), uintptr(l.Stream), uintptr(unsafe.Pointer(&fr.pointer)), 0,
	}
	code := call(symLaunchKernel, fr.args[:]...)
	runtime.KeepAlive(fr)
	frames.Put(fr)
	if code != 0 {
		return newError(symLaunchKernel, code)
	}
	return nil
}
