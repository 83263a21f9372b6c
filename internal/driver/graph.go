package driver

import "unsafe"

// Graph is a CUgraph handle: captured work.
type Graph uintptr

// GraphExec is a CUgraphExec handle: a graph ready to launch.
type GraphExec uintptr

// captureThreadLocal is CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: calls that cannot be captured fail on this thread only.
const captureThreadLocal = 1

// BeginCapture records what is submitted to the stream, which is not the default one, in place of running it. The
// calls up to EndCapture come from one thread.
func (s Stream) BeginCapture() error {
	return do(symStreamBeginCapture, uintptr(s), captureThreadLocal)
}

// EndCapture ends BeginCapture and returns what was recorded. It fails where something that cannot be captured was called.
func (s Stream) EndCapture() (Graph, error) {
	var g Graph
	err := do(symStreamEndCapture, uintptr(s), uintptr(unsafe.Pointer(&g)))
	return g, err
}

// Instantiate prepares the graph for launches.
func (g Graph) Instantiate() (GraphExec, error) {
	var x GraphExec
	err := do(symGraphInstantiate, uintptr(unsafe.Pointer(&x)), uintptr(g), 0)
	return x, err
}

// Destroy releases the graph; what was instantiated from it stays.
func (g Graph) Destroy() error { return do(symGraphDestroy, uintptr(g)) }

// Launch submits the graph's work to a stream.
func (x GraphExec) Launch(s Stream) error { return do(symGraphLaunch, uintptr(x), uintptr(s)) }

// Destroy releases the instance.
func (x GraphExec) Destroy() error { return do(symGraphExecDestroy, uintptr(x)) }
