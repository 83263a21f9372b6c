package corpus

import "math"

// halfFormat is a float format of 16 bits.
type halfFormat struct {
	fraction int     // bits of it
	least    int     // exponent of the least normal number
	largest  float64 // finite number
}

var (
	fp16 = halfFormat{10, -14, 65504}
	bf16 = halfFormat{7, -126, 0x1.fep127}
)

// value decodes.
func (h halfFormat) value(bits uint64) float64 {
	fraction := float64(bits & (1<<h.fraction - 1))
	exponent := int(bits & 0x7fff >> h.fraction)
	v := math.Ldexp(fraction, h.least-h.fraction)
	switch {
	case exponent == 1<<(15-h.fraction)-1 && fraction != 0:
		return math.NaN()
	case exponent == 1<<(15-h.fraction)-1:
		v = math.Inf(1)
	case exponent > 0:
		v = math.Ldexp(fraction+math.Ldexp(1, h.fraction), h.least-h.fraction+exponent-1)
	}
	if bits&0x8000 != 0 {
		return -v
	}
	return v
}

// round encodes the nearest number, ties to even.
func (h halfFormat) round(x float32) uint64 {
	f := math.Abs(float64(x))
	var bits uint64
	switch exponent := max(math.Ilogb(f), h.least); {
	case f != f:
		return 0x7fff
	case math.IsInf(f, 0):
		bits = h.infinity()
	default:
		units := uint64(math.RoundToEven(math.Ldexp(f, h.fraction-exponent))) // up to twice 2^fraction, which carries
		bits = min(uint64(exponent-h.least)<<h.fraction+units, h.infinity())
	}
	if math.Signbit(float64(x)) {
		bits |= 0x8000
	}
	return bits
}

func (h halfFormat) infinity() uint64 { return uint64(0x7fff) >> h.fraction << h.fraction }

// packedPrograms are operations on two numbers of 16 bits at once.
func packedPrograms() []*Program {
	r := random(6)
	values := halves(&r)[0][:28]
	c := combine(2, values, 28*28+112, r.next)
	for i := range c { // the upper halves are other pairs
		for j := range c[i] {
			c[i][j] = c[i][j]&0xffff | c[i][(j*5+3)%len(c[i])]<<16
		}
	}
	packed := func(h halfFormat, f func(a, b float64) float64) func(x args) uint64 {
		one := func(a, b uint64) uint64 {
			x, y := h.value(a), h.value(b)
			switch v := f(x, y); {
			case x != x || y != y:
				return 0x7fff
			case v == x && math.Signbit(v) == math.Signbit(x):
				return a
			}
			return b
		}
		return func(x args) uint64 { return one(x[0]&0xffff, x[1]&0xffff) | one(x[0]>>16, x[1]>>16)<<16 }
	}
	return []*Program{
		lanewise{name: "packed", operands: c, cases: []laneCase{
			{forms: "min.NaN.f16x2", rule: Float16x2, want: packed(fp16, math.Min)},
			{forms: "max.NaN.f16x2", rule: Float16x2, want: packed(fp16, math.Max)},
			{forms: "min.NaN.bf16x2", rule: BFloat16x2, want: packed(bf16, math.Min)},
			{forms: "max.NaN.bf16x2", rule: BFloat16x2, want: packed(bf16, math.Max)},
		}}.program(),
	}
}
