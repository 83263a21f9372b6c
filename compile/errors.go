package compile

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sigattn/sigattn/gen"
)

// What can go wrong, for errors.Is.
var (
	// ErrNoNVRTC: the program was built without NVRTC, or NVRTC does not work where it runs.
	ErrNoNVRTC = errors.New("compile: no NVRTC")
	// ErrSource: a kernel does not compile.
	ErrSource = errors.New("does not compile")
	// ErrResources: a kernel compiles, but into code that spills or that ptxas had to hold back.
	ErrResources = errors.New("breaks its resources")
	// ErrCache: the cache directory cannot be used.
	ErrCache = errors.New("compile: cache")
)

// SourceError is the first thing that keeps a kernel from compiling. It wraps ErrSource.
type SourceError struct {
	Kernel  string
	Line    int    // in NAME.cu; 0 where the message is about no line of it
	Text    string // of that line
	Message string
	More    int // errors after this one
}

func (e *SourceError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s.cu", e.Kernel)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d", e.Line)
	}
	fmt.Fprintf(&b, ": %s", e.Message)
	if e.Text != "" {
		fmt.Fprintf(&b, " in `%s`", e.Text)
	}
	switch {
	case e.More == 1:
		b.WriteString(" (and 1 more error)")
	case e.More > 1:
		fmt.Fprintf(&b, " (and %d more errors)", e.More)
	}
	return b.String()
}

func (e *SourceError) Unwrap() error { return ErrSource }

// ResourceError says that a kernel spills registers, keeps arrays in local memory, or drew ptxas's notes about
// serialised wgmma or ignored setmaxnreg. It wraps ErrResources.
type ResourceError struct {
	Kernel string
	Report gen.Report
	Notes  []string // ptxas's, in its words
}

func (e *ResourceError) Error() string {
	r := e.Report
	var parts []string
	if r.SpillStoreBytes > 0 || r.SpillLoadBytes > 0 {
		parts = append(parts, fmt.Sprintf("spills %d bytes (stores) and %d bytes (loads) of registers at %d a thread",
			r.SpillStoreBytes, r.SpillLoadBytes, r.Registers))
	}
	if r.StackBytes > 0 {
		parts = append(parts, fmt.Sprintf("uses %d bytes of local stack a thread", r.StackBytes))
	}
	parts = append(parts, e.Notes...)
	return e.Kernel + ": " + strings.Join(parts, "; ")
}

func (e *ResourceError) Unwrap() error { return ErrResources }

// FailedError holds the kernels of one Compile that failed, in the order of its sources.
type FailedError struct {
	Kernels int // that were asked for
	Errs    []error
}

func (e *FailedError) Error() string {
	first := e.Errs[0].Error()
	if len(e.Errs) == 1 {
		return first
	}
	return fmt.Sprintf("%s (%d of %d kernels failed)", first, len(e.Errs), e.Kernels)
}

func (e *FailedError) Unwrap() []error { return e.Errs }

// failed joins errs, one per kernel, into a *FailedError, or nil where there is none.
func failed(errs []error) error {
	e := &FailedError{Kernels: len(errs)}
	for _, err := range errs {
		if err != nil {
			e.Errs = append(e.Errs, err)
		}
	}
	if len(e.Errs) == 0 {
		return nil
	}
	return e
}
