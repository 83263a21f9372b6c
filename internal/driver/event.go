package driver

import (
	"time"
	"unsafe"
)

// Event is a CUevent handle.
type Event uintptr

// NewEvent creates an event that takes times.
func NewEvent() (Event, error) {
	var e Event
	err := do(symEventCreate, uintptr(unsafe.Pointer(&e)), 0)
	return e, err
}

// Destroy releases the event.
func (e Event) Destroy() error { return do(symEventDestroy, uintptr(e)) }

// Record marks this place in the stream's work.
func (e Event) Record(s Stream) error { return do(symEventRecord, uintptr(e), uintptr(s)) }

// Synchronize waits until the work before the mark has run.
func (e Event) Synchronize() error { return do(symEventSynchronize, uintptr(e)) }

// Since is the time between the marks of start and e, both of which the device has passed; it resolves half a microsecond.
func (e Event) Since(start Event) (time.Duration, error) {
	var ms float32
	err := do(symEventElapsedTime, uintptr(unsafe.Pointer(&ms)), uintptr(start), uintptr(e))
	return time.Duration(float64(ms) * float64(time.Millisecond)), err
}
