package emulator

import (
	"math/bits"

	"github.com/sigattn/sigattn/internal/emulator/ptx"
)

func init() {
	define(toWW(func(d, a, b *vec32) {
		for i := range d {
			d[i] = a[i] + b[i]
		}
	}), "add.s32", "add.u32")
	define(toWW(func(d, a, b *vec32) {
		for i := range d {
			d[i] = a[i] - b[i]
		}
	}), "sub.s32", "sub.u32")
	define(toWW(func(d, a, b *vec32) {
		for i := range d {
			d[i] = a[i] * b[i]
		}
	}), "mul.lo.s32", "mul.lo.u32")
	define(toWWW(func(d, a, b, c *vec32) {
		for i := range d {
			d[i] = a[i]*b[i] + c[i]
		}
	}), "mad.lo.s32", "mad.lo.u32")
	define(eachWW(func(a, b uint32) uint32 { return uint32(int64(int32(a)) * int64(int32(b)) >> 32) }), "mul.hi.s32")
	define(eachWW(func(a, b uint32) uint32 { return uint32(uint64(a) * uint64(b) >> 32) }), "mul.hi.u32")
	define(eachWW(func(a, b uint32) uint32 { return uint32(divide(int32(a), int32(b))) }), "div.s32")
	define(eachWW(divide[uint32]), "div.u32")
	define(eachWW(func(a, b uint32) uint32 { return a - uint32(divide(int32(a), int32(b)))*b }), "rem.s32")
	define(eachWW(func(a, b uint32) uint32 { return a - divide(a, b)*b }), "rem.u32")
	define(eachWW(func(a, b uint32) uint32 { return uint32(min(int32(a), int32(b))) }), "min.s32")
	define(eachWW(func(a, b uint32) uint32 { return min(a, b) }), "min.u32", "min.u16")
	define(eachWW(func(a, b uint32) uint32 { return uint32(max(int32(a), int32(b))) }), "max.s32")
	define(eachWW(func(a, b uint32) uint32 { return max(a, b) }), "max.u32", "max.u16")
	define(eachW(func(a uint32) uint32 { return -a }), "neg.s32")
	define(eachW(func(a uint32) uint32 { return uint32(max(int32(a), -int32(a))) }), "abs.s32")
	define(eachW(func(a uint32) uint32 { return uint32(bits.OnesCount32(a)) }), "popc.b32")
	define(eachW(func(a uint32) uint32 { return uint32(bits.LeadingZeros32(a)) }), "clz.b32")
	define(eachW(bits.Reverse32), "brev.b32")
	define(toWWW(func(d, a, b, selector *vec32) {
		for i := range d {
			d[i] = permute(a[i], b[i], selector[i])
		}
	}), "prmt.b32")
	define(buildInsert, "bfi.b32")
	define(buildLogic3, "lop3.b32")

	define(eachWW(func(a, b uint32) uint32 { return (a + b) & 0xffff }), "add.s16", "add.u16")
	define(eachWW(func(a, b uint32) uint32 { return (a - b) & 0xffff }), "sub.s16", "sub.u16")
	define(eachWW(func(a, b uint32) uint32 { return a * b & 0xffff }), "mul.lo.s16", "mul.lo.u16")
	define(eachWW(func(a, b uint32) uint32 { return a * b }), "mul.wide.u16")
	define(eachWW(func(a, b uint32) uint32 { return uint32(int32(int16(a)) * int32(int16(b))) }), "mul.wide.s16")
	define(eachWW(func(a, b uint32) uint32 { return uint32(uint16(min(int16(a), int16(b)))) }), "min.s16")
	define(eachWW(func(a, b uint32) uint32 { return uint32(uint16(max(int16(a), int16(b)))) }), "max.s16")

	define(toDD(func(d, a, b *vec64) {
		for i := range d {
			d[i] = a[i] + b[i]
		}
	}), "add.s64", "add.u64")
	define(toDD(func(d, a, b *vec64) {
		for i := range d {
			d[i] = a[i] - b[i]
		}
	}), "sub.s64", "sub.u64")
	define(toDD(func(d, a, b *vec64) {
		for i := range d {
			d[i] = a[i] * b[i]
		}
	}), "mul.lo.s64", "mul.lo.u64")
	define(buildMultiplyAdd64, "mad.lo.s64", "mad.lo.u64")
	define(buildMultiplyAddWide(func(a, b uint32) uint64 { return uint64(int64(int32(a)) * int64(int32(b))) }), "mad.wide.s32")
	define(buildMultiplyAddWide(func(a, b uint32) uint64 { return uint64(a) * uint64(b) }), "mad.wide.u32")
	define(fromWW(func(d *vec64, a, b *vec32) {
		for i := range d {
			d[i] = uint64(int64(int32(a[i])) * int64(int32(b[i])))
		}
	}), "mul.wide.s32")
	define(fromWW(func(d *vec64, a, b *vec32) {
		for i := range d {
			d[i] = uint64(a[i]) * uint64(b[i])
		}
	}), "mul.wide.u32")
	define(eachDD(func(a, b uint64) uint64 { return uint64(divide(int64(a), int64(b))) }), "div.s64")
	define(eachDD(divide[uint64]), "div.u64")
	define(eachDD(func(a, b uint64) uint64 { return a - uint64(divide(int64(a), int64(b)))*b }), "rem.s64")
	define(eachDD(func(a, b uint64) uint64 { return a - divide(a, b)*b }), "rem.u64")
	define(eachDD(func(a, b uint64) uint64 { return uint64(min(int64(a), int64(b))) }), "min.s64")
	define(eachDD(func(a, b uint64) uint64 { return min(a, b) }), "min.u64")
	define(eachDD(func(a, b uint64) uint64 { return uint64(max(int64(a), int64(b))) }), "max.s64")
	define(eachDD(func(a, b uint64) uint64 { return max(a, b) }), "max.u64")
	define(eachD(func(a uint64) uint64 { return -a }), "neg.s64")
}

