package emulator

import (
	"math"

	"github.com/sigattn/sigattn/internal/emulator/ptx"
)

func init() {
	define(toWW(func(d, a, b *vec32) {
		for i := range d {
			d[i] = canonical(math.Float32frombits(a[i]) + math.Float32frombits(b[i]))
		}
	}), "add.f32", "add.rn.f32")
	define(toWW(func(d, a, b *vec32) {
		for i := range d {
			d[i] = canonical(math.Float32frombits(a[i]) - math.Float32frombits(b[i]))
		}
	}), "sub.f32", "sub.rn.f32")
	define(toWW(func(d, a, b *vec32) {
		for i := range d {
			d[i] = canonical(float32(math.Float32frombits(a[i]) * math.Float32frombits(b[i])))
		}
	}), "mul.f32", "mul.rn.f32")
	define(eachWW(flushing(func(a, b float64) float64 { return a + b })), "add.ftz.f32")
	define(eachWW(flushing(func(a, b float64) float64 { return a - b })), "sub.ftz.f32")
	define(eachWW(flushing(func(a, b float64) float64 { return a * b })), "mul.ftz.f32")
	define(eachWW(func(a, b uint32) uint32 {
		x := math.Float32frombits(a) * math.Float32frombits(b)
		if !(x > 0) { // NaN too
			return 0
		}
		return math.Float32bits(min(x, 1))
	}), "mul.sat.f32")
	define(toWWW(func(d, a, b, c *vec32) {
		for i := range d {
			d[i] = canonical(fuse(math.Float32frombits(a[i]), math.Float32frombits(b[i]), math.Float32frombits(c[i])))
		}
	}), "fma.rn.f32")
	define(toWWW(func(d, a, b, c *vec32) {
		for i := range d {
			d[i] = fuseFlushing(flush(a[i]), flush(b[i]), flush(c[i]))
		}
	}), "fma.rn.ftz.f32")
	define(toW(func(d, a *vec32) {
		for i := range d {
			d[i] = a[i] ^ 0x80000000
		}
	}), "neg.f32")
	define(eachW(func(a uint32) uint32 { return a & 0x7fffffff }), "abs.f32")
	define(toWW(func(d, a, b *vec32) {
		for i := range d {
			d[i] = lesser(a[i], b[i])
		}
	}), "min.f32")
	define(toWW(func(d, a, b *vec32) {
		for i := range d {
			if isNaN(a[i]) || isNaN(b[i]) {
				d[i] = canonicalNaN
			} else {
				d[i] = lesser(a[i], b[i])
			}
		}
	}), "min.NaN.f32")
	define(eachWW(greater), "max.f32")
	define(eachWW(func(a, b uint32) uint32 {
		if isNaN(a) || isNaN(b) {
			return canonicalNaN
		}
		return greater(a, b)
	}), "max.NaN.f32")
	for name, nan := range map[string]uint32{"bf16x2": 0x7f80, "f16x2": 0x7c00} {
		define(eachWW(halves(nan, func(a, b int32) bool { return a > b })), "max.NaN."+name)
		define(eachWW(halves(nan, func(a, b int32) bool { return a < b })), "min.NaN."+name)
	}
	for name, a := range approximations {
		define(buildApproximation(a), name)
	}
}

// leastKept bounds the results that are not flushed. Hardware rounds to 24 bits as if there were no least exponent, and
// flushes what is less than 2^-126 then: so (1-2^-24)·2^-126 is zero, though as a subnormal number it would round up to
// 2^-126, and what is half as far below that is 2^-126.
const leastKept = 0x1p-126 - 0x1p-151

// flushing is f of float32 operands with subnormal ones, and such results, taken for zero. F of float64 is exact where
// the result is so small, and elsewhere another rounding leaves it correct. Sums have no bits below those of float32, so that
// none lies between the largest subnormal number and leastKept.
func flushing(f func(a, b float64) float64) func(a, b uint32) uint32 {
	return func(a, b uint32) uint32 {
		return flushExact(f(float64(math.Float32frombits(flush(a))), float64(math.Float32frombits(flush(b)))))
	}
}

func flushExact(x float64) uint32 {
	if math.Abs(x) < leastKept {
		x = math.Copysign(0, x)
	}
	return canonical(float32(x))
}

// fuseFlushing is fuse of normal numbers with results flushed.
func fuseFlushing(a, b, c uint32) uint32 {
	x, y, z := math.Float32frombits(a), math.Float32frombits(b), math.Float32frombits(c)
	p, w := float64(x)*float64(y), float64(z)
	if s := p + w; math.Abs(s) < 0x1p-125 {
		return flushExact(roundToOdd(p, w, s)) // which keeps on which side of leastKept the sum lies
	}
	return canonical(fuse(x, y, z))
}

// fuse is a·b + c, rounded once. The product is exact in float64 and so is the error of the sum there; only a sum that
// float64 has rounded to where float32 would round again needs it.
func fuse(a, b, c float32) float32 {
	p, z := float64(a)*float64(b), float64(c)
	s := p + z
	const tie, below = 0x10000000, 0x1fffffff // of the bits that float32 lacks
	if math.Float64bits(s)&below == tie || math.Abs(s) < 0x1p-126 {
		return float32(roundToOdd(p, z, s))
	}
	return float32(s)
}

// roundToOdd turns s, the rounded sum of p and z, into the sum rounded to odd, which another rounding leaves correct.
func roundToOdd(p, z, s float64) float64 {
	t := s - p
	e := (p - (s - t)) + (z - t) // p + z = s + e
	bits := math.Float64bits(s)
	if e == 0 || e != e || bits&1 != 0 {
		return s
	}
	if (e > 0) == (s > 0) {
		return math.Float64frombits(bits + 1)
	}
	return math.Float64frombits(bits - 1)
}

func isNaN(x uint32) bool { return x&0x7fffffff > 0x7f800000 }

// key orders the bits of floats as their values, -0 below +0.
func key(x uint32) int32 { return int32(x) ^ int32(uint32(int32(x)>>31)>>1) }

// lesser and greater prefer a number to a NaN.
func lesser(a, b uint32) uint32 {
	switch {
	case isNaN(a) && isNaN(b):
		return canonicalNaN
	case isNaN(a):
		return b
	case isNaN(b) || key(a) < key(b):
		return a
	}
	return b
}

func greater(a, b uint32) uint32 {
	switch {
	case isNaN(a) && isNaN(b):
		return canonicalNaN
	case isNaN(a):
		return b
	case isNaN(b) || key(a) > key(b):
		return a
	}
	return b
}

// halves picks between the halves of two registers; a half whose exponent is all ones, as in infinity, and which is more
// than that is a NaN, which is kept.
func halves(infinity uint32, first func(a, b int32) bool) func(a, b uint32) uint32 {
	one := func(a, b uint32) uint32 {
		switch {
		case a&0x7fff > infinity || b&0x7fff > infinity:
			return canonicalNaN16
		case first(key(a<<16), key(b<<16)):
			return a
		}
		return b
	}
	return func(a, b uint32) uint32 { return one(a&0xffff, b&0xffff) | one(a>>16, b>>16)<<16 }
}

func buildApproximation(a approximation) builder {
	return func(c *compiler, _ *ptx.Instruction) func(*warp) {
		d, x := c.slot(0), c.slot(1)
		return func(w *warp) {
			d, x := &w.r[d], &w.r[x]
			worst := w.block.options.WorstCase
			for i := range d {
				d[i] = a.of(x[i], worst)
			}
		}
	}
}
