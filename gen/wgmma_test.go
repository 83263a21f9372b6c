package gen

import (
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/sigattn/sigattn"
	"github.com/sigattn/sigattn/templates"
)

func wgmmaPlan(dtype sigattn.DType, headDim, keys int) Plan {
	return madeUp(Spec{sigattn.SM90, sigattn.Forward, headDim, dtype, sigattn.Full, sigattn.Accurate}, Tile{M: 128, N: keys, Stages: 2, Warps: 12, Blocks: 1})
}

func TestWgmmaProducts(t *testing.T) {
	golden(t, "wgmma/bf16_d64_n48.cuh", []byte(wgmmaProducts(wgmmaPlan(sigattn.BF16, 64, 48))))
	golden(t, "wgmma/fp16_d32_n32.cuh", []byte(wgmmaProducts(wgmmaPlan(sigattn.FP16, 32, 32))))
}

// tunedBackward is the tuned plan of a backward kernel of sm_90.
func tunedBackward(t *testing.T, pass sigattn.Pass, headDim int) Plan {
	t.Helper()
	spec := Spec{sigattn.SM90, pass, headDim, sigattn.BF16, sigattn.Causal, sigattn.Accurate}
	tile, ok := Best(spec)
	plan, err := NewPlan(spec, tile)
	if err != nil || !ok {
		t.Fatalf("%v with head dim %d: %v", pass, headDim, err)
	}
	return plan
}

// The backward pass makes S and dP, dK and dV, and each consumer's share of dQ, the last from transposed operands.
func TestBackwardProducts(t *testing.T) {
	golden(t, "wgmma/backward_bf16_d32.cuh", []byte(wgmmaProducts(tunedBackward(t, sigattn.BackwardFused, 32))))
	for headDim, want := range map[int][]int{32: {16, 32, 64}, 64: {32, 64}, 96: {64, 96}, 128: {64, 128}} {
		if got := wgmmaWidths(tunedBackward(t, sigattn.BackwardFused, headDim)); !slices.Equal(got, want) {
			t.Errorf("head dim %d: %v; want %v", headDim, got, want)
		}
	}
	for headDim, want := range map[int][]int{192: {64, 192}, 256: {64, 256}} {
		if got := wgmmaWidths(tunedBackward(t, sigattn.BackwardDKV, headDim)); !slices.Equal(got, want) {
			t.Errorf("dK-dV with head dim %d: %v; want %v", headDim, got, want)
		}
	}
}

func TestWgmmaWidths(t *testing.T) {
	for _, test := range []struct {
		headDim, keys int
		want          []int
	}{
		{128, 128, []int{128}},
		{64, 128, []int{64, 128}},
		{256, 80, []int{80, 256}},
	} {
		if got := wgmmaWidths(wgmmaPlan(sigattn.BF16, test.headDim, test.keys)); !slices.Equal(got, test.want) {
			t.Errorf("head dim %d, %d keys: %v; want %v", test.headDim, test.keys, got, test.want)
		}
	}
}

// The file that stands in the wrappers' place holds them as they are made for the constants of common/plan.cuh.
func TestWgmmaExample(t *testing.T) {
	text, err := fs.ReadFile(templates.FS, wgmmaTemplate)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := fs.ReadFile(templates.FS, planTemplate)
	if err != nil {
		t.Fatal(err)
	}
	for _, constant := range []string{"HEAD_DIM = 128;", "TILE_N = 32;"} {
		if !strings.Contains(string(plan), constant) {
			t.Errorf("%s has no %s", planTemplate, constant)
		}
	}
	comment, wrappers, _ := strings.Cut(string(text), "\n\n")
	want := wgmmaProducts(wgmmaPlan(sigattn.BF16, 128, 32))
	switch {
	case *update:
		put(t, "../templates/"+wgmmaTemplate, comment+"\n\n"+want)
	case wrappers != want:
		t.Errorf("%s holds other wrappers (go test ./gen -update writes it anew) than\n%s", wgmmaTemplate, want)
	}
}
