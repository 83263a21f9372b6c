package sigattn

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sigattn/sigattn/internal/driver"
)

// Sentinels for errors.Is. Every error of the package wraps one; those of a launch's arguments wrap ErrArgument too.
var (
	ErrNoDriver        = driver.ErrNoDriver                                // no NVIDIA driver, or no device
	ErrCUDA            = driver.ErrCUDA                                    // a driver call failed; errors.As finds a *CUDAError
	ErrContext         = errors.New("wrong CUDA context")                  // none is current, or not the one of Load
	ErrUnsupportedArch = errors.New("unsupported GPU architecture")        // no image of the package runs on the device
	ErrUnsupportedPass = errors.New("pass not in the package")             // such as Backward of a forward-only package
	ErrArchive         = errors.New("corrupt kernel archive")              // truncated, altered, or lacking an image
	ErrClosed          = errors.New("kernel is closed")                    // a launch after Close
	ErrName            = errors.New("unknown name")                        // ParseArch and its like
	ErrArgument        = errors.New("bad argument")                        // every one of those that follow
	ErrShape           = fmt.Errorf("%w: shape", ErrArgument)              // dimensions that do not fit together
	ErrStride          = fmt.Errorf("%w: stride", ErrArgument)             // strides that rows cannot have
	ErrAlignment       = fmt.Errorf("%w: alignment", ErrArgument)          // an address that is not aligned
	ErrOverlap         = fmt.Errorf("%w: overlapping memory", ErrArgument) // an output that shares bytes with another tensor
	ErrWorkspace       = fmt.Errorf("%w: workspace", ErrArgument)          // missing or too small
)

// CUDAError is a driver call that failed: its function, CUresult and name.
type CUDAError = driver.Error

// ArgumentError is an argument of a launch that is not legal. Nothing was launched.
type ArgumentError struct {
	Op   string // the call, such as Forward
	Arg  string // such as K.Heads
	Got  string // what it was
	Want string // what is legal
	Kind error  // ErrShape, ErrStride, ErrAlignment, ErrOverlap, ErrWorkspace or ErrArgument
}

func (e *ArgumentError) Error() string {
	return fmt.Sprintf("sigattn: %s: %s is %s, want %s", e.Op, e.Arg, e.Got, e.Want)
}

// Unwrap gives the kind, which wraps ErrArgument.
func (e *ArgumentError) Unwrap() error { return e.Kind }

// ArchError is a package without an image for the device.
type ArchError struct {
	Package     string
	Device      Arch
	SharedBytes int      // per block that the device allows
	Images      []string // what the package holds, such as "fwd sm_80 cubin (98304 bytes of shared memory)"
}

func (e *ArchError) Error() string {
	return fmt.Sprintf("sigattn: package %s has no image for %v with %d bytes of shared memory per block; it has %s",
		e.Package, e.Device, e.SharedBytes, strings.Join(e.Images, ", "))
}

// Unwrap makes errors.Is(err, ErrUnsupportedArch) true.
func (e *ArchError) Unwrap() error { return ErrUnsupportedArch }

// PassError is a pass that was asked for and that no loaded image computes.
type PassError struct {
	Package string
	Device  Arch
	Want    string   // such as "bwddkv and bwddq"
	Loaded  []string // the passes that were loaded
}

func (e *PassError) Error() string {
	return fmt.Sprintf("sigattn: package %s has no %s for %v; loaded are %s",
		e.Package, e.Want, e.Device, strings.Join(e.Loaded, ", "))
}

// Unwrap makes errors.Is(err, ErrUnsupportedPass) true.
func (e *PassError) Unwrap() error { return ErrUnsupportedPass }

// ArchiveError is a package whose archive cannot be read whole.
type ArchiveError struct {
	Package string
	Entry   string // the image, or "" where the archive itself is unreadable
	Err     error
}

func (e *ArchiveError) Error() string {
	if e.Entry == "" {
		return fmt.Sprintf("sigattn: package %s: %v: %v", e.Package, ErrArchive, e.Err)
	}
	return fmt.Sprintf("sigattn: package %s: %v: %s: %v", e.Package, ErrArchive, e.Entry, e.Err)
}

// Unwrap makes errors.Is true for ErrArchive and for the cause.
func (e *ArchiveError) Unwrap() []error { return []error{ErrArchive, e.Err} }

// NameError is a word that names no value of its kind.
type NameError struct {
	Kind string   // such as dtype
	Got  string   // the word
	Want []string // the legal ones
}

func (e *NameError) Error() string {
	return fmt.Sprintf("unknown %s %q, want one of %s", e.Kind, e.Got, strings.Join(e.Want, ", "))
}

// Unwrap makes errors.Is(err, ErrName) true.
func (e *NameError) Unwrap() error { return ErrName }
