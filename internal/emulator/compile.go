package emulator

import (
	"fmt"

	"github.com/sigattn/sigattn/internal/emulator/ptx"
)

// builder makes an instruction's function. It reads operands through the compiler, which keeps the first error.
type builder func(c *compiler, in *ptx.Instruction) func(*warp)

// compiler makes the steps of one kernel.
type compiler struct {
	kernel    *Kernel
	entry     *ptx.Entry
	slots     slots
	in        *ptx.Instruction
	addresses map[string]uint64 // of parameters and shared variables
	words     map[uint64]int32  // the registers of constants, and behind a mark of special registers
	longs     map[uint64]int32
	pinned    bitset // registers of wgmma
	err       error
}

// sharedBase is the address of the first byte of shared memory. It is not 0, so that an address that nothing set is
// found out of bounds.
const sharedBase = 1024

// maxSteps is how many steps the shadows of shared memory can tell apart.
const maxSteps = 1<<20 - 1

func compileEntry(m *ptx.Module, e *ptx.Entry) (*Kernel, error) {
	k := &Kernel{name: e.Name, maxThreads: e.MaxThreads, exact: e.Exact, cluster: e.Cluster, agents: usesAgents(e)}
	c := &compiler{
		kernel: k, entry: e, addresses: make(map[string]uint64),
		words: make(map[uint64]int32), longs: make(map[uint64]int32),
	}
	if len(e.Body) == 0 {
		return nil, &ptx.Error{Line: e.Line, What: e.Name + " has no instructions"}
	}
	c.layOut(m)
	if len(e.Body) >= maxSteps {
		return nil, &ptx.Error{Line: e.Line, What: fmt.Sprintf("%s has %d instructions, at most %d are supported", e.Name, len(e.Body), maxSteps)}
	}
	f := newFlow(e.Body)
	c.pinned = productRegisters(f)
	c.slots = placeRegisters(e, f)
	k.predicates = int(c.slots.count[ptx.W1])
	k.words = int(c.slots.count[ptx.W32])
	k.longs = int(c.slots.count[ptx.W64])
	for i := range k.specials {
		k.specials[i] = -1
	}
	starts := c.compileBlocks(m, f)
	if c.err != nil {
		return nil, c.err
	}
	for i := range k.steps { // steps know blocks until here
		s := &k.steps[i]
		if s.control == jumps {
			s.target = starts[s.target]
			if s.rejoin != exitBlock {
				s.rejoin = starts[s.rejoin]
			}
		}
	}
	return k, nil
}

// layOut gives parameters and shared variables their addresses.
func (c *compiler) layOut(m *ptx.Module) {
	place := func(vars []ptx.Variable, at int, wanted func(ptx.Variable) bool) int {
		for _, v := range vars {
			if wanted(v) {
				at = (at + v.Align - 1) / v.Align * v.Align
				c.addresses[v.Name] = uint64(at)
				at += v.Size
			}
		}
		return at
	}
	c.kernel.paramBytes = place(c.entry.Params, 0, func(ptx.Variable) bool { return true })
	for _, v := range c.entry.Params {
		c.kernel.params = append(c.kernel.params, Param{int(c.addresses[v.Name]), v.Size})
	}
	sized := func(v ptx.Variable) bool { return v.Space == ptx.Shared && !v.Extern }
	end := place(c.entry.Shared, sharedBase, sized)
	end = place(m.Variables, end, sized)
	for _, v := range m.Variables {
		if v.Space == ptx.Shared && v.Extern {
			end = (end + v.Align - 1) / v.Align * v.Align
		}
	}
	for _, v := range m.Variables { // all dynamic shared variables are the same memory
		if v.Space == ptx.Shared && v.Extern {
			c.addresses[v.Name] = uint64(end)
		}
	}
	c.kernel.staticShared = end - sharedBase
}

// compileBlocks makes the steps of every block and returns each block's first one.
func (c *compiler) compileBlocks(m *ptx.Module, f *flow) []int32 {
	starts := make([]int32, len(f.blocks))
	for b := range f.blocks {
		x := &f.blocks[b]
		starts[b] = int32(len(c.kernel.steps))
		for i := x.first; i < x.end && c.err == nil; i++ {
			s := c.compile(&f.body[i])
			s.opens = i == x.first
			if s.control == jumps {
				s.target = int32(f.of[f.body[i].Operands[0].Target])
				s.rejoin = int32(x.rejoin)
			}
			c.add(s, siteOf(m, &f.body[i]))
		}
	}
	// A body may end without ret.
	c.add(step{control: leaves, guard: -1, opens: true}, Site{Line: c.entry.Line, Instruction: "end"})
	return starts
}

