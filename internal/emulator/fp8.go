package emulator

import "math"

// Float formats of 8 bits. E4M3 has no infinity: beyond 448 there is only NaN, 0x7f and 0xff.

const (
	canonicalNaN8 = 0x7f // in both formats
	largestE4M3   = 448
	largestE5M2   = 57344
)

func fromE4M3(x uint16) float32 {
	if x&0x7f == 0x7f {
		return float32(math.NaN())
	}
	return fromSmall(x, 3, 7)
}

func fromE5M2(x uint16) float32 { return fromFP16(x << 8) }

// fromSmall reads a sign, an exponent with a bias and a mantissa of so many bits.
func fromSmall(x uint16, mantissa, bias int) float32 {
	m := float64(x & (1<<mantissa - 1))
	e := int(x & 0x7f >> mantissa)
	if e == 0 {
		e = 1
	} else {
		m += float64(int(1) << mantissa)
	}
	v := math.Ldexp(m, e-bias-mantissa)
	if x&0x80 != 0 {
		v = -v
	}
	return float32(v)
}

func toE4M3(x float32) uint8 { return toSmall(x, 3, 7, 0x7e, largestE4M3) }

func toE5M2(x float32) uint8 { return toSmall(x, 2, 15, 0x7b, largestE5M2) }

// toSmall rounds to nearest, ties to even; what would be beyond the largest finite value becomes that, whose code is top.
func toSmall(x float32, mantissa, bias int, top uint8, largest float64) uint8 {
	if x != x {
		return canonicalNaN8
	}
	v := math.Abs(float64(x))
	sign := uint8(math.Float32bits(x) >> 31 << 7)
	switch {
	case v == 0:
		return sign
	case v >= largest:
		return sign | top
	}
	_, e := math.Frexp(v) // v < 2^e
	e = max(e-1, 1-bias)
	units := math.RoundToEven(math.Ldexp(v, mantissa-e))           // of the last place
	return sign | min(top, uint8(int(units)+(e+bias-1)<<mantissa)) // the leading bit of units adds one to the exponent
}
