package emulator

import "github.com/sigattn/sigattn/internal/emulator/ptx"

func init() {
	define(toWW(func(d, a, b *vec32) {
		for i := range d {
			d[i] = a[i] & b[i]
		}
	}), "and.b32", "and.b16")
	define(toWW(func(d, a, b *vec32) {
		for i := range d {
			d[i] = a[i] | b[i]
		}
	}), "or.b32", "or.b16")
	define(toWW(func(d, a, b *vec32) {
		for i := range d {
			d[i] = a[i] ^ b[i]
		}
	}), "xor.b32", "xor.b16")
	define(eachW(func(a uint32) uint32 { return ^a }), "not.b32")
	define(eachW(func(a uint32) uint32 { return ^a & 0xffff }), "not.b16")
	define(eachDD(func(a, b uint64) uint64 { return a & b }), "and.b64")
	define(eachDD(func(a, b uint64) uint64 { return a | b }), "or.b64")
	define(eachDD(func(a, b uint64) uint64 { return a ^ b }), "xor.b64")
	define(eachD(func(a uint64) uint64 { return ^a }), "not.b64")

	define(predicates(func(a, b uint32) uint32 { return a & b }), "and.pred")
	define(predicates(func(a, b uint32) uint32 { return a | b }), "or.pred")
	define(predicates(func(a, b uint32) uint32 { return a ^ b }), "xor.pred")
	define(buildMovePredicate(0), "mov.pred")
	define(buildMovePredicate(allLanes), "not.pred")

	// Shifts by a register's width or more leave nothing but signs, in Go as in PTX.
	define(toWW(func(d, a, b *vec32) {
		for i := range d {
			d[i] = a[i] << b[i]
		}
	}), "shl.b32")
	define(toWW(func(d, a, b *vec32) {
		for i := range d {
			d[i] = a[i] >> b[i]
		}
	}), "shr.u32", "shr.b32", "shr.u16", "shr.b16")
	define(toWW(func(d, a, b *vec32) {
		for i := range d {
			d[i] = uint32(int32(a[i]) >> b[i])
		}
	}), "shr.s32")
	define(eachWW(func(a, b uint32) uint32 { return a << b & 0xffff }), "shl.b16")
	define(eachWW(func(a, b uint32) uint32 { return uint32(uint16(int16(a) >> b)) }), "shr.s16")
	define(toDW(func(d, a *vec64, b *vec32) {
		for i := range d {
			d[i] = a[i] << b[i]
		}
	}), "shl.b64")
	define(toDW(func(d, a *vec64, b *vec32) {
		for i := range d {
			d[i] = a[i] >> b[i]
		}
	}), "shr.u64", "shr.b64")
	define(toDW(func(d, a *vec64, b *vec32) {
		for i := range d {
			d[i] = uint64(int64(a[i]) >> b[i])
		}
	}), "shr.s64")
}

func predicates(f func(a, b uint32) uint32) builder {
	return func(c *compiler, _ *ptx.Instruction) func(*warp) {
		d, a, b := c.slot(0), c.predicate(1), c.predicate(2)
		return func(w *warp) { w.p[d] = f(a.of(w), b.of(w)) }
	}
}

func buildMovePredicate(invert uint32) builder {
	return func(c *compiler, _ *ptx.Instruction) func(*warp) {
		d, a := c.slot(0), c.predicate(1)
		return func(w *warp) { w.p[d] = a.of(w) ^ invert }
	}
}
