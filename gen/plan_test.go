package gen

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sigattn/sigattn"
)

func TestPlansKeepBudgets(t *testing.T) {
	// The limits again, by hand, so that a slip in chip.go shows.
	shared := map[sigattn.Arch]int{sigattn.SM80: 166912, sigattn.SM86: 101376, sigattn.SM89: 101376, sigattn.SM90: 232448}
	threads := map[sigattn.Arch]int{sigattn.SM80: 2048, sigattn.SM86: 1536, sigattn.SM89: 1536, sigattn.SM90: 2048}
	r := rand.New(rand.NewPCG(3, 4))
	for range 5000 {
		p := anyPlan(r)
		perSM := p.Threads * p.Blocks
		switch {
		case p.SharedBytes < 0 || p.SharedBytes > shared[p.Arch],
			p.Threads > 1024, p.Threads != 32*p.Warps,
			perSM > threads[p.Arch],
			p.RegisterLimit > 255, p.RegisterLimit < 24, perSM*p.RegisterLimit > 65536:
			t.Fatalf("over budget: %+v", p)
		}
	}
}

func TestBudgetErrors(t *testing.T) {
	spec := Spec{sigattn.SM80, sigattn.Forward, 128, sigattn.BF16, sigattn.Full, sigattn.Accurate}
	small := spec
	small.Arch = sigattn.SM86
	for _, test := range []struct {
		spec Spec
		tile Tile
		want string
	}{
		{spec, ampere(128, 128, 3, 8, 1, none), "tile 128x128x3w8 of fwd_sm80_d128_bf16_full needs 229376 bytes of shared memory per block; legal: up to 166912"},
		{small, ampere(128, 64, 3, 4, 1, none), "needs 131072 bytes of shared memory per block; legal: up to 101376"},
		{spec, ampere(512, 32, 3, 32, 4, none), "needs 4096 threads per SM; legal: up to 2048"},
		{small, ampere(256, 32, 3, 16, 4, none), "needs 2048 threads per SM; legal: up to 1536"},
		{spec, ampere(128, 32, 3, 4, 5, none), "needs 128 registers per thread for accumulators; legal: up to 96"},
	} {
		_, err := NewPlan(test.spec, test.tile)
		var budget *BudgetError
		if !errors.As(err, &budget) || !errors.Is(err, ErrBudget) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("NewPlan(%v, %v): %v; want a *BudgetError with %q", test.spec, test.tile, err, test.want)
		}
	}
}

func TestPlanRefusesValues(t *testing.T) {
	spec := Spec{sigattn.SM80, sigattn.Forward, 128, sigattn.BF16, sigattn.Full, sigattn.Accurate}
	tile := ampere(128, 32, 3, 4, 2, none)
	if _, err := NewPlan(spec, tile); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(*Spec, *Tile){
		"head dim": func(s *Spec, _ *Tile) { s.HeadDim = 80 },
		"arch":     func(s *Spec, _ *Tile) { s.Arch = 75 },
		"pass":     func(s *Spec, _ *Tile) { s.Pass = 0 },
		"dtype":    func(s *Spec, _ *Tile) { s.DType = 3 },
		"mask":     func(s *Spec, _ *Tile) { s.Mask = 0 },
		"sigmoid":  func(s *Spec, _ *Tile) { s.Sigmoid = 0 },
		"rows":     func(_ *Spec, t *Tile) { t.M = 100 },
		"keys":     func(_ *Spec, t *Tile) { t.N = -32 },
		"stages":   func(_ *Spec, t *Tile) { t.Stages = 0 },
		"warps":    func(_ *Spec, t *Tile) { t.Warps = 33 },
		"blocks":   func(_ *Spec, t *Tile) { t.Blocks = 0 },
		"shape":    func(_ *Spec, t *Tile) { t.M, t.Warps = 64, 8 },
		"group":    func(_ *Spec, t *Tile) { t.Group = 24 },
		"groups":   func(_ *Spec, t *Tile) { t.Group = 32 },
		"no group": func(_ *Spec, t *Tile) { t.Resident = 4 },
		"resident": func(_ *Spec, t *Tile) { t.Group, t.Resident = 16, 9 },
		"negative": func(_ *Spec, t *Tile) { t.Group, t.Resident = 16, -1 },
		"bwd":      func(s *Spec, t *Tile) { s.Pass, t.Group = sigattn.BackwardDQ, 16 },
		"paced":    func(s *Spec, t *Tile) { s.Pass, t.Paced = sigattn.BackwardDQ, true },
	} {
		s, l := spec, tile
		change(&s, &l)
		if _, err := NewPlan(s, l); !errors.Is(err, ErrValue) && !errors.Is(err, sigattn.ErrName) {
			t.Errorf("%s: NewPlan(%v, %v): %v", what, s, l, err)
		}
	}
}

