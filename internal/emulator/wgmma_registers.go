package emulator

import (
	"slices"
	"strings"

	"github.com/sigattn/sigattn/internal/emulator/ptx"
)

// registerState is what is known of a register that some wgmma uses.
type registerState struct {
	result int // the last group of wgmma in flight that writes it; 0 where none does
	source int // that reads it
	touch  int // fences executed, plus one, when an ordinary instruction last accessed it
}

// eachProductRegister calls f with the registers that a wgmma accumulates in or reads A from.
func eachProductRegister(in *ptx.Instruction, f func(r ptx.Register)) {
	if !strings.HasPrefix(in.Form.Name, "wgmma.mma_async") {
		return
	}
	for i := range 2 {
		for _, x := range in.Operands[i].Vector {
			if x.Kind == ptx.RegisterOperand {
				f(x.Register)
			}
		}
	}
}

// productRegisters is the set of them in a kernel.
func productRegisters(f *flow) bitset {
	n := 0
	for i := range f.body {
		eachRegister(&f.body[i], func(r ptx.Register, _ bool) { n = max(n, int(r)+1) })
	}
	set := newBitset(n)
	for i := range f.body {
		eachProductRegister(&f.body[i], set.add)
	}
	return set
}

// watch makes an instruction's function look at the registers that wgmma may have in flight.
func (c *compiler) watch(in *ptx.Instruction, run func(*warp)) func(*warp) {
	var reads, writes []watched
	eachRegister(in, func(r ptx.Register, written bool) {
		if !c.pinned.has(r) || c.entry.Registers[r].Width == ptx.W1 {
			return
		}
		x := watched{c.slots.of[r], c.entry.Registers[r].Name}
		if written {
			writes = append(writes, x)
		} else {
			reads = append(reads, x)
		}
	})
	switch {
	case len(reads)+len(writes) == 0 || strings.HasPrefix(in.Form.Name, "wgmma.mma_async"):
		return run
	case isMove(in) && len(reads) == 1:
		return c.watchMove(reads[0], c.slots.of[in.Operands[0].Register], run)
	}
	return func(w *warp) {
		m := &w.matrix
		if m.group == nil {
			run(w)
			return
		}
		for _, x := range reads {
			s := &m.states[x.slot]
			if s.result > 0 {
				w.reportFlying(x, "is read while a wgmma that writes it is in flight")
			}
			s.touch = m.fences + 1
		}
		for _, x := range writes {
			s := &m.states[x.slot]
			if s.result > 0 {
				w.reportFlying(x, "is written while a wgmma that writes it is in flight")
			} else if s.source > 0 {
				w.reportFlying(x, "is written while a wgmma that reads it is in flight")
			}
			s.touch = m.fences + 1
		}
		run(w)
	}
}

// watched is a register that is looked at.
type watched struct {
	slot int32
	name string
}

func (w *warp) reportFlying(x watched, how string) {
	w.report(Report{Kind: RegisterInFlight, Detail: x.name + " " + how}, w.active)
}

// isMove reports whether an instruction copies one 32-bit register.
func isMove(in *ptx.Instruction) bool {
	return strings.HasPrefix(in.Form.Name, "mov.") && in.Operands[0].Kind == ptx.RegisterOperand && in.Operands[1].Kind == ptx.RegisterOperand
}

// watchMove makes a move of a register that a wgmma uses. NVRTC puts such between wgmma, where the assembler takes both
// registers for one: what is in flight in the source is so in the destination, and that alone is no access.
func (c *compiler) watchMove(from watched, to int32, run func(*warp)) func(*warp) {
	return func(w *warp) {
		m := &w.matrix
		if m.group == nil || m.states[from.slot].result == 0 {
			if m.group != nil {
				m.states[to].touch = m.states[from.slot].touch
			}
			run(w)
			return
		}
		if w.active != allLanes {
			w.reportFlying(from, "is read by some lanes while a wgmma that writes it is in flight")
		}
		m.states[to] = registerState{result: m.states[from.slot].result, touch: m.states[from.slot].touch}
		x := &product{group: m.states[from.slot].result, step: w.at, move: [2]int32{from.slot, to}}
		if !slices.ContainsFunc(m.pending, func(p *product) bool { return !p.done }) {
			w.compute(x)
		}
		m.pending = append(m.pending, x)
	}
}

// takeRegisters notes that a wgmma has its registers in flight, and reports where they were accessed without a fence before.
func (w *warp) takeRegisters(x *product) {
	m := &w.matrix
	switch {
	case m.fences == 0:
		w.report(Report{Kind: MissingFence, Detail: "no wgmma.fence comes before the first wgmma"}, w.active)
		m.fences = 1
	case slices.ContainsFunc(x.d, func(slot int32) bool { return m.states[slot].touch > m.fences }):
		w.report(Report{Kind: MissingFence, Detail: "accumulators were accessed since the last wgmma.fence"}, w.active)
	case slices.ContainsFunc(x.productForm.a, func(slot int32) bool { return m.states[slot].touch > m.fences }):
		w.report(Report{Kind: MissingFence, Detail: "registers of A were accessed since the last wgmma.fence"}, w.active)
	}
	for _, slot := range x.productForm.a {
		s := &m.states[slot]
		if s.result > 0 {
			w.report(Report{Kind: RegisterInFlight, Detail: "A is read while a wgmma that writes it is in flight"}, w.active)
		}
		s.source = x.group
	}
	for _, slot := range x.d {
		m.states[slot].result = x.group
	}
}

// releaseRegisters lets go of those of complete groups.
func (w *warp) releaseRegisters(group int) {
	m := &w.matrix
	release := func(slot int32) {
		s := &m.states[slot]
		if s.result <= group {
			s.result = 0
		}
		if s.source <= group {
			s.source = 0
		}
	}
	left := m.pending[:0]
	for _, x := range m.pending {
		if x.group > group {
			left = append(left, x)
			continue
		}
		if x.productForm == nil {
			release(x.move[1])
			continue
		}
		for _, slot := range x.d {
			release(slot)
		}
		for _, slot := range x.productForm.a {
			release(slot)
		}
	}
	m.pending = left
}
