package main

import (
	"errors"
	"math"
	"testing"

	"github.com/sigattn/sigattn"
)

// With a GPU the example runs and finds its own result right; without one it says that there is none.
func TestRun(t *testing.T) {
	err := run()
	if errors.Is(err, sigattn.ErrNoDriver) || errors.Is(err, sigattn.ErrUnsupportedArch) {
		t.Skipf("no GPU: %v", err)
	}
	if err != nil {
		t.Error(err)
	}
}

// The first row sees one key.
func TestAttend(t *testing.T) {
	q, k, v := normal(1), normal(2), normal(3)
	row := index(1, 0, 2)
	s := 0.0
	for i := range headDim {
		s += float64(q[row+i]) * float64(k[row+i])
	}
	p := 1 / (1 + seqLen*math.Exp(-s/math.Sqrt(headDim)))
	for i, o := range attend(q, k, v, 1, 0, 2) {
		if want := p * float64(v[row+i]); math.Abs(o-want) > 1e-12 {
			t.Fatalf("element %d is %g, want %g", i, o, want)
		}
	}
}
