package verify

import (
	"math"

	"github.com/sigattn/sigattn"
)

// storage is a 16-bit floating-point format.
type storage struct {
	name        string
	significand int     // bits, the hidden one included
	minExponent int     // of the smallest normal number
	largest     float64 // finite
	decoded     *[1 << 16]float32
}

var (
	bfloat16 = newStorage(storage{name: "bf16", significand: 8, minExponent: -126, largest: 0x1.FEp127})
	float16  = newStorage(storage{name: "fp16", significand: 11, minExponent: -14, largest: 65504})
)

func newStorage(f storage) *storage {
	f.decoded = new([1 << 16]float32)
	fraction := f.significand - 1
	for i := range f.decoded {
		exponent := i & 0x7fff >> fraction
		value := float64(i & (1<<fraction - 1))
		switch {
		case exponent == 1<<(15-fraction)-1 && value == 0:
			value = math.Inf(1)
		case exponent == 1<<(15-fraction)-1:
			value = math.NaN()
		case exponent == 0:
			value = math.Ldexp(value, f.minExponent-fraction)
		default:
			value = math.Ldexp(value+float64(int(1)<<fraction), f.minExponent-fraction+exponent-1)
		}
		if i>>15 == 1 {
			value = -value
		}
		f.decoded[i] = float32(value) // exact
	}
	return &f
}

// storageOf is the format of d, or nil where d is none.
func storageOf(d sigattn.DType) *storage {
	switch d {
	case sigattn.BF16:
		return bfloat16
	case sigattn.FP16:
		return float16
	}
	return nil
}

// decode is the value of bits.
func (f *storage) decode(bits uint16) float64 { return float64(f.decoded[bits]) }

// encode rounds x to the nearest value of f, ties to even. What is too large becomes an infinity.
func (f *storage) encode(x float64) uint16 {
	sign := uint16(math.Float64bits(x) >> 63 << 15)
	fraction := f.significand - 1
	infinity := uint16(1<<(15-fraction)-1) << fraction
	switch r := math.Abs(f.round(x)); {
	case r != r:
		return 0x7fff
	case math.IsInf(r, 0):
		return sign | infinity
	case r < math.Ldexp(1, f.minExponent):
		return sign | uint16(math.Ldexp(r, fraction-f.minExponent))
	default:
		b := math.Float64bits(r)
		exponent := int(b>>52) - 1023 - f.minExponent + 1
		return sign | uint16(exponent<<fraction) | uint16(b>>(52-fraction))&(1<<fraction-1)
	}
}

// round is the value that f holds for x.
func (f *storage) round(x float64) float64 {
	spacing := f.spacing(x)
	r := math.RoundToEven(x/spacing) * spacing
	if math.Abs(r) > f.largest {
		return math.Copysign(math.Inf(1), x)
	}
	return r
}

// spacing is the distance between neighbouring values of f around x, or below x where x is a power of two's upper side.
func (f *storage) spacing(x float64) float64 {
	e := int(math.Float64bits(x)>>52&0x7ff) - 1023
	return powerOfTwo(min(max(e, f.minExponent), 1000) - f.significand + 1)
}

// powerOfTwo is 2^e of a normal result.
func powerOfTwo(e int) float64 { return math.Float64frombits(uint64(e+1023) << 52) }

// roundPrecision rounds x to f's precision alone, without its range: kernels hold P and dS scaled by powers of two
// where the format (fp16) would lose small ones, so neither underflow nor overflow belongs to the floor.
func (f *storage) roundPrecision(x float64) float64 {
	b := math.Float64bits(x)
	if b>>52&0x7ff == 0x7ff {
		return x
	}
	drop := uint(53 - f.significand)
	b += 1<<(drop-1) - 1 + b>>drop&1
	return math.Float64frombits(b >> drop << drop)
}

// precisionSpacing is spacing without the format's range; 0 for 0.
func (f *storage) precisionSpacing(x float64) float64 {
	return math.Float64frombits(math.Float64bits(x)&(0x7ff<<52)) * powerOfTwo(1-f.significand)
}
