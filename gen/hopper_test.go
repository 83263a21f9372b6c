package gen

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/sigattn/sigattn"
)

func hopperSpec(headDim int) Spec {
	return Spec{sigattn.SM90, sigattn.Forward, headDim, sigattn.BF16, sigattn.Causal, sigattn.Accurate}
}

// TestHopperShapes holds checkHopper to what the template asserts, and each family to the part of a tile that is its own.
func TestHopperShapes(t *testing.T) {
	for _, test := range []struct {
		spec Spec
		tile string
		want string // of the error; "" where the tile is legal
	}{
		{hopperSpec(128), "128x128x5w12t2", ""},
		{hopperSpec(32), "64x256x3w8t1", ""},
		{hopperSpec(64), "256x32x16w20t1", ""},
		{hopperSpec(128), "112x128x5w12t1", "legal: 64, 128, 192, 256"},
		{hopperSpec(128), "320x32x5w24t1", "legal: 64, 128, 192, 256"},
		{hopperSpec(128), "128x16x5w12t1", "legal: multiples of 16 from 32 to 256"},
		{hopperSpec(128), "128x272x3w12t1", "legal: multiples of 16 from 32 to 256"},
		{hopperSpec(128), "128x64x2w12t1", "legal: 3 to 16"},
		{hopperSpec(128), "128x64x4w8t1", "legal: 12 with 128 rows"},
		{hopperSpec(128), "192x64x4w12t1", "legal: 16 with 192 rows"},
		{hopperSpec(128), "128x64x4w12b2t1", "legal: 1"},
		{hopperSpec(128), "128x64x4w12g16q8", "pipeline of sm_90"},
		{Spec{sigattn.SM80, sigattn.Forward, 128, sigattn.BF16, sigattn.Full, sigattn.Accurate}, "128x32x3w4t1", "Q tiles of sm_80"},
		{Spec{sigattn.SM80, sigattn.Forward, 128, sigattn.BF16, sigattn.Full, sigattn.Accurate}, "16x32x9w1", "legal: up to 8"},
	} {
		tile, err := ParseTile(test.tile)
		if err != nil {
			t.Fatal(err)
		}
		_, err = NewPlan(test.spec, tile)
		switch {
		case test.want == "" && err == nil:
		case test.want == "" || !errors.Is(err, ErrValue) || !strings.Contains(err.Error(), test.want):
			t.Errorf("%v of %v: %v; want an ErrValue with %q", test.tile, test.spec, err, test.want)
		}
	}
}

func TestHopperBudgets(t *testing.T) {
	for _, test := range []struct {
		headDim int
		tile    string
		shared  int    // where there is a plan
		want    string // else
	}{
		{32, "192x128x6w16t2", 2*192*128 + 6*128*128 + 2048, ""}, // rows of 64 elements, whatever the head dim
		{96, "128x128x5w12t1", 128*256 + 5*128*256 + 2048, ""},
		{128, "128x128x5w12t2", 2*128*256 + 5*128*256 + 2048, ""},
		{192, "128x96x4w12t1", 128*384 + 4*96*384 + 2048, ""},
		{128, "128x128x6w12t2", 0, "needs 264192 bytes of shared memory per block; legal: up to 232448"},
		{128, "192x128x3w16t1", 0, "needs 160 registers per thread for accumulators; legal: up to 152"},
		{128, "64x240x3w8t1", 0, "needs 244 registers per thread for accumulators; legal: up to 232"},
		{64, "256x112x3w20t1", 0, "needs 116 registers per thread for accumulators; legal: up to 104"},
	} {
		tile, err := ParseTile(test.tile)
		if err != nil {
			t.Fatal(err)
		}
		plan, err := NewPlan(hopperSpec(test.headDim), tile)
		if test.want != "" {
			if !errors.Is(err, ErrBudget) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s with head dim %d: %v; want an ErrBudget with %q", test.tile, test.headDim, err, test.want)
			}
			continue
		}
		if err != nil || plan.SharedBytes != test.shared {
			t.Errorf("%s with head dim %d: %d bytes of shared memory, %v; want %d", test.tile, test.headDim, plan.SharedBytes, err, test.shared)
		}
	}
}

// What setmaxnreg gives the consumers and leaves the producer is no more than the launch has.
func TestConsumerRegistersExist(t *testing.T) {
	for consumers, registers := range consumerRegisters {
		if consumers == 0 {
			continue
		}
		const least = 24 // that setmaxnreg leaves a producer
		threads := 128 * (consumers + 1)
		launched := registerLimit(Plan{Tile: Tile{Blocks: 1}, Threads: threads}) * threads
		if need := 128 * (consumers*registers + least); need > launched || registers%8 != 0 {
			t.Errorf("%d consumers take %d registers of %d", consumers, need, launched)
		}
	}
}

func TestTunedHopperTilesArePlans(t *testing.T) {
	for _, headDim := range kernelHeadDims {
		tile, ok := Best(hopperSpec(headDim))
		if _, err := NewPlan(hopperSpec(headDim), tile); err != nil || !ok {
			t.Errorf("head dim %d: %v", headDim, err)
		}
	}
}

// A tile that leaves warps and Q tiles open fits both families, one with a part of either only that one; a family that none
// fits keeps its tuned tile.
func TestHopperTilesOfRequests(t *testing.T) {
	spec80 := hopperSpec(128)
	spec80.Arch = sigattn.SM80
	best80, _ := Best(spec80)
	best90, _ := Best(hopperSpec(128))
	open80, open90 := best80, best90
	open80.M, open80.N, open80.Stages = 128, 32, 3
	open90.M, open90.N, open90.Stages, open90.Warps = 128, 32, 3, 12
	for text, want := range map[string][]Tile{
		"128x32x3":   {open80, open90},
		"64x64x4t1":  {best80, warpgroups(64, 64, 4, 1)},
		"128x64x3w8": {ampere(128, 64, 3, 8, 1, best80.Pipeline), best90},
	} {
		tile, err := ParseTile(text)
		if err != nil {
			t.Fatal(err)
		}
		request := Request{
			Archs: []sigattn.Arch{sigattn.SM80, sigattn.SM90}, HeadDims: []int{128}, DTypes: []sigattn.DType{sigattn.BF16},
			Masks: []sigattn.Mask{sigattn.Causal}, Passes: []sigattn.Pass{sigattn.Forward}, Tiles: []Tile{tile},
		}
		if err := request.Validate(); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		plans, _ := request.Plans()
		var tiles []Tile
		for _, p := range plans {
			tiles = append(tiles, p.Tile)
		}
		if !slices.Equal(tiles, want) {
			t.Errorf("%s: %v; want %v", text, tiles, want)
		}
	}
}
