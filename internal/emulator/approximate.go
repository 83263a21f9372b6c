package emulator

import "math"

// Approximate instructions. They are rounded correctly, or with Options.WorstCase off by the error that NVIDIA documents:
// 2 units in the last place for ex2 and rsqrt, 1 for rcp, 2^-22 absolutely or relatively for lg2, 2^-11 relatively for
// tanh. Which way is a function of the operand, so that equal operands give equal results.

// approximation computes an instruction on one operand.
type approximation struct {
	flush bool // subnormal operands and results to zero
	exact func(x float64) float64
	units int     // the documented error in units in the last place of the exact result, beside that of rounding
	ratio float64 // or relatively, with rounding
	limit float64 // of a result's magnitude, where there is one
}

var approximations = map[string]approximation{
	"ex2.approx.ftz.f32":   {flush: true, exact: math.Exp2, units: 2},
	"rcp.approx.ftz.f32":   {flush: true, exact: func(x float64) float64 { return 1 / x }, units: 1},
	"rsqrt.approx.ftz.f32": {flush: true, exact: func(x float64) float64 { return 1 / math.Sqrt(x) }, units: 2},
	"lg2.approx.ftz.f32":   {flush: true, exact: math.Log2, ratio: 0x1p-22},
	"tanh.approx.f32":      {exact: math.Tanh, ratio: 0x1p-11, limit: 1},
}

func (a approximation) of(x uint32, worst bool) uint32 {
	if a.flush {
		x = flush(x)
	}
	y := a.exact(float64(math.Float32frombits(x)))
	r := canonical(float32(y))
	if worst {
		r = canonical(a.move(y, float64(direction(x))))
	}
	if a.flush {
		r = flush(r)
	}
	return r
}

// move gives a float32 near y, as far off as the documented error lets it be, towards infinity for 1 and the other way for
// -1. What is not normal or would not stay so is not moved, nor is what has no float32 on that side within the error.
func (a approximation) move(y, direction float64) float32 {
	r := float32(y)
	if size := math.Abs(float64(r)); !(size >= 0x1p-126) || math.IsInf(size, 0) {
		return r
	}
	var moved float32
	if a.units != 0 {
		unit := math.Ldexp(1, max(math.Ilogb(y), -126)-23)
		moved = float32(float64(r) + direction*float64(a.units)*unit)
	} else {
		end := y + direction*a.ratio*math.Abs(y)
		moved = float32(end)
		if (float64(moved)-end)*direction > 0 { // rounded beyond the end
			moved = math.Nextafter32(moved, r)
		}
		if (float64(moved)-y)*direction < 0 {
			return r
		}
	}
	if a.limit > 0 {
		moved = min(max(moved, float32(-a.limit)), float32(a.limit))
	}
	if size := math.Abs(float64(moved)); size < 0x1p-126 || math.IsInf(size, 0) {
		return r
	}
	return moved
}

// flush makes subnormals zero.
func flush(x uint32) uint32 {
	if x&0x7f800000 == 0 {
		return x & 0x80000000
	}
	return x
}

// direction is 1 or -1, as good as at random.
func direction(x uint32) int {
	x *= 0x9e3779b1
	return 1 - 2*int((x>>15^x>>29)&1)
}
