package driver

import (
	"sync"
	"sync/atomic"
)

// StandIn serves the driver's functions in place of libcuda.so.1, such as an emulator.
type StandIn interface {
	// Call is one call: the function's exported name and its arguments as C would take them, pointers among them, all of
	// which hold until it returns. It returns a CUresult. Calls come from any goroutine.
	Call(name string, args []uintptr) int32
}

var (
	standIn    atomic.Pointer[StandIn] // nil: calls go to the driver
	standInUse sync.Mutex
)

// WithStandIn runs f while every call of the process goes to a stand-in. One stands in at a time; another waits. Handles
// and addresses made before or by another are none of its.
func WithStandIn(in StandIn, f func() error) error {
	standInUse.Lock()
	defer standInUse.Unlock()
	standIn.Store(&in)
	defer standIn.Store(nil)
	return f()
}
