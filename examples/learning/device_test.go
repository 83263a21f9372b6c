package main

import (
	"errors"
	"math"
	"testing"

	"github.com/sigattn/sigattn"
	"github.com/sigattn/sigattn/examples/device"
)

// The kernels compute what Go that rounds where they do computes.
func TestKernels(t *testing.T) {
	gpu, err := device.Open(0)
	if errors.Is(err, sigattn.ErrNoDriver) {
		t.Skipf("no GPU: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer gpu.Close()
	s, bias := backwards.shape, -math.Log(float64(backwards.length))
	k, err := newKernels(gpu, s, bias)
	if errors.Is(err, sigattn.ErrUnsupportedArch) {
		t.Skipf("no GPU that the kernels run on: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer k.kernel.Close()
	rounded := sigmoid(s, bias)
	rounded.store = roundBF16

	r := backwards.random(0)
	var x [4][]float64
	for i := range x {
		x[i] = normal(r, s.batch*s.length, s.width()).data
	}
	got, want := passes(t, k, x), passes(t, rounded, x)
	for i, name := range []string{"O", "dQ", "dK", "dV"} {
		var off, size float64
		for j, w := range want[i] {
			off, size = math.Hypot(off, got[i][j]-w), math.Hypot(size, w)
		}
		t.Logf("%s: relative L2 distance %.1e", name, off/size)
		if !(off <= 1e-2*size) {
			t.Errorf("%s is %g off; its norm is %g", name, off, size)
		}
	}
}

// passes is O, dQ, dK and dV of Q, K, V and dO.
func passes(t *testing.T, a attention, x [4][]float64) (results [4][]float64) {
	t.Helper()
	var err, backwardErr error
	results[0], err = a.forward(x[0], x[1], x[2])
	results[1], results[2], results[3], backwardErr = a.backward(x[0], x[1], x[2], x[3])
	if err := errors.Join(err, backwardErr); err != nil {
		t.Fatal(err)
	}
	return results
}
