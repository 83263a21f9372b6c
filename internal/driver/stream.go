package driver

import "unsafe"

// Stream is a CUstream handle; 0 is the default stream.
type Stream uintptr

// streamNonBlocking is CU_STREAM_NON_BLOCKING: no implicit order against the default stream.
const streamNonBlocking = 1

// NewStream creates a stream that does not wait for the default stream.
func NewStream() (Stream, error) {
	var s Stream
	err := do(symStreamCreate, uintptr(unsafe.Pointer(&s)), streamNonBlocking)
	return s, err
}

// Destroy releases the stream once its work is done, and does not wait for that.
func (s Stream) Destroy() error { return do(symStreamDestroy, uintptr(s)) }

// Synchronize waits for the stream's work and returns its first error.
func (s Stream) Synchronize() error { return do(symStreamSynchronize, uintptr(s)) }

// Wait makes the stream's later work wait for what e recorded.
func (s Stream) Wait(e Event) error { return do(symStreamWaitEvent, uintptr(s), uintptr(e), 0) }
