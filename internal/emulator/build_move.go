package emulator

import (
	"time"

	"github.com/sigattn/sigattn/internal/emulator/ptx"
)

// buildMove makes mov, of which plain copies one register: it also packs and unpacks vectors, and reads registers that change
// while the kernel runs.
func buildMove(simple builder) builder {
	return func(c *compiler, in *ptx.Instruction) func(*warp) {
		to, from := &in.Operands[0], &in.Operands[1]
		switch {
		case from.Kind == ptx.SpecialOperand && from.Special >= ptx.Clock:
			return c.readClock(from.Special)
		case from.Kind == ptx.SymbolOperand && from.Symbol.Space == ptx.Shared:
			return c.sharedAddress(in)
		case to.Kind == ptx.VectorOperand && from.Kind == ptx.VectorOperand:
			c.fail("%s between two vectors", in.Form.Name)
			return nil
		case to.Kind == ptx.VectorOperand:
			return c.unpack(in)
		case from.Kind == ptx.VectorOperand:
			return c.pack(in)
		}
		return simple(c, in)
	}
}

// sharedAddress makes a mov of a shared variable's address: in a cluster it holds the block's rank.
func (c *compiler) sharedAddress(in *ptx.Instruction) func(*warp) {
	d, a := c.slot(0), c.slot(1)
	if in.Form.Operands[0].Width == ptx.W64 {
		return func(w *warp) {
			for i, x := range w.d[a] {
				w.d[d][i] = x | w.block.prefix
			}
		}
	}
	return func(w *warp) {
		for i, x := range w.r[a] {
			w.r[d][i] = x | uint32(w.block.prefix)
		}
	}
}

// halfBits is the width of the elements of a pair that mov packs.
func halfBits(in *ptx.Instruction) ptx.Width { return in.Form.Operands[0].Width / 2 }

func (c *compiler) pack(in *ptx.Instruction) func(*warp) {
	half := halfBits(in)
	d, low, high := c.slot(0), c.place(&in.Operands[1].Vector[0], half), c.place(&in.Operands[1].Vector[1], half)
	if half == ptx.W16 {
		return func(w *warp) {
			d, low, high := &w.r[d], w.r[low], w.r[high]
			for i := range d {
				d[i] = low[i]&0xffff | high[i]<<16
			}
		}
	}
	return func(w *warp) {
		d, low, high := &w.d[d], &w.r[low], &w.r[high]
		for i := range d {
			d[i] = uint64(low[i]) | uint64(high[i])<<32
		}
	}
}

func (c *compiler) unpack(in *ptx.Instruction) func(*warp) {
	half := halfBits(in)
	a := c.slot(1)
	to := [2]int32{-1, -1}
	for i := range to {
		if x := &in.Operands[0].Vector[i]; x.Kind != ptx.SinkOperand {
			to[i] = c.place(x, half)
		}
	}
	return func(w *warp) {
		var source vec64
		if half == ptx.W16 {
			for i, x := range w.r[a] {
				source[i] = uint64(x)
			}
		} else {
			source = w.d[a]
		}
		for i, slot := range to {
			if slot >= 0 {
				each(w.active, func(lane int) { w.r[slot][lane] = uint32(source[lane] >> (int(half) * i) & (1<<half - 1)) })
			}
		}
	}
}

// readClock makes mov from a clock: cycles are the warp's instructions, and time is the host's.
func (c *compiler) readClock(s ptx.Special) func(*warp) {
	d := c.slot(0)
	return func(w *warp) {
		cycles, now := uint64(w.steps), uint64(time.Now().UnixNano())
		switch s {
		case ptx.Clock64, ptx.GlobalTimer:
			x := cycles
			if s == ptx.GlobalTimer {
				x = now
			}
			for i := range w.d[d] {
				w.d[d][i] = x
			}
			return
		}
		x := uint32(now)
		switch s {
		case ptx.Clock:
			x = uint32(cycles)
		case ptx.ClockHigh:
			x = uint32(cycles >> 32)
		}
		for i := range w.r[d] {
			w.r[d][i] = x
		}
	}
}
