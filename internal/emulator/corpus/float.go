package corpus

import (
	"math"
	"math/big"
)

// floatPrograms are arithmetic in float32.
func floatPrograms() []*Program {
	r := random(4)
	return []*Program{
		lanewise{name: "float", operands: floatOperands(&r), cases: []laneCase{
			{forms: "add.{f32,rn.f32}", rule: Float32, want: func(x args) uint64 { return floatBits(x.f32(0) + x.f32(1)) }},
			{forms: "sub.{f32,rn.f32}", rule: Float32, want: func(x args) uint64 { return floatBits(x.f32(0) - x.f32(1)) }},
			{forms: "mul.{f32,rn.f32}", rule: Float32, want: func(x args) uint64 { return floatBits(x.f32(0) * x.f32(1)) }},
			{forms: "add.ftz.f32", rule: Float32, want: func(x args) uint64 { return flushed(flushedArg(x, 0) + flushedArg(x, 1)) }},
			{forms: "sub.ftz.f32", rule: Float32, want: func(x args) uint64 { return flushed(flushedArg(x, 0) - flushedArg(x, 1)) }},
			{forms: "mul.ftz.f32", rule: Float32, want: func(x args) uint64 { return flushed(flushedArg(x, 0) * flushedArg(x, 1)) }},
			{forms: "neg.f32", rule: Float32, want: func(x args) uint64 { return x[0] ^ 1<<31 }},
			{forms: "abs.f32", rule: Float32, want: func(x args) uint64 { return x[0] &^ (1 << 31) }},
			{forms: "min.f32", rule: Float32, want: func(x args) uint64 { return pick(x, math.Min) }},
			{forms: "max.f32", rule: Float32, want: func(x args) uint64 { return pick(x, math.Max) }},
			{forms: "min.NaN.f32", rule: Float32, want: func(x args) uint64 { return pickNaN(x, math.Min) }},
			{forms: "max.NaN.f32", rule: Float32, want: func(x args) uint64 { return pickNaN(x, math.Max) }},
		}}.program(),
		lanewise{name: "fused", operands: fusedOperands(&r), cases: []laneCase{
			{forms: "fma.rn.f32", rule: Float32, want: func(x args) uint64 { return floatBits(fused(x.f32(0), x.f32(1), x.f32(2))) }},
			{forms: "fma.rn.ftz.f32", rule: Float32, want: func(x args) uint64 { return fusedFlushed(flushArg(x, 0), flushArg(x, 1), flushArg(x, 2)) }},
		}}.program(),
		lanewise{name: "saturate", operands: saturateOperands(), cases: []laneCase{
			{forms: "mul.sat.f32", rule: Float32, want: func(x args) uint64 { return saturated(x.f32(0) * x.f32(1)) }},
		}}.program(),
	}
}

// floatOperands has, beside every pair of special values, products at the edge of the subnormal numbers.
func floatOperands(r *random) columns {
	c := combine(2, specialsFloat, 768, spread(r))
	for j, a := range []uint64{0x00ffffff, 0x00fffffe, 0x01000001, 0x00c00000, 0x80ffffff} {
		c[0][256+j], c[1][256+j] = a, 0x3f000000
		c[0][261+j], c[1][261+j] = 0x3f7fffff, 0x00800000+a&1
	}
	return c
}

// flushFloat makes a subnormal number zero of its sign.
func flushFloat(x float32) float32 {
	if math.Abs(float64(x)) < leastNormal {
		return float32(math.Copysign(0, float64(x)))
	}
	return x
}

func flushArg(x args, i int) float32 { return flushFloat(x.f32(i)) }

func flushedArg(x args, i int) float64 { return float64(flushArg(x, i)) }

// leastKept is the least result that chips do not flush: they round to 24 bits without a least exponent, and flush what is
// less than leastNormal then.
const leastKept = leastNormal - 0x1p-151

// flushed rounds an exact result, or one that another rounding leaves correct, unless it is flushed.
func flushed(x float64) uint64 {
	if math.Abs(x) < leastKept {
		x = math.Copysign(0, x)
	}
	return floatBits(float32(x))
}

