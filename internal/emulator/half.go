package emulator

import "math"

// Float formats of 16 bits. Roundings are to nearest, ties to even; a NaN becomes the canonical one.

const (
	canonicalNaN   = 0x7fffffff
	canonicalNaN16 = 0x7fff // in both formats
)

// canonical is the bits of a result, with the one NaN that arithmetic yields.
func canonical(x float32) uint32 {
	if x != x {
		return canonicalNaN
	}
	return math.Float32bits(x)
}

func fromBF16(x uint16) float32 { return math.Float32frombits(uint32(x) << 16) }

func toBF16(x float32) uint16 {
	if x != x {
		return canonicalNaN16
	}
	b := math.Float32bits(x)
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

func fromFP16(x uint16) float32 {
	bits := uint32(x&0x7fff) << 13
	f := math.Float32frombits(bits) * 0x1p112 // moves the exponent's bias, for subnormals too
	if x&0x7c00 == 0x7c00 {
		f = math.Float32frombits(bits | 0x7f800000)
	}
	return math.Float32frombits(math.Float32bits(f) | uint32(x&0x8000)<<16)
}

func toFP16(x float32) uint16 {
	b := math.Float32bits(x)
	sign := uint16(b >> 16 & 0x8000)
	a := b & 0x7fffffff
	switch {
	case a > 0x7f800000:
		return canonicalNaN16
	case a >= 0x477ff000: // rounds beyond 65504
		return sign | 0x7c00
	case a < 0x38800000: // below 2^-14: the unit is 2^-24, which adding 0.5 makes float32 round to
		half := math.Float32bits(math.Float32frombits(a) + 0.5)
		return sign | uint16(half-0x3f000000)
	}
	a += 0xfff + a>>13&1
	return sign | uint16((a-0x38000000)>>13)
}
