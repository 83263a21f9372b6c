package emulator

import (
	"fmt"
	"path"

	"github.com/sigattn/sigattn/internal/emulator/ptx"
)

// Program is a compiled module.
type Program struct {
	Target  string // such as sm_80
	kernels map[string]*Kernel
}

// Kernel is a compiled kernel. It may be run by many goroutines at once.
type Kernel struct {
	name         string
	params       []Param
	paramBytes   int
	maxThreads   [3]int
	exact        bool
	cluster      [3]int // the only legal one; zero where the launch chooses
	agents       bool   // it has asynchronous work that goes on beside its warps
	staticShared int    // bytes before the dynamic shared memory
	steps        []step
	sites        []Site // by step
	words        int    // registers of 32 bits, the constants behind them not counted
	longs        int    // of 64 bits
	predicates   int
	constants    []uint32 // repeated in all lanes
	longConstant []uint64
	specials     [ptx.SpecialCount]int32 // the register that each lies in; -1 where none is used
}

// step is one compiled instruction.
type step struct {
	run     func(*warp)
	control control
	guard   int32  // the predicate register; -1 without one
	inverts uint32 // what the guard is xored with
	keeps   keeps  // the one register that run writes in all lanes
	target  int32  // of jumps: the step that lanes go to
	rejoin  int32  // of jumps: the step where those that went and those that did not meet; exitStep where at none
	opens   bool   // a basic block: paths may meet before it
}

// keeps names a register whose inactive lanes the executor restores, so that arithmetic may work on all lanes.
type keeps struct {
	file ptx.Width // 0: run itself looks at the active lanes
	slot int32
}

// exitStep is no step: paths that meet nowhere end.
const exitStep = -1

// Compile makes a module's kernels ready to run.
func Compile(m *ptx.Module) (*Program, error) {
	p := &Program{Target: m.Target, kernels: make(map[string]*Kernel)}
	for _, e := range m.Entries {
		if p.kernels[e.Name] != nil {
			return nil, &ptx.Error{Line: e.Line, What: e.Name + " is an entry twice"}
		}
		k, err := compileEntry(m, e)
		if err != nil {
			return nil, err
		}
		p.kernels[e.Name] = k
	}
	return p, nil
}

// Load parses and compiles.
func Load(text string) (*Program, error) {
	m, err := ptx.Parse(text)
	if err != nil {
		return nil, err
	}
	return Compile(m)
}

// Kernel finds a kernel by name; nil where there is none.
func (p *Program) Kernel(name string) *Kernel { return p.kernels[name] }

// Name is the kernel's symbol.
func (k *Kernel) Name() string { return k.name }

// StaticShared is how many bytes of shared memory the kernel declares with a size.
func (k *Kernel) StaticShared() int { return k.staticShared }

// Param is where a parameter lies in Launch.Params.
type Param struct{ Offset, Size int }

// Params lists the kernel's parameters.
func (k *Kernel) Params() []Param { return k.params }

// ParamBytes is the size of the kernel's parameters together.
func (k *Kernel) ParamBytes() int { return k.paramBytes }

// MaxThreads is how many threads a block may have.
func (k *Kernel) MaxThreads() int {
	if n := k.maxThreads[0] * k.maxThreads[1] * k.maxThreads[2]; n > 0 {
		return n
	}
	return maxBlockThreads
}

// siteOf describes an instruction's place.
func siteOf(m *ptx.Module, in *ptx.Instruction) Site {
	s := Site{Line: in.Line, Instruction: in.Form.Name}
	l := in.Location
	if l == nil || l.Line == 0 {
		return s
	}
	s.Source = fmt.Sprintf("%s:%d", path.Base(m.Files[l.File]), l.Line)
	if l.InlinedLine != 0 {
		s.Source += fmt.Sprintf(", inlined at line %d", l.InlinedLine)
	}
	return s
}
