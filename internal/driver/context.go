package driver

import (
	"errors"
	"runtime"
	"unsafe"
)

// Context is a CUcontext handle; 0 is none.
type Context uintptr

// RetainPrimary returns the device's primary context, which the CUDA runtime's users share, and keeps it alive until
// ReleasePrimary.
func (d Device) RetainPrimary() (Context, error) {
	var c Context
	err := do(symPrimaryCtxRetain, uintptr(unsafe.Pointer(&c)), uintptr(d))
	return c, err
}

// ReleasePrimary undoes one RetainPrimary.
func (d Device) ReleasePrimary() error { return do(symPrimaryCtxRelease, uintptr(d)) }

// SetCurrent makes c the calling thread's context; 0 leaves it with none.
func (c Context) SetCurrent() error { return do(symCtxSetCurrent, uintptr(c)) }

// CurrentContext is the calling thread's context, or 0. It allocates nothing.
func CurrentContext() (Context, error) {
	if err := open(); err != nil {
		return 0, err
	}
	f := frames.Get().(*frame)
	f.args[0] = uintptr(unsafe.Pointer(&f.result))
	code := call(symCtxGetCurrent, f.args[:1]...)
	c := Context(f.result)
	frames.Put(f)
	if code != 0 {
		return 0, newError(symCtxGetCurrent, code)
	}
	return c, nil
}

// CurrentDevice is the device of the calling thread's context.
func CurrentDevice() (Device, error) {
	var d Device
	err := do(symCtxGetDevice, uintptr(unsafe.Pointer(&d)))
	return d, err
}

// Synchronize waits until everything submitted to the current context has run, and returns its first error.
func Synchronize() error { return do(symCtxSynchronize) }

// WithPrimary runs f on a locked thread whose current context is the primary one of the device with this ordinal, and
// restores the thread's context afterwards.
func WithPrimary(ordinal int, f func() error) (err error) {
	d, err := DeviceAt(ordinal)
	if err != nil {
		return err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := CurrentContext()
	if err != nil {
		return err
	}
	c, err := d.RetainPrimary()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, before.SetCurrent(), d.ReleasePrimary()) }()
	if err := c.SetCurrent(); err != nil {
		return err
	}
	return f()
}
