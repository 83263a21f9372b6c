package main

import "testing"

func TestProduct(t *testing.T) {
	r := small.random(0)
	a, b := normal(r, 3, 7), normal(r, 7, 5) // four rows at a time, and three left
	c, transposed := product(a, b), product(b.transposed(), a.transposed()).transposed()
	for i := range c.rows {
		for j, got := range c.row(i) {
			want := 0.0
			for k := range a.cols {
				want += a.row(i)[k] * b.row(k)[j]
			}
			if d := got - want; d > 1e-14 || d < -1e-14 {
				t.Errorf("[%d, %d] is %g, want %g", i, j, got, want)
			}
			if d := transposed.row(i)[j] - want; d > 1e-14 || d < -1e-14 {
				t.Errorf("[%d, %d] by transposes is %g, want %g", i, j, transposed.row(i)[j], want)
			}
		}
	}
}
