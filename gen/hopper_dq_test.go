package gen

import (
	"errors"
	"strings"
	"testing"

	"github.com/sigattn/sigattn"
)

// TestDQHopperShapes holds checkHopperDQ to what the template asserts.
func TestDQHopperShapes(t *testing.T) {
	for _, test := range []struct {
		headDim int
		tile    string
		shared  int    // where there is a plan
		want    string // of the error; else ""
	}{
		{256, "128x64x3w12", 2*128*512 + 3*64*512 + 2048, ""},
		{192, "128x80x4w12", 2*128*384 + 4*80*384 + 2048, ""},
		{256, "128x64x4w12", 0, "bytes of shared memory per block; legal: up to 232448"},
		{192, "128x112x3w12", 0, "registers per thread for accumulators; legal: up to 224"},
		{192, "64x64x4w8", 0, "legal: 128, 192"},
		{192, "128x16x4w12", 0, "legal: multiples of 16 from 32 to 256"},
		{192, "128x64x2w12", 0, "legal: 3, 4"},
		{192, "128x64x5w12", 0, "legal: 3, 4"},
		{192, "128x64x4w8", 0, "legal: 12 with 128 rows"},
		{192, "128x64x4w12b2", 0, "legal: 1"},
		{192, "128x64x4w12t1", 0, "Q tiles"},
		{192, "128x64x4w12g16q8", 0, "pipeline"},
		{128, "128x64x4w12", 0, "the fused kernels of sm_90 serve it up to head dim 128"},
	} {
		tile, err := ParseTile(test.tile)
		if err != nil {
			t.Fatal(err)
		}
		plan, err := NewPlan(Spec{sigattn.SM90, sigattn.BackwardDQ, test.headDim, sigattn.BF16, sigattn.Causal, sigattn.Accurate}, tile)
		switch {
		case test.want == "" && (err != nil || plan.SharedBytes != test.shared):
			t.Errorf("%s with head dim %d: %d bytes of shared memory, %v; want %d", test.tile, test.headDim, plan.SharedBytes, err, test.shared)
		case test.want != "" && (!errors.Is(err, ErrValue) && !errors.Is(err, ErrBudget) && !errors.Is(err, ErrCulled) || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s with head dim %d: %v; want an error with %q", test.tile, test.headDim, err, test.want)
		}
	}
}

func TestTunedDQHopperTilesArePlans(t *testing.T) {
	for _, headDim := range []int{192, 256} {
		spec := Spec{sigattn.SM90, sigattn.BackwardDQ, headDim, sigattn.BF16, sigattn.Causal, sigattn.Accurate}
		tile, ok := Best(spec)
		if _, err := NewPlan(spec, tile); err != nil || !ok {
			t.Errorf("head dim %d: %v", headDim, err)
		}
	}
}
