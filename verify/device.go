package verify

import "github.com/sigattn/sigattn"

// Device is what kernels run on. Its calls come from one goroutine, on the thread that opened it, but for Load.
type Device interface {
	Machine() Machine
	// FreeMemory is how many bytes can still be allocated.
	FreeMemory() (int64, error)
	// Alloc allocates n > 0 bytes at a multiple of 256.
	Alloc(n int64) (sigattn.DevicePtr, error)
	Free(p sigattn.DevicePtr) error
	// Write, Read and Fill act in the order of Stream's work and return when the host memory may be reused.
	Write(dst sigattn.DevicePtr, src []uint16) error
	Read(dst []uint16, src sigattn.DevicePtr) error
	// Fill sets n 32-bit words.
	Fill(dst sigattn.DevicePtr, word uint32, n int64) error
	// Load may be called from any goroutine.
	Load(p *sigattn.Package) (Kernel, error)
	// Stream takes what is verified; Beside is a stream that work on it overlaps with.
	Stream() sigattn.Stream
	Beside() sigattn.Stream
	// Synchronize waits for both streams and returns their first error.
	Synchronize() error
	// Capture records in a graph what launch submits to the stream it is given. replay runs it in Stream's order.
	Capture(launch func(sigattn.Stream) error) (replay, release func() error, err error)
}

// Kernel is a loaded package, as *sigattn.Kernel.
type Kernel interface {
	Forward(sigattn.Stream, sigattn.ForwardArgs) error
	ForwardImage(sigattn.ForwardArgs) (sigattn.ImageInfo, error)
	Backward(sigattn.Stream, sigattn.BackwardArgs) error
	BackwardImage(sigattn.BackwardArgs) (sigattn.ImageInfo, error)
	WorkspaceSize(sigattn.BackwardArgs) (int64, error)
	Info() sigattn.Info
	Close() error
}

var _ Kernel = (*sigattn.Kernel)(nil)

// Machine says what a report was measured on.
type Machine struct {
	Name   string       `json:"name"`             // such as NVIDIA H200
	Arch   sigattn.Arch `json:"arch"`             // of the device
	Driver string       `json:"driver,omitempty"` // CUDA version that the driver implements
	Memory int64        `json:"memory_bytes"`
}
