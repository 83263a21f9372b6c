package device

import (
	"math"
	"testing"
)

func TestBF16(t *testing.T) {
	for _, c := range []struct{ in, want float32 }{
		{0, 0}, {1, 1}, {-2.5, -2.5},
		{1 + 1.0/256, 1},                        // a tie goes to the even neighbour, down
		{1 + 3.0/256, 1 + 4.0/256},              // and up
		{1 + 1.0/256 + 1.0/65536, 1 + 2.0/256},  // above the tie
		{math.MaxFloat32, float32(math.Inf(1))}, // beyond the largest
		{float32(math.Inf(-1)), float32(math.Inf(-1))},
		{1e-40, 0x1p-133}, // denormal
	} {
		if got := fromBF16(toBF16(c.in)); got != c.want {
			t.Errorf("%g rounds to %g, want %g", c.in, got, c.want)
		}
	}
	if nan := fromBF16(toBF16(math.Float32frombits(0x7f800001))); nan == nan {
		t.Errorf("a NaN becomes %g", nan)
	}
}
