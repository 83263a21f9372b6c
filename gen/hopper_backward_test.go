package gen

import (
	"errors"
	"strings"
	"testing"

	"github.com/sigattn/sigattn"
)

// TestFusedHopperShapes holds checkHopperBackward to what the template asserts.
func TestFusedHopperShapes(t *testing.T) {
	for _, test := range []struct {
		headDim int
		tile    string
		shared  int    // where there is a plan
		want    string // of the error; else ""
	}{
		{128, "64x128x3w12", 2*128*256 + 6*64*256 + 2*128*128 + 64*128*4 + 3072, ""},
		{96, "64x128x2w12", 2*128*256 + 4*64*256 + 2*128*128 + 64*128*4 + 3072, ""},
		{64, "64x128x4w12", 2*128*128 + 8*64*128 + 2*128*128 + 3072, ""},
		{32, "64x128x8w12", 2*128*128 + 16*64*128 + 2*128*128 + 3072, ""},
		{128, "64x128x4w12", 0, "bytes of shared memory per block; legal: up to 232448"},
		{64, "128x128x4w12", 0, "legal: 64"},
		{64, "64x64x4w8", 0, "legal: 128"},
		{64, "64x128x1w12", 0, "legal: 2 to 8"},
		{64, "64x128x9w12", 0, "legal: 2 to 8"},
		{64, "64x128x4w8", 0, "legal: 12"},
		{64, "64x128x4w12b2", 0, "legal: 1"},
		{64, "64x128x4w12t1", 0, "Q tiles"},
		{64, "64x128x4w12g16q8", 0, "pipeline"},
		{192, "64x128x2w12", 0, "legal: up to 128"},
	} {
		tile, err := ParseTile(test.tile)
		if err != nil {
			t.Fatal(err)
		}
		plan, err := NewPlan(Spec{sigattn.SM90, sigattn.BackwardFused, test.headDim, sigattn.BF16, sigattn.Causal, sigattn.Accurate}, tile)
		switch {
		case test.want == "" && (err != nil || plan.SharedBytes != test.shared):
			t.Errorf("%s with head dim %d: %d bytes of shared memory, %v; want %d", test.tile, test.headDim, plan.SharedBytes, err, test.shared)
		case test.want != "" && (!errors.Is(err, ErrValue) && !errors.Is(err, ErrBudget) || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s with head dim %d: %v; want an error with %q", test.tile, test.headDim, err, test.want)
		}
	}
}

func TestTunedFusedHopperTilesArePlans(t *testing.T) {
	for _, headDim := range kernelHeadDims {
		if headDim <= maxFusedHeadDim {
			fusedPlan(t, headDim)
		}
	}
}
