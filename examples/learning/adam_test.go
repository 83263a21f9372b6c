package main

import (
	"math"
	"testing"
)

// The first step is as long as the rate, against the gradient's sign; where gradients stay the same, so are the others.
func TestAdam(t *testing.T) {
	p := newParameter(1, 3)
	for step := 1; step <= 5; step++ {
		copy(p.gradient.data, []float64{3, -0.2, 0})
		adam([]*parameter{p}, 0.1, step)
		for i, want := range []float64{-0.1, 0.1, 0} {
			if want *= float64(step); math.Abs(p.data[i]-want) > 1e-7 {
				t.Errorf("step %d: parameter %d is %g, want %g", step, i, p.data[i], want)
			}
			if p.gradient.data[i] != 0 {
				t.Error("a gradient is left")
			}
		}
	}
}

// After gradients 1 and −1 the mean is 0.9·0.1 − 0.1 = −0.01, to be divided by 1 − 0.9² = 0.19; the mean square is 1.
func TestAdamTurns(t *testing.T) {
	p := newParameter(1, 1)
	for step, g := range []float64{1, -1} {
		p.gradient.data[0] = g
		adam([]*parameter{p}, 1, step+1)
	}
	if want := -1 + 0.01/0.19; math.Abs(p.data[0]-want) > 1e-6 {
		t.Errorf("got %g, want %g", p.data[0], want)
	}
}
