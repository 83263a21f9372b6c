package emulator

import (
	"math"
	"math/bits"
	"slices"

	"github.com/sigattn/sigattn/internal/emulator/ptx"
)

// slots is where each virtual register lies in its file. NVRTC's registers are written once each, thousands of them;
// those that are never alive together share a slot, so that a warp's registers stay in the processor's cache.
type slots struct {
	of    []int32             // by register
	count map[ptx.Width]int32 // of 1, 32 and 64 bits; 16-bit registers lie in the 32-bit file
}

// fileOf is the register file of a width.
func fileOf(w ptx.Width) ptx.Width {
	if w == ptx.W16 {
		return ptx.W32
	}
	return w
}

// span is where in the body a register is alive. Instruction i reads at 2i and writes at 2i+1.
type span struct {
	register ptx.Register
	from, to int
}

// placeRegisters assigns slots by a linear scan over the registers' spans.
func placeRegisters(e *ptx.Entry, f *flow) slots {
	spans := aliveSpans(e, f)
	slices.SortFunc(spans, func(a, b span) int {
		if a.from != b.from {
			return a.from - b.from
		}
		return int(a.register - b.register)
	})
	s := slots{of: make([]int32, len(e.Registers)), count: make(map[ptx.Width]int32)}
	free := make(map[ptx.Width][]int32)
	ends := make(map[int][]ptx.Register) // registers by the place that they end at
	swept := 0
	for _, x := range spans {
		for ; swept < x.from; swept++ {
			for _, r := range ends[swept] {
				file := fileOf(e.Registers[r].Width)
				free[file] = append(free[file], s.of[r])
			}
			delete(ends, swept)
		}
		file := fileOf(e.Registers[x.register].Width)
		if n := len(free[file]); n > 0 {
			s.of[x.register] = free[file][n-1]
			free[file] = free[file][:n-1]
		} else {
			s.of[x.register] = s.count[file]
			s.count[file]++
		}
		ends[x.to] = append(ends[x.to], x.register)
	}
	return s
}

// aliveSpans finds each register's span: from where it may first hold a value that is still needed to where it last does.
func aliveSpans(e *ptx.Entry, f *flow) []span {
	n := len(e.Registers)
	spans := make([]span, n)
	for r := range spans {
		spans[r] = span{ptx.Register(r), math.MaxInt, -1}
	}
	touch := func(r ptx.Register, at int) {
		spans[r].from, spans[r].to = min(spans[r].from, at), max(spans[r].to, at)
	}
	for i := range f.body {
		eachRegister(&f.body[i], func(r ptx.Register, written bool) {
			if written {
				touch(r, 2*i+1)
			} else {
				touch(r, 2*i)
			}
		})
	}
	for i := range f.body { // what is in flight must not share its register
		eachProductRegister(&f.body[i], func(r ptx.Register) {
			touch(r, 0)
			touch(r, 2*len(f.body))
		})
	}
	in := aliveAtEntry(n, f)
	for b := range f.blocks {
		x := &f.blocks[b]
		in[b].each(func(r int) { touch(ptx.Register(r), 2*x.first) })
		for _, next := range x.next {
			in[next].each(func(r int) { touch(ptx.Register(r), 2*x.end-1) })
		}
	}
	return slices.DeleteFunc(spans, func(s span) bool { return s.to < 0 })
}

// aliveAtEntry solves liveness backwards: for each block the registers that hold a needed value when it is entered.
func aliveAtEntry(registers int, f *flow) []bitset {
	in, reads, writes := make([]bitset, len(f.blocks)), make([]bitset, len(f.blocks)), make([]bitset, len(f.blocks))
	for b := range f.blocks {
		in[b], reads[b], writes[b] = newBitset(registers), newBitset(registers), newBitset(registers)
		for i := f.blocks[b].first; i < f.blocks[b].end; i++ {
			guarded := f.body[i].Guard.Present
			eachRegister(&f.body[i], func(r ptx.Register, written bool) {
				switch {
				case !written && !writes[b].has(r):
					reads[b].add(r)
				case written && !guarded: // a guarded write may leave what was there
					writes[b].add(r)
				}
			})
		}
	}
	for changed := true; changed; {
		changed = false
		for b := len(f.blocks) - 1; b >= 0; b-- {
			for w := range in[b] {
				var out uint64
				for _, n := range f.blocks[b].next {
					out |= in[n][w]
				}
				if now := reads[b][w] | out&^writes[b][w]; now != in[b][w] {
					in[b][w] = now
					changed = true
				}
			}
		}
	}
	return in
}

// eachRegister calls f with the registers that an instruction reads, then with those that it writes.
func eachRegister(in *ptx.Instruction, f func(r ptx.Register, written bool)) {
	if in.Guard.Present {
		f(in.Guard.On, false)
	}
	var visit func(x *ptx.Operand, written bool)
	visit = func(x *ptx.Operand, written bool) {
		switch {
		case x.Kind == ptx.RegisterOperand:
			f(x.Register, written)
			if x.HasPair {
				f(x.Pair, written)
			}
		case x.Kind == ptx.SinkOperand && x.HasPair:
			f(x.Pair, written)
		case x.Kind == ptx.AddressOperand:
			if x.HasBase {
				f(x.Register, false)
			}
			for i := range x.Vector {
				visit(&x.Vector[i], false)
			}
		case x.Kind == ptx.VectorOperand:
			for i := range x.Vector {
				visit(&x.Vector[i], written)
			}
		}
	}
	for i := in.Form.Destinations; i < len(in.Operands); i++ {
		visit(&in.Operands[i], false)
	}
	for i := range in.Form.Destinations {
		visit(&in.Operands[i], true)
	}
}

// bitset is a set of registers.
type bitset []uint64

func newBitset(n int) bitset { return make(bitset, (n+63)/64) }

func (s bitset) add(r ptx.Register)      { s[r/64] |= 1 << (r % 64) }
func (s bitset) has(r ptx.Register) bool { return s[r/64]>>(r%64)&1 != 0 }

func (s bitset) each(f func(r int)) {
	for w, x := range s {
		for ; x != 0; x &= x - 1 {
			f(64*w + bits.TrailingZeros64(x))
		}
	}
}
