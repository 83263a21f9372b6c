package emulator

// Options say how a launch runs. The zero value runs exactly, eagerly and with checks.
type Options struct {
	// NoChecks leaves the search for races and uninitialised reads of shared memory away. Bounds, alignment and
	// collectives are always checked.
	NoChecks bool
	// CheckGlobal also reports reads of global memory that nothing has written since it was allocated.
	CheckGlobal bool
	// Seed chooses among the orders that the ISA leaves open.
	Seed uint64
	// Preempt switches between warps at random instructions, beside where they wait.
	Preempt bool
	// Copies says when asynchronous work completes: cp.async, bulk copies and wgmma.
	Copies Completion
	// WorstCase makes approximations err by as much as NVIDIA documents, in either direction; else they are rounded
	// correctly.
	WorstCase bool
	// MaxSteps bounds the instructions of one warp; 0 is a bound that no finite kernel of seconds reaches.
	MaxSteps int64
	// Workers is how many blocks run at once; 0 is one for each processor.
	Workers int
}

// Completion says when asynchronous work takes effect.
type Completion uint8

// Completions. Each is legal, so a kernel's results must not depend on which it is.
const (
	Eager  Completion = iota // at once
	Latest                   // when it is waited for
	Random                   // one or the other, for each copy
)

const defaultMaxSteps = 1 << 32

func (o Options) maxSteps() int64 {
	if o.MaxSteps > 0 {
		return o.MaxSteps
	}
	return defaultMaxSteps
}
