package emulator

import "github.com/sigattn/sigattn/internal/emulator/ptx"

// builders make each form's function, by its name.
var builders = make(map[string]builder)

// masksItself has the forms whose functions look at the active lanes. Those of all others write one register, their first
// operand, in every lane, and the executor restores the lanes that were not active.
var masksItself = make(map[string]bool)

// define says how forms are built.
func define(b builder, names ...string) {
	for _, n := range names {
		builders[n] = b
	}
}

// defineMasked is define for forms that look at the active lanes.
func defineMasked(b builder, names ...string) {
	define(b, names...)
	for _, n := range names {
		masksItself[n] = true
	}
}

// The functions below make builders from functions on whole registers. Their names give the destination's file and the
// sources': w is 32 bits (and 16), d 64.

func toW(f func(d, a *vec32)) builder {
	return func(c *compiler, _ *ptx.Instruction) func(*warp) {
		d, a := c.slot(0), c.slot(1)
		return func(w *warp) { f(&w.r[d], &w.r[a]) }
	}
}

func toWW(f func(d, a, b *vec32)) builder {
	return func(c *compiler, _ *ptx.Instruction) func(*warp) {
		d, a, b := c.slot(0), c.slot(1), c.slot(2)
		return func(w *warp) { f(&w.r[d], &w.r[a], &w.r[b]) }
	}
}

func toWWW(f func(d, a, b, c *vec32)) builder {
	return func(c *compiler, _ *ptx.Instruction) func(*warp) {
		d, x, y, z := c.slot(0), c.slot(1), c.slot(2), c.slot(3)
		return func(w *warp) { f(&w.r[d], &w.r[x], &w.r[y], &w.r[z]) }
	}
}

func toD(f func(d, a *vec64)) builder {
	return func(c *compiler, _ *ptx.Instruction) func(*warp) {
		d, a := c.slot(0), c.slot(1)
		return func(w *warp) { f(&w.d[d], &w.d[a]) }
	}
}

func toDD(f func(d, a, b *vec64)) builder {
	return func(c *compiler, _ *ptx.Instruction) func(*warp) {
		d, a, b := c.slot(0), c.slot(1), c.slot(2)
		return func(w *warp) { f(&w.d[d], &w.d[a], &w.d[b]) }
	}
}

func toDW(f func(d, a *vec64, b *vec32)) builder {
	return func(c *compiler, _ *ptx.Instruction) func(*warp) {
		d, a, b := c.slot(0), c.slot(1), c.slot(2)
		return func(w *warp) { f(&w.d[d], &w.d[a], &w.r[b]) }
	}
}

// fromW writes 64 bits from 32 or fewer, fromWW from two.
func fromW(f func(d *vec64, a *vec32)) builder {
	return func(c *compiler, _ *ptx.Instruction) func(*warp) {
		d, a := c.slot(0), c.slot(1)
		return func(w *warp) { f(&w.d[d], &w.r[a]) }
	}
}

func fromWW(f func(d *vec64, a, b *vec32)) builder {
	return func(c *compiler, _ *ptx.Instruction) func(*warp) {
		d, a, b := c.slot(0), c.slot(1), c.slot(2)
		return func(w *warp) { f(&w.d[d], &w.r[a], &w.r[b]) }
	}
}

// fromD writes 32 bits or fewer from 64.
func fromD(f func(d *vec32, a *vec64)) builder {
	return func(c *compiler, _ *ptx.Instruction) func(*warp) {
		d, a := c.slot(0), c.slot(1)
		return func(w *warp) { f(&w.r[d], &w.d[a]) }
	}
}

// testWW and testDD write a predicate.
func testWW(f func(a, b *vec32) uint32) builder {
	return func(c *compiler, _ *ptx.Instruction) func(*warp) {
		d, a, b := c.slot(0), c.slot(1), c.slot(2)
		return func(w *warp) { w.p[d] = f(&w.r[a], &w.r[b]) }
	}
}

func testDD(f func(a, b *vec64) uint32) builder {
	return func(c *compiler, _ *ptx.Instruction) func(*warp) {
		d, a, b := c.slot(0), c.slot(1), c.slot(2)
		return func(w *warp) { w.p[d] = f(&w.d[a], &w.d[b]) }
	}
}

// eachW, eachWW, eachD and eachDD repeat a function of one lane; instructions that run often have loops of their own.
func eachW(f func(a uint32) uint32) builder {
	return toW(func(d, a *vec32) {
		for i := range d {
			d[i] = f(a[i])
		}
	})
}

func eachWW(f func(a, b uint32) uint32) builder {
	return toWW(func(d, a, b *vec32) {
		for i := range d {
			d[i] = f(a[i], b[i])
		}
	})
}

func eachD(f func(a uint64) uint64) builder {
	return toD(func(d, a *vec64) {
		for i := range d {
			d[i] = f(a[i])
		}
	})
}

func eachDD(f func(a, b uint64) uint64) builder {
	return toDD(func(d, a, b *vec64) {
		for i := range d {
			d[i] = f(a[i], b[i])
		}
	})
}