// divide gives all ones for a division by zero, which the ISA leaves open.
func divide[T int32 | uint32 | int64 | uint64](a, b T) T {
	if b == 0 {
		return ^T(0)
	}
	return a / b
}

// permute picks four of the eight bytes of b:a, as prmt does without a mode.
func permute(a, b, selector uint32) uint32 {
	bytes := uint64(b)<<32 | uint64(a)
	var d uint32
	for i := range 4 {
		pick := selector >> (4 * i)
		x := uint32(bytes>>(8*(pick&7))) & 0xff
		if pick&8 != 0 { // its sign, repeated
			x = uint32(int32(x<<24)>>31) & 0xff
		}
		d |= x << (8 * i)
	}
	return d
}

// buildInsert makes bfi: d = b with its bits from position on, so many as length says, replaced by a's lowest.
func buildInsert(c *compiler, _ *ptx.Instruction) func(*warp) {
	d, a, b, position, length := c.slot(0), c.slot(1), c.slot(2), c.slot(3), c.slot(4)
	return func(w *warp) {
		d, a, b, position, length := &w.r[d], &w.r[a], &w.r[b], &w.r[position], &w.r[length]
		for i := range d {
			mask := (uint64(1)<<min(length[i]&0xff, 32) - 1) << (position[i] & 0xff)
			d[i] = b[i]&^uint32(mask) | uint32(uint64(a[i])<<(position[i]&0xff)&mask)
		}
	}
}

// buildLogic3 makes lop3, whose literal is the truth table of a function of three bits.
func buildLogic3(c *compiler, in *ptx.Instruction) func(*warp) {
	d, x, y, z := c.slot(0), c.slot(1), c.slot(2), c.slot(3)
	table := in.Operands[4].Immediate
	return func(w *warp) {
		d, x, y, z := &w.r[d], &w.r[x], &w.r[y], &w.r[z]
		for i := range d {
			var r uint32
			for row := range 8 {
				if table>>row&1 != 0 {
					r |= pickBits(x[i], row>>2) & pickBits(y[i], row>>1) & pickBits(z[i], row)
				}
			}
			d[i] = r
		}
	}
}

// pickBits is x where the lowest bit of want is set, else its complement.
func pickBits(x uint32, want int) uint32 {
	if want&1 != 0 {
		return x
	}
	return ^x
}

func buildMultiplyAdd64(c *compiler, _ *ptx.Instruction) func(*warp) {
	d, x, y, z := c.slot(0), c.slot(1), c.slot(2), c.slot(3)
	return func(w *warp) {
		d, x, y, z := &w.d[d], &w.d[x], &w.d[y], &w.d[z]
		for i := range d {
			d[i] = x[i]*y[i] + z[i]
		}
	}
}

func buildMultiplyAddWide(product func(a, b uint32) uint64) builder {
	return func(c *compiler, _ *ptx.Instruction) func(*warp) {
		d, x, y, z := c.slot(0), c.slot(1), c.slot(2), c.slot(3)
		return func(w *warp) {
			d, x, y, z := &w.d[d], &w.r[x], &w.r[y], &w.d[z]
			for i := range d {
				d[i] = product(x[i], y[i]) + z[i]
			}
		}
	}
}
