package corpus

import "math"

// smallFormat is a float format of 8 bits.
type smallFormat struct {
	fraction int // bits of it
	bias     int
	largest  uint64 // finite number; what lies beyond saturates to it
	infinity uint64 // 0 where there is none
}

var (
	e4m3 = smallFormat{3, 7, 0x7e, 0}
	e5m2 = smallFormat{2, 15, 0x7b, 0x7c}
)

// value decodes.
func (s smallFormat) value(bits uint64) float64 {
	magnitude := bits & 0x7f
	exponent, fraction := int(magnitude>>s.fraction), float64(magnitude&(1<<s.fraction-1))
	v := math.Ldexp(fraction, 1-s.bias-s.fraction)
	switch {
	case magnitude == s.infinity && s.infinity > 0:
		v = math.Inf(1)
	case magnitude > s.largest:
		return math.NaN()
	case exponent > 0:
		v = math.Ldexp(fraction+math.Ldexp(1, s.fraction), exponent-s.bias-s.fraction)
	}
	if bits&0x80 != 0 {
		return -v
	}
	return v
}

// round encodes the nearest number, ties to even, and saturates. Of NaN it is 0x7f.
func (s smallFormat) round(x float64) uint64 {
	if math.IsNaN(x) {
		return 0x7f
	}
	sign := uint64(0)
	if math.Signbit(x) {
		sign = 0x80
	}
	f := math.Abs(x)
	if f >= s.value(s.largest) {
		return s.largest | sign
	}
	exponent := max(math.Ilogb(f), 1-s.bias)
	if f == 0 {
		exponent = 1 - s.bias
	}
	units := uint64(math.RoundToEven(math.Ldexp(f, s.fraction-exponent)))
	return min(uint64(exponent-1+s.bias)<<s.fraction+units, s.largest) | sign
}
