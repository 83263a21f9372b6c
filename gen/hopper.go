package gen

import (
	"fmt"

	"github.com/sigattn/sigattn"
)

// Hopper is the part of a Tile that only the forward kernels of sm_90 have. There a block is one producer warpgroup, which
// loads, and a consumer warpgroup for every 64 of the tile's rows; it stays on its SM and takes tile after tile.
type Hopper struct {
	QTiles int // places for Q: with 2, the next tile's is loaded while this one's is in use
}

// isHopper says whether spec's kernel belongs to the sm_90 family.
func isHopper(spec Spec) bool { return spec.Arch == sigattn.SM90 }

// isForward says whether spec's kernel makes O.
func isForward(spec Spec) bool {
	return spec.Pass == sigattn.Forward || spec.Pass == sigattn.ForwardSplit
}

const (
	warpgroupWarps = 4
	warpgroupRows  = 64 // of a wgmma's accumulator
	maxConsumers   = 4
	hopperStages   = 2 // places for K, and for V: the kernel's two halves of a step know theirs
)

// String is the Hopper as a tile's text ends: "t2". The zero Hopper is "".
func (h Hopper) String() string {
	if h == (Hopper{}) {
		return ""
	}
	return fmt.Sprintf("t%d", h.QTiles)
}

// consumers is how many consumer warpgroups spec's tile of sm_90 has.
func (t Tile) consumers(spec Spec) int {
	switch {
	case isWide(spec):
		return 2 * t.N / warpgroupRows
	case ownsKeys(spec):
		return t.N / warpgroupRows
	}
	return t.M / warpgroupRows
}

// hopperWarps is how many warps tiles have on sm_90 whose consumers own so many rows, or keys: theirs and a producer's.
func hopperWarps(rows int) int { return warpgroupWarps * (rows/warpgroupRows + 1) }

// withWarpgroups is t with the warps that follow from its rows, or keys, where t leaves them open and spec is of sm_90.
func (t Tile) withWarpgroups(spec Spec) Tile {
	if n := t.consumers(spec); isHopper(spec) && t.Warps == 0 && n <= maxConsumers {
		t.Warps, t.Blocks = hopperWarps(n*warpgroupRows), 1
	}
	return t
}

// withHopper is t with the Hopper of spec's tuned tile where t leaves it open and spec is of sm_90.
func (t Tile) withHopper(spec Spec) Tile {
	if !isHopper(spec) {
		return t
	}
	if t.Hopper == (Hopper{}) {
		best, _ := Best(spec)
		t.Hopper = best.Hopper
	}
	return t
}

// consumerRegisters is what setmaxnreg can give each of a consumer's threads, by consumers, when the producer has given
// away all but 32 or 40. Multiples of 8, as it takes them.
var consumerRegisters = [maxConsumers + 1]int{1: 255, 2: 232, 3: 160, 4: 112}

// spareRegisters is what a consumer needs beside accumulators: addresses, counters, descriptors.
const spareRegisters = 8

// hopperAccumulators: O, the S that is being computed, and P of its keys and of those before, packed.
func hopperAccumulators(p Plan) int { return p.HeadDim/2 + p.N/2 + 2*p.N/4 }

// hopperSharedBytes: the places of Q; a ring of Stages tiles of K, and one of V; barriers; and
// room to align the first to the 1024 bytes in which TMA's swizzle repeats. Rows are whole swizzles of 128 bytes.
func hopperSharedBytes(p Plan) int {
	const barriers, alignment = 1024, 1024
	columns := (p.HeadDim + 63) / 64 * 64
	return (p.QTiles*p.M+2*p.Stages*p.N)*columns*elementBytes + barriers + alignment
}

// checkHopper is checkShape for the kernels of sm_90.
func checkHopper(spec Spec, tile Tile) error {
	switch {
	case tile.Pipeline != none:
		return &ValueError{"pipeline of " + spec.Arch.String(), tile.Pipeline.String(), "none"}
	case spec.Pass == sigattn.BackwardDQ:
		return checkHopperDQ(spec, tile)
	case !isForward(spec):
		return checkHopperBackward(spec, tile)
	case spec.Pass == sigattn.ForwardSplit && tile.M != warpgroupRows:
		return illegalShape(spec, "tile rows", tile.M, "64")
	case spec.Pass == sigattn.ForwardSplit && tile.QTiles != 1:
		return illegalShape(spec, "Q tiles", tile.QTiles, "1")
	case tile.M%warpgroupRows != 0 || tile.consumers(spec) > maxConsumers:
		return illegalShape(spec, "tile rows", tile.M, "64, 128, 192, 256")
	case tile.N < 32 || tile.N > 256:
		return illegalShape(spec, "tile keys", tile.N, "multiples of 16 from 32 to 256")
	case tile.Stages != hopperStages:
		return illegalShape(spec, "stages", tile.Stages, "2")
	case tile.Warps != hopperWarps(tile.M):
		return illegalShape(spec, "warps", tile.Warps, fmt.Sprintf("%d with %d rows", hopperWarps(tile.M), tile.M))
	case tile.Blocks != 1:
		return illegalShape(spec, "blocks per SM", tile.Blocks, "1")
	case tile.QTiles < 1 || tile.QTiles > 2:
		return illegalShape(spec, "Q tiles", tile.QTiles, "1, 2")
	}
	return nil
}
