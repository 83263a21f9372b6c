package verify

import (
	"math"
	"testing"
)

func TestEveryPatternRoundTrips(t *testing.T) {
	for _, f := range []*storage{bfloat16, float16} {
		for i := range 1 << 16 {
			x := f.decode(uint16(i))
			if x != x {
				if got := f.decode(f.encode(x)); got == got {
					t.Fatalf("%s: NaN %#x becomes %g", f.name, i, got)
				}
				continue
			}
			if got := f.encode(x); got != uint16(i) {
				t.Fatalf("%s: %g encodes to %#x, want %#x", f.name, x, got, i)
			}
		}
	}
}

func TestKnownValues(t *testing.T) {
	for _, c := range []struct {
		f    *storage
		x    float64
		bits uint16
	}{
		{bfloat16, 1, 0x3f80}, {bfloat16, -2, 0xc000}, {bfloat16, 0x1p-133, 1}, {bfloat16, 0x1p-134, 0},
		{bfloat16, 0x1.01p0, 0x3f80}, {bfloat16, 0x1.03p0, 0x3f82}, {bfloat16, 0x1.010001p0, 0x3f81},
		{bfloat16, 3.4e38, 0x7f80}, {bfloat16, math.Copysign(0, -1), 0x8000},
		{float16, 1, 0x3c00}, {float16, 65504, 0x7bff}, {float16, 65519, 0x7bff}, {float16, 65520, 0x7c00},
		{float16, 0x1p-24, 1}, {float16, 0x1p-25, 0}, {float16, 0x1.8p-24, 2}, {float16, 0x1p-14, 0x0400}, {float16, -math.MaxFloat64, 0xfc00},
	} {
		if got := c.f.encode(c.x); got != c.bits {
			t.Errorf("%s: %g encodes to %#x, want %#x", c.f.name, c.x, got, c.bits)
		}
	}
}

func TestPrecisionRounding(t *testing.T) {
	for _, f := range []*storage{bfloat16, float16} {
		for _, x := range []float64{1.00390625, 1.01171875, 1.23456, -0.3333, 0.99999, 1234.5} {
			if got, want := f.roundPrecision(x), f.round(x); got != want {
				t.Errorf("%s: %g rounds to %g, storage holds %g", f.name, x, got, want)
			}
		}
		for _, x := range []float64{math.Inf(1), math.Inf(-1), 0} {
			if got := f.roundPrecision(x); got != x {
				t.Errorf("%s: %g becomes %g", f.name, x, got)
			}
		}
		if got := f.roundPrecision(math.NaN()); got == got {
			t.Errorf("%s: NaN becomes %g", f.name, got)
		}
		if got, want := f.roundPrecision(1.23456e-30), f.roundPrecision(1.23456)*1e-30; math.Abs(got-want) > 0.005*want || got == 0 {
			t.Errorf("%s: %g lost its range", f.name, got)
		}
	}
}
