package corpus

import "math"

// Rule says when two elements are the same.
type Rule uint8

// Rules.
const (
	Bits    Rule = iota
	Float32      // or both are NaNs
	Float16      // of fp16
	BFloat16
	Float16x2 // each half on its own
	BFloat16x2
)

// Same applies the rule.
func (r Rule) Same(a, b uint64) bool {
	switch r {
	case Float32:
		return a == b || a&0x7fffffff > 0x7f800000 && b&0x7fffffff > 0x7f800000
	case Float16:
		return sameHalf(a, b, 0x7c00)
	case BFloat16:
		return sameHalf(a, b, 0x7f80)
	case Float16x2:
		return sameHalf(a&0xffff, b&0xffff, 0x7c00) && sameHalf(a>>16, b>>16, 0x7c00)
	case BFloat16x2:
		return sameHalf(a&0xffff, b&0xffff, 0x7f80) && sameHalf(a>>16, b>>16, 0x7f80)
	}
	return a == b
}

func sameHalf(a, b, infinity uint64) bool {
	return a == b || a&0x7fff > infinity && b&0x7fff > infinity
}

// Near is a value that a float32 may miss by an error.
type Near struct {
	Value, Error float64
	Flushed      bool // subnormal results may be zero instead
}

// leastNormal is float32's.
const leastNormal = 0x1p-126

// Holds reports whether the bits of a float32 are within the error. A NaN is any NaN, and an infinity no number.
func (n Near) Holds(bits uint64) bool {
	x := float64(math.Float32frombits(uint32(bits)))
	switch {
	case math.IsNaN(n.Value) || math.IsNaN(x):
		return math.IsNaN(n.Value) && math.IsNaN(x)
	case math.IsInf(x, 0):
		return math.Copysign(1, x) == math.Copysign(1, n.Value) && math.Abs(n.Value)+n.Error > math.MaxFloat32
	case math.IsInf(n.Value, 0):
		return false
	case n.Flushed && x != 0 && math.Abs(x) < leastNormal:
		return false
	case n.Flushed && x == 0:
		return math.Signbit(x) == math.Signbit(n.Value) && math.Abs(n.Value)-n.Error < leastNormal
	case n.Error == 0 && x == 0:
		return n.Value == 0 && math.Signbit(x) == math.Signbit(n.Value)
	}
	return math.Abs(x-n.Value) <= n.Error
}
