package gen

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"github.com/sigattn/sigattn"
	"github.com/sigattn/sigattn/templates"
)

// shapeTest is a tile of sm_90's backward kernels of some head dim.
type shapeTest struct {
	headDim int
	tile    string
	shared  int    // where there is a plan
	want    string // of the error; else ""
}

// TestFusedHopperShapes holds checkHopperBackward to what the template asserts.
func TestFusedHopperShapes(t *testing.T) {
	testShapes(t, sigattn.BackwardFused, []shapeTest{
		{128, "64x128x3w12", 2*128*256 + 6*64*256 + 2*128*128 + 64*128*4 + 3072, ""},
		{96, "64x128x2w12", 2*128*256 + 4*64*256 + 2*128*128 + 64*128*4 + 3072, ""},
		{64, "64x128x4w12", 2*128*128 + 8*64*128 + 2*128*128 + 128*64*2 + 3072, ""},
		{32, "64x128x8w12", 2*128*128 + 16*64*128 + 2*128*128 + 128*32*2 + 3072, ""},
		{128, "64x128x4w12", 0, "bytes of shared memory per block; legal: up to 232448"},
		{64, "128x128x4w12", 0, "legal: 64"},
		{64, "64x64x4w8", 0, "legal: 128"},
		{64, "64x128x1w12", 0, "legal: 2 to 8"},
		{64, "64x128x9w12", 0, "legal: 2 to 8"},
		{64, "64x128x4w8", 0, "legal: 12"},
		{64, "64x128x4w12b2", 0, "legal: 1"},
		{64, "64x128x4w12t1", 0, "Q tiles"},
		{64, "64x128x4w12g16q8", 0, "pipeline"},
		{192, "64x128x2w12", 0, "no fused kernels beyond head dim 128"},
	})
}

// In order, tiles of dQ are put together in shared memory: one, or up to head dim 64 four.
func TestOrderedHopperShapes(t *testing.T) {
	testShapes(t, sigattn.BackwardOrdered, []shapeTest{
		{128, "64x128x3w12", 2*128*256 + 6*64*256 + 2*128*128 + 64*128*4 + 3072, ""},
		{96, "64x128x3w12", 2*128*256 + 6*64*256 + 2*128*128 + 64*96*4 + 3072, ""},
		{64, "64x128x4w12", 2*128*128 + 8*64*128 + 2*128*128 + 4*64*64*4 + 3072, ""},
		{32, "64x128x4w12", 2*128*128 + 8*64*128 + 2*128*128 + 4*64*32*4 + 3072, ""},
		{128, "64x128x4w12", 0, "bytes of shared memory per block; legal: up to 232448"},
		{64, "64x64x4w8", 0, "legal: 128"},
		{192, "64x128x2w12", 0, "no fused kernels beyond head dim 128"},
	})
}

// Beyond head dim 128 the two consumers share 64 keys; a ring has what K and V leave free of shared memory.
func TestWideHopperShapes(t *testing.T) {
	testShapes(t, sigattn.BackwardDKV, []shapeTest{
		{256, "64x64x3w12", 5*64*512 + 2*64*256 + 2*64*64*4 + 2048, ""},
		{192, "64x64x4w12", 8*64*384 + 2*64*64*4 + 2048, ""},
		{192, "64x64x3w12", 6*64*384 + 2*64*64*4 + 2048, ""},
		{256, "64x64x4w12", 0, "bytes of shared memory per block; legal: up to 232448"},
		{256, "64x64x2w12", 0, "legal: 3 to 8"},
		{192, "64x64x1w12", 0, "legal: 2 to 8"},
		{192, "64x128x3w12", 0, "legal: 64"},
		{192, "128x64x3w12", 0, "legal: 64"},
		{192, "64x64x3w8", 0, "legal: 12"},
		{128, "64x128x4w12", 0, "the fused kernels of sm_90 serve it up to head dim 128"},
	})
}

func testShapes(t *testing.T, pass sigattn.Pass, tests []shapeTest) {
	t.Helper()
	for _, test := range tests {
		tile, err := ParseTile(test.tile)
		if err != nil {
			t.Fatal(err)
		}
		plan, err := NewPlan(Spec{sigattn.SM90, pass, test.headDim, sigattn.BF16, sigattn.Causal, sigattn.Accurate}, tile)
		switch {
		case test.want == "" && (err != nil || plan.SharedBytes != test.shared):
			t.Errorf("%s with head dim %d: %d bytes of shared memory, %v; want %d", test.tile, test.headDim, plan.SharedBytes, err, test.shared)
		case test.want != "" && (!errors.Is(err, ErrValue) && !errors.Is(err, ErrBudget) && !errors.Is(err, ErrCulled) || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s with head dim %d: %v; want an error with %q", test.tile, test.headDim, err, test.want)
		}
	}
}

func TestTunedHopperBackwardTilesArePlans(t *testing.T) {
	for _, headDim := range kernelHeadDims {
		passes := []sigattn.Pass{sigattn.BackwardFused, sigattn.BackwardOrdered}
		if headDim > maxFusedHeadDim {
			passes = []sigattn.Pass{sigattn.BackwardDKV, sigattn.BackwardDQ}
		}
		for _, pass := range passes {
			tunedBackward(t, pass, headDim)
		}
	}
}

// The template's constants that shared memory and legal tiles follow from are those of hopper_wide.go.
func TestWideConstants(t *testing.T) {
	text, err := fs.ReadFile(templates.FS, "sm90/backward_dkv_wide.cu")
	if err != nil {
		t.Fatal(err)
	}
	for _, headDim := range []int{192, 256} {
		plan := tunedBackward(t, sigattn.BackwardDKV, headDim)
		steps, stages := fmt.Sprint(wideResident(plan.Spec)/16), "STAGES"
		if n := wideFewerGradients(plan.Spec); n > 0 {
			stages = fmt.Sprintf("STAGES - %d", n)
		}
		choice := map[int]string{192: `HEAD_DIM == 192 \? %s : `, 256: `HEAD_DIM == 192 \? [^:]+ : %s[,;]`}[headDim]
		for constant, value := range map[string]string{"RESIDENT_STEPS": steps, "DO_STAGES": stages} {
			if !regexp.MustCompile(constant + " = " + fmt.Sprintf(choice, value)).Match(text) {
				t.Errorf("head dim %d: the template has no %s = %s", headDim, constant, value)
			}
		}
	}
}