// TestPlanRefusesShapes holds checkShape to what the backward templates assert.
func TestPlanRefusesShapes(t *testing.T) {
	for _, test := range []struct {
		pass    sigattn.Pass
		headDim int
		tile    string
		want    string // of the error; "" where the tile is legal
	}{
		{sigattn.Forward, 64, "48x32x3w3g16q4", "warps of fwd with head dim 64"},
		{sigattn.Forward, 96, "48x32x3w3g16q4", ""},
		{sigattn.BackwardFused, 64, "64x128x2w4", ""},
		{sigattn.BackwardFused, 64, "48x128x2w4", "legal: 16, 32 and multiples of 64"},
		{sigattn.BackwardFused, 64, "64x96x2w4", "legal: multiples of 64 with 4 warps"},
		{sigattn.BackwardFused, 64, "64x128x1w4", "legal: 2 to 8"},
		{sigattn.BackwardFused, 96, "32x128x2w8", "legal: those of which 8 warps can share 96 columns in blocks of 16"},
		{sigattn.BackwardDKV, 96, "64x48x2w3", "legal: even numbers"},
		{sigattn.BackwardDKV, 128, "64x128x2w8", ""},
		{sigattn.BackwardDKV, 128, "128x64x2w8", "legal: up to 64 with 8 warps"},
		{sigattn.BackwardDQ, 128, "64x32x2w8", "legal: multiples of 128 with 8 warps"},
		{sigattn.BackwardDQ, 128, "128x32x1w8", "legal: 2 to 8"},
	} {
		tile, err := ParseTile(test.tile)
		if err != nil {
			t.Fatal(err)
		}
		_, err = NewPlan(Spec{sigattn.SM80, test.pass, test.headDim, sigattn.BF16, sigattn.Full, sigattn.Accurate}, tile)
		switch {
		case test.want == "" && err == nil:
		case test.want == "" || !errors.Is(err, ErrValue) || !strings.Contains(err.Error(), test.want):
			t.Errorf("%v with head dim %d as %s: %v; want an ErrValue with %q", test.pass, test.headDim, test.tile, err, test.want)
		}
	}
}

func FuzzNewPlan(f *testing.F) {
	f.Add(80, 1, 128, 128, 32, 3, 4, 2, 16, 8, true, 0)
	f.Add(90, 1, 128, 128, 128, 5, 12, 1, 0, 0, false, 2)
	f.Fuzz(func(t *testing.T, arch, pass, headDim, m, n, stages, warps, blocks, group, resident int, paced bool, qTiles int) {
		spec := Spec{sigattn.Arch(arch), sigattn.Pass(pass), headDim, sigattn.BF16, sigattn.Full, sigattn.Accurate}
		tile := ampere(m, n, stages, warps, blocks, Pipeline{group, resident, paced})
		tile.QTiles = qTiles
		plan, err := NewPlan(spec, tile)
		if err != nil {
			return
		}
		if err := plan.checkBudgets(); err != nil {
			t.Fatal(err)
		}
	})
}