func (c *compiler) add(s step, at Site) {
	c.kernel.steps = append(c.kernel.steps, s)
	c.kernel.sites = append(c.kernel.sites, at)
}

// compile makes one step.
func (c *compiler) compile(in *ptx.Instruction) step {
	c.in = in
	s := step{control: controlOf(in), guard: -1}
	if in.Guard.Present {
		s.guard = c.slots.of[in.Guard.On]
		if in.Guard.Negated {
			s.inverts = ^uint32(0)
		}
	}
	if s.control == jumps || s.control == leaves {
		return s
	}
	build := builders[in.Form.Name]
	if build == nil {
		c.fail("%s cannot be executed", in.Form.Name)
		return s
	}
	if s.run = build(c, in); s.run != nil {
		s.run = c.watch(in, s.run)
	}
	if !masksItself[in.Form.Name] && in.Operands[0].Kind == ptx.RegisterOperand {
		d := in.Operands[0]
		s.keeps = keeps{fileOf(c.entry.Registers[d.Register].Width), c.slots.of[d.Register]}
	}
	return s
}

func (c *compiler) fail(format string, args ...any) {
	if c.err == nil {
		c.err = &ptx.Error{Line: c.in.Line, What: fmt.Sprintf(format, args...)}
	}
}

// slot is the register that operand i of the instruction lies in; a constant gets one of its own.
func (c *compiler) slot(i int) int32 { return c.place(&c.in.Operands[i], c.in.Form.Operands[i].Width) }

// place is slot for an operand of a width.
func (c *compiler) place(x *ptx.Operand, w ptx.Width) int32 {
	switch x.Kind {
	case ptx.RegisterOperand:
		return c.slots.of[x.Register]
	case ptx.SpecialOperand:
		return c.special(x.Special)
	case ptx.SymbolOperand:
		return c.constant(c.address(x.Symbol)+x.Immediate, w)
	}
	return c.constant(x.Immediate, w)
}

// special is the register that holds a special register: one among the constants, which the launch fills.
func (c *compiler) special(s ptx.Special) int32 {
	if c.kernel.specials[s] < 0 {
		c.kernel.specials[s] = c.wordConstant(uint32(s), uint64(s)<<32|specialMark)
	}
	return c.kernel.specials[s]
}

// specialMark sets the keys of special registers apart from those of 32-bit constants.
const specialMark = 1 << 63

func (c *compiler) constant(value uint64, w ptx.Width) int32 {
	switch w {
	case ptx.W64:
		slot, ok := c.longs[value]
		if !ok {
			slot = int32(c.kernel.longs + len(c.kernel.longConstant))
			c.kernel.longConstant = append(c.kernel.longConstant, value)
			c.longs[value] = slot
		}
		return slot
	case ptx.W16:
		value &= 0xffff
	}
	return c.wordConstant(uint32(value), uint64(uint32(value)))
}

// wordConstant is the register of a 32-bit constant, which lies under a key.
func (c *compiler) wordConstant(value uint32, key uint64) int32 {
	slot, ok := c.words[key]
	if !ok {
		slot = int32(c.kernel.words + len(c.kernel.constants))
		c.kernel.constants = append(c.kernel.constants, value)
		c.words[key] = slot
	}
	return slot
}

// address is where a variable lies in its space.
func (c *compiler) address(v *ptx.Variable) uint64 {
	a, ok := c.addresses[v.Name]
	if !ok {
		c.fail("the variable %s in %v memory is not supported", v.Name, v.Space)
	}
	return a
}

// predicate is a predicate that an instruction reads.
type predicate struct {
	slot  int32
	value uint32 // what the register is xored with; without a register, the value
}

func (p predicate) of(w *warp) uint32 {
	if p.slot < 0 {
		return p.value
	}
	return w.p[p.slot] ^ p.value
}

// predicate reads operand i, a predicate.
func (c *compiler) predicate(i int) predicate {
	x := &c.in.Operands[i]
	p := predicate{slot: -1}
	switch x.Kind {
	case ptx.RegisterOperand:
		p.slot = c.slots.of[x.Register]
	case ptx.ImmediateOperand:
		if x.Immediate != 0 {
			p.value = ^uint32(0)
		}
	}
	if x.Negated {
		p.value = ^p.value
	}
	return p
}