// saturateOperands has, beside every pair of special values, products beside 0 and 1.
func saturateOperands() columns {
	r := random(25)
	c := combine(2, specialsFloat, 512, spread(&r))
	for j := 256; j < 384; j++ {
		x := uint64(0x3f000000 + r.below(1<<23))
		c[0][j] = x | uint64(j&1)<<31
		c[1][j] = floatBits(1/float(x)) + uint64(r.below(5)) - 2
	}
	return c
}

// saturated is x held between 0 and 1. NaN is 0, and no zero is negative.
func saturated(x float32) uint64 {
	if !(x > 0) {
		return 0
	}
	return floatBits(min(x, 1))
}

// pick is the smaller or larger, and of a number and a NaN the number.
func pick(x args, f func(a, b float64) float64) uint64 {
	a, b := x.f32(0), x.f32(1)
	switch {
	case a != a:
		return x[1]
	case b != b:
		return x[0]
	}
	return floatBits(float32(f(float64(a), float64(b))))
}

func pickNaN(x args, f func(a, b float64) float64) uint64 {
	if unordered(x) {
		return 0x7fffffff
	}
	return pick(x, f)
}

// fusedOperands has sums that cancel, sums that miss a tie by less than float64 holds, and sums at the edge of the
// subnormal numbers.
func fusedOperands(r *random) columns {
	c := combine(3, fewFloats, 512+512, spread(r))
	for j := 640; j < len(c[0]); j++ {
		a, b := float(c[0][j]), float(c[1][j])
		switch j % 4 {
		case 0: // minus the rounded product: what is left is its rounding error
			c[2][j] = floatBits(-(a * b))
		case 1: // far smaller or larger than the product
			c[2][j] = floatBits(float32(math.Ldexp(float64(a)*float64(b), 25-r.below(50))))
		case 2: // the product is half a unit in the last place of the third operand, but for 2^-46 of it
			c[0][j], c[1][j], c[2][j] = beside(r)
		case 3:
			if j < 704 {
				c[0][j], c[1][j], c[2][j] = 0x00fffff0+uint64(j/4%16), 0x3f000000, r.next()&1<<31
			}
		}
	}
	return c
}

// beside draws a, b and c such that a·b = ±(1-2^-46)·2^(e-1) where c has a last place of 2^e.
func beside(r *random) (a, b, c uint64) {
	exponent := r.below(100) // biased
	c = r.next()&0x807fffff | uint64(exponent)<<23 | 0x00400000
	half := max(exponent, 1) - 127 - 24
	up, down := half/2, half-half/2
	a = floatBits(float32(math.Ldexp(1+0x1p-23, up))) | r.next()&0x80000000
	b = floatBits(float32(math.Ldexp(1-0x1p-23, down)))
	if r.below(3) == 0 { // a subnormal number of the least exponent's unit
		c &^= 0x7f800000
		a, b = a&0x80000000|floatBits(0x1.000002p-75), floatBits(0x1.fffffcp-76)
	}
	return a, b, c
}

// fused is a·b + c with one rounding.
func fused(a, b, c float32) float32 {
	x, y, z := float64(a), float64(b), float64(c)
	p := x * y
	if s := p + z; p == 0 || z == 0 || math.IsNaN(s) || math.IsInf(s, 0) {
		return float32(s) // the product is exact in float64
	}
	sum := exactSum(p, z)
	if sum.Sign() == 0 {
		return 0
	}
	f, _ := sum.Float32()
	return f
}

// fusedFlushed is fused with subnormal results flushed. Of zeros and what is not finite the sum of float64 is exact.
func fusedFlushed(a, b, c float32) uint64 {
	p, z := float64(a)*float64(b), float64(c)
	if s := p + z; p == 0 || z == 0 || math.IsNaN(s) || math.IsInf(s, 0) {
		return flushed(s)
	}
	sum := exactSum(p, z)
	if new(big.Float).Abs(sum).Cmp(big.NewFloat(leastKept)) < 0 {
		return flushed(math.Copysign(0, float64(sum.Sign())))
	}
	return floatBits(fused(a, b, c))
}

// exactSum has room for every sum of two products of float32.
func exactSum(a, b float64) *big.Float {
	return new(big.Float).SetPrec(1200).Add(big.NewFloat(a), big.NewFloat(b))
}
