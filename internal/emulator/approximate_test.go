package emulator

import (
	"math"
	"testing"
)

// TestWorstCase moves results by exactly the documented error, in both directions, and keeps what is special.
func TestWorstCase(t *testing.T) {
	for name, a := range approximations {
		up, down := 0, 0
		for i := range 4000 {
			x := math.Float32bits(float32(i)*0.01 + 0.005)
			right, moved := a.of(x, false), a.of(x, true)
			if right != a.of(x, false) || moved != a.of(x, true) {
				t.Fatalf("%s: equal operands give different results", name)
			}
			if math.IsInf(float64(math.Float32frombits(right)), 0) {
				continue
			}
			d := int(int32(moved)) - int(int32(right))
			up, down = up+max(d, 0), down+max(-d, 0)
			y := a.exact(float64(math.Float32frombits(x)))
			most := (float64(a.units) + 0.5) * math.Ldexp(1, math.Ilogb(y)-23)
			least := most - 0x1p-23*math.Abs(y) // where the results were rounded the other way
			if a.units == 0 {
				most = a.ratio * math.Abs(y)
				least = most - 0x1p-23*math.Abs(y)
			}
			got := float64(math.Float32frombits(moved))
			if e := math.Abs(got - y); e > most || e < least && math.Abs(got) != a.limit {
				t.Fatalf("%s of %v: %v, an error of %g, want %g to %g", name, math.Float32frombits(x), got, e, least, most)
			}
		}
		if up == 0 || down == 0 {
			t.Errorf("%s errs in one direction alone", name)
		}
		for _, special := range []uint32{0, 0x80000000, 0x7f800000, 0xff800000, 0x7fc00000} {
			r := math.Float32frombits(a.of(special, false))
			if w := math.Float32frombits(a.of(special, true)); (r != r || math.IsInf(float64(r), 0) || r == 0) && math.Float32bits(r) != math.Float32bits(w) {
				t.Errorf("%s of %#x: %v, worst case %v", name, special, r, w)
			}
		}
	}
}

// TestWorstCaseBounds sweeps all magnitudes: no result is further off than is documented, of another sign or kind, or a tanh
// beyond 1.
func TestWorstCaseBounds(t *testing.T) {
	for name, a := range approximations {
		for i := range uint32(1 << 16) {
			x := i<<16 | i*0x9e37&0xffff
			operand := x
			if a.flush {
				operand = flush(x)
			}
			y := a.exact(float64(math.Float32frombits(operand)))
			right, moved := a.of(x, false), a.of(x, true)
			if special := right&0x7fffffff < 0x00800000 || right&0x7f800000 == 0x7f800000; special {
				if moved != right {
					t.Fatalf("%s of %#x: %#x, worst case %#x", name, x, right, moved)
				}
				continue
			}
			most := (float64(a.units) + 0.5) * math.Ldexp(1, max(math.Ilogb(y), -126)-23)
			if a.units == 0 {
				most = a.ratio * math.Abs(y)
			}
			got := float64(math.Float32frombits(moved))
			switch e := math.Abs(got - y); {
			case e > most:
				t.Fatalf("%s of %#x: %v, an error of %g, want at most %g", name, x, got, e, most)
			case moved&0x7f800000 == 0x7f800000, moved&0x7fffffff < 0x00800000, (moved^right)>>31 != 0:
				t.Fatalf("%s of %#x: %v becomes %v", name, x, math.Float32frombits(right), got)
			case a.limit > 0 && math.Abs(got) > a.limit:
				t.Fatalf("%s of %#x is %v", name, x, got)
			}
		}
	}
	for _, x := range []uint32{0x7f800000, 0x3f800000} { // lg2 of infinity and of 1
		if lg2 := approximations["lg2.approx.ftz.f32"]; lg2.of(x, true) != lg2.of(x, false) {
			t.Errorf("lg2 of %#x moves to %#x", x, lg2.of(x, true))
		}
	}
	ex2 := approximations["ex2.approx.ftz.f32"]
	below := math.Float32bits(math.Nextafter32(1, 0)) // its power is just below 2, and rounds to it
	if r := math.Float32frombits(ex2.of(below, true)); math.Abs(float64(r)-math.Exp2(float64(math.Float32frombits(below)))) > 2.5*0x1p-23 {
		t.Errorf("ex2 beside a power of two: %v", r)
	}
}

func TestDescribeLanes(t *testing.T) {
	for set, want := range map[uint32]string{1 << 31: "lane 31", 0x000100ff: "lanes 0-7,16", allLanes: "lanes 0-31", 5: "lanes 0,2"} {
		if got := describeLanes(set); got != want {
			t.Errorf("%#x: %q, want %q", set, got, want)
		}
	}
}
