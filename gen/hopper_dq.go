package gen

import (
	"fmt"

	"github.com/sigattn/sigattn"
)

func isHopperDQ(spec Spec) bool { return isHopper(spec) && spec.Pass == sigattn.BackwardDQ }

// hopperDQAccumulators: dQ, S, dP and dS packed.
func hopperDQAccumulators(p Plan) int { return p.HeadDim/2 + 2*p.N/2 + p.N/4 }

// hopperDQSharedBytes: Q and dO, Stages tiles of K or V, barriers and flags, and room to align the first to the 1024 bytes
// in which TMA's swizzle repeats.
func hopperDQSharedBytes(p Plan) int {
	const barriers, alignment = 1024, 1024
	row := (p.HeadDim + 63) / 64 * 64 * elementBytes
	return (2*p.M+p.Stages*p.N)*row + barriers + alignment
}

// checkHopperDQ is checkShape for the dQ kernels of sm_90.
func checkHopperDQ(spec Spec, tile Tile) error {
	switch {
	case tile.Hopper != Hopper{}:
		return &ValueError{"Q tiles of " + spec.Pass.String(), tile.Hopper.String(), "none"}
	case tile.M != 2*warpgroupRows && tile.M != 3*warpgroupRows:
		return illegalShape(spec, "tile rows", tile.M, "128, 192")
	case tile.N < 32 || tile.N > 256:
		return illegalShape(spec, "tile keys", tile.N, "multiples of 16 from 32 to 256")
	case tile.Stages < 3 || tile.Stages > 4: // two places for K, the others for V
		return illegalShape(spec, "stages", tile.Stages, "3, 4")
	case tile.Warps != hopperWarps(tile.M):
		return illegalShape(spec, "warps", tile.Warps, fmt.Sprintf("%d with %d rows", hopperWarps(tile.M), tile.M))
	case tile.Blocks != 1:
		return illegalShape(spec, "blocks per SM", tile.Blocks, "1")
	}
	return nil
}
