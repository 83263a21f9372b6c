package sigattn

import "testing"

// Neighbours of each dimension lie where the layout's name says.
func TestLayouts(t *testing.T) {
	const b, n, h, d = 2, 5, 3, 8
	if got, want := BSHD(64, b, n, h, d), (Tensor{64, b, n, h, d, n * h * d, h * d, d}); got != want {
		t.Errorf("BSHD is %+v, want %+v", got, want)
	}
	if got, want := BHSD(64, b, h, n, d), (Tensor{64, b, n, h, d, h * n * d, d, n * d}); got != want {
		t.Errorf("BHSD is %+v, want %+v", got, want)
	}
	for _, x := range []Tensor{BSHD(64, b, n, h, d), BHSD(64, b, h, n, d)} {
		s := mustPlace(t, &x)
		if s.base != 64 || s.end != 64+b*n*h*d*elementBytes || overlapsItself(&s) != apart {
			t.Errorf("%+v is not dense: [%d, %d)", x, s.base, s.end)
		}
	}
}
