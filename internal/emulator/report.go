package emulator

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sigattn/sigattn/internal/emulator/ptx"
)

// Sentinels that errors of the package wrap one of, beside ptx.ErrSyntax.
var (
	ErrFault  = errors.New("the kernel does what it must not")
	ErrLaunch = errors.New("the launch cannot be")
)

// Kind is what a Report is about.
type Kind string

// Kinds of reports.
const (
	OutOfBounds    Kind = "out of bounds"
	Misaligned     Kind = "misaligned"
	Uninitialised  Kind = "uninitialised read"
	Race           Kind = "race"                 // two accesses to shared memory, or bulk copies to global memory, that nothing orders
	Divergent      Kind = "divergent collective" // lanes are missing where all that are named must take part
	BadBarrier     Kind = "bad barrier"          // a number or a count of threads that cannot be
	Deadlock       Kind = "deadlock"
	LeakedCopy     Kind = "copy pending at exit"
	TooManySteps   Kind = "too many instructions" // Options.MaxSteps
	UnboundedStack Kind = "unbounded divergence"
)

// Site is a place in a kernel.
type Site struct {
	Line        int    // of the PTX
	Source      string // file:line of the CUDA source, and where that was inlined; empty without line information
	Instruction string
}

func (s Site) String() string {
	text := fmt.Sprintf("PTX line %d (%s)", s.Line, s.Instruction)
	if s.Source != "" {
		text += ", " + s.Source
	}
	return text
}

// Report is one thing that a kernel does and must not.
type Report struct {
	Kind   Kind
	Kernel string
	Site
	Block   int // the first one in which it was seen
	Thread  int // of the block
	Space   ptx.Space
	Address uint64 // where Space is set
	Detail  string
	Count   int // how often it was seen
}

func (r Report) String() string {
	text := fmt.Sprintf("%s: %s, block %d, thread %d", r.Kind, r.Kernel, r.Block, r.Thread)
	if r.Space != ptx.NoSpace {
		text += fmt.Sprintf(", %v address %#x", r.Space, r.Address)
	}
	text += ": " + r.Detail + "; at " + r.Site.String()
	if r.Count > 1 {
		text += fmt.Sprintf("; %d times", r.Count)
	}
	return text
}

// Fault is what a launch was found to do. It wraps ErrFault.
type Fault struct {
	Reports []Report // at most one for each kind and instruction, in the order of their lines
	Dropped int      // reports of further instructions beyond maxReports
}

func (f *Fault) Error() string {
	lines := make([]string, 0, len(f.Reports)+1)
	for _, r := range f.Reports {
		lines = append(lines, r.String())
	}
	if f.Dropped > 0 {
		lines = append(lines, fmt.Sprintf("and %d reports of other instructions", f.Dropped))
	}
	return strings.Join(lines, "\n")
}

// Unwrap makes errors.Is(err, ErrFault) true.
func (f *Fault) Unwrap() error { return ErrFault }
