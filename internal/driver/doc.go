// Package driver calls the CUDA driver, libcuda.so.1, by dlopen: no cgo and no toolkit. It builds for every GOOS and
// GOARCH; where CUDA does not exist, every call returns ErrNoDriver, unless a stand-in serves it (WithStandIn).
//
// Every call is one driver call of the same subject: a device address, stream or function handle made by another
// library in the process serves as well as one made here. As in CUDA, calls act on the calling thread's current
// context; a goroutine that sets one keeps its thread by runtime.LockOSThread (see WithPrimary).
//
// The package must not know attention: nothing of tensors, kernels' parameters or images.
package driver
