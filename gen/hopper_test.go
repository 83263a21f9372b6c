package gen

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sigattn/sigattn"
	"github.com/sigattn/sigattn/templates"
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
		{hopperSpec(128), "128x128x2w12t2", ""},
		{hopperSpec(32), "64x224x2w8t1", ""},
		{hopperSpec(64), "192x32x2w16t1", ""},
		{hopperSpec(32), "256x64x2w20t2", ""},
		{hopperSpec(128), "112x128x2w12t1", `"112" is not legal; legal: 64, 128, 192, 256`},
		{hopperSpec(128), "320x32x2w24t1", `"320" is not legal; legal: 64, 128, 192, 256`},
		{hopperSpec(128), "128x16x2w12t1", "legal: multiples of 16 from 32 to 256"},
		{hopperSpec(128), "128x272x2w12t1", "legal: multiples of 16 from 32 to 256"},
		{hopperSpec(128), "128x64x1w12t1", `"1" is not legal; legal: 2`},
		{hopperSpec(128), "128x64x3w12t1", `"3" is not legal; legal: 2`},
		{hopperSpec(128), "128x64x2w8t1", "legal: 12 with 128 rows"},
		{hopperSpec(128), "192x64x2w12t1", "legal: 16 with 192 rows"},
		{hopperSpec(128), "128x64x2w12b2t1", `blocks per SM of fwd with head dim 128 "2" is not legal; legal: 1`},
		{hopperSpec(128), "128x64x2w12g16q8", "pipeline of sm_90"},
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
		{32, "192x128x2w16t2", 2*192*128 + 4*128*128 + 2048, ""}, // rows of 64 elements, whatever the head dim
		{96, "128x128x2w12t1", 128*256 + 4*128*256 + 2048, ""},
		{128, "128x128x2w12t2", 2*128*256 + 4*128*256 + 2048, ""},
		{128, "128x160x2w12t2", 231424, ""}, // all that a block can have of registers, and but for 1024 bytes of shared memory
		{192, "128x96x2w12t1", 128*384 + 4*96*384 + 2048, ""},
		{192, "128x128x2w12t1", 0, "needs 247808 bytes of shared memory per block; legal: up to 232448"},
		{128, "192x96x2w16t1", 0, "needs 160 registers per thread for accumulators; legal: up to 152"},
		{128, "128x176x2w12t1", 0, "needs 240 registers per thread for accumulators; legal: up to 224"},
		{128, "64x192x2w8t1", 0, "needs 256 registers per thread for accumulators; legal: up to 247"},
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

// What setmaxnreg gives the consumers and leaves the producer, as the template says, is no more than the launch has; one
// consumer keeps what it is launched with.
func TestConsumerRegistersExist(t *testing.T) {
	text, err := fs.ReadFile(templates.FS, "sm90/blocks.cuh")
	if err != nil {
		t.Fatal(err)
	}
	for consumers, registers := range consumerRegisters {
		if consumers == 0 {
			continue
		}
		threads := 128 * (consumers + 1)
		each := registerLimit(Plan{Tile: Tile{Blocks: 1}, Threads: threads})
		if consumers == 1 {
			if registers != each {
				t.Errorf("a consumer has %d registers of %d", registers, each)
			}
			continue
		}
		given := func(to string) int {
			match := regexp.MustCompile(to + `_REGISTERS = (.*);`).FindSubmatch(text)
			if match == nil {
				t.Fatalf("the template gives no %s registers", to)
			}
			for _, one := range strings.Split(string(match[1]), " : ") { // n ? a : b, the last without a condition
				condition, value, found := strings.Cut(one, " ? ")
				if !found {
					value = one
				}
				if !found || condition == fmt.Sprintf("CONSUMERS == %d", consumers) {
					n, _ := strconv.Atoi(value)
					return n
				}
			}
			t.Fatalf("the template gives no %s of %d consumers registers", to, consumers)
			return 0
		}
		producer := given("PRODUCER")
		if need := 128 * (consumers*registers + producer); need > each*threads || registers%8 != 0 || producer%8 != 0 || producer < 24 {
			t.Errorf("%d consumers and their producer take %d registers of %d", consumers, need, each*threads)
		}
		if given("CONSUMER") != registers {
			t.Errorf("the template gives each of %d consumers %d registers, not %d", consumers, given("CONSUMER"), registers)
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

// A tile that leaves stages, warps and Q tiles open fits both families, one with a part of either only that one; a family that
// none fits keeps its tuned tile.
func TestHopperTilesOfRequests(t *testing.T) {
	spec80 := hopperSpec(128)
	spec80.Arch = sigattn.SM80
	best80, _ := Best(spec80)
	best90, _ := Best(hopperSpec(128))
	open80, open90 := best80, best90
	open80.M, open80.N = 128, 32
	open90.M, open90.N, open90.Warps = 128, 32, 12
	for text, want := range map[string][]Tile{
		"128x32":     {open80, open90},
		"128x32x3":   {open80, best90},
		"128x32x2":   {best80, open90},
		"64x64t1":    {best80, warpgroups(64, 64, 2, 1)},
		"64x64x2t1":  {best80, warpgroups(64, 64, 2, 1)},
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
