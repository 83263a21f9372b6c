package gen

import (
	"fmt"
	"strconv"

	"github.com/sigattn/sigattn"
)

// maxFusedHeadDim is the largest head dim of sm_90's fused backward kernels, whose consumers hold dK and dV of 64 keys. Beyond, there are
// kernels of their own for dK and dV and for dQ.
const maxFusedHeadDim = 128

// ownsKeys says whether the blocks of spec's kernel own keys, of which they make dK and dV.
func ownsKeys(spec Spec) bool {
	return spec.Pass == sigattn.BackwardFused || spec.Pass == sigattn.BackwardOrdered || spec.Pass == sigattn.BackwardDKV
}

// isFused says whether spec's kernel makes dK, dV and dQ on sm_90, in any order or always in the same.
func isFused(spec Spec) bool {
	return isHopper(spec) && (spec.Pass == sigattn.BackwardFused || spec.Pass == sigattn.BackwardOrdered)
}

// hopperBackwardAccumulators: dK and dV, S, dP or dQ, and P and dS packed.
func hopperBackwardAccumulators(p Plan) int { return p.HeadDim + 2*p.M/2 + p.M/4 }

// hopperBackwardSharedBytes: K and V, a ring of Stages tiles of Q and one of dO; two tiles of dS; places for tiles of dQ, or beyond head
// dim 64 for the consumers' shares of one, which serve dK and dV too, or for these alone; barriers, flags and the threads' bias gradients,
// and room to align the first to the 1024 bytes in which TMA's swizzle repeats.
func hopperBackwardSharedBytes(p Plan) int {
	const barriers, alignment = 2048, 1024
	row := (p.HeadDim + 63) / 64 * 64 * elementBytes
	bytes := 2*(p.N+p.Stages*p.M)*row + 2*p.N*p.M*elementBytes + barriers + alignment
	switch {
	case p.Pass == sigattn.BackwardOrdered:
		bytes += dqTiles(p) * p.M * p.HeadDim * floatBytes
	case p.HeadDim > 64:
		bytes += p.M * p.consumers(p.Spec) * dqColumns(p) * floatBytes
	default:
		bytes += p.N * p.HeadDim * elementBytes
	}
	return bytes
}

// dqTiles is DQ_TILES of the template, the tiles of dQ that wait to be added in order.
func dqTiles(p Plan) int {
	if p.HeadDim > 64 {
		return 1
	}
	return 4
}

// dqColumns is DQ_COLUMNS of the template: as many of dQ's columns as a consumer makes.
func dqColumns(p Plan) int {
	if p.HeadDim == 96 {
		return 64
	}
	return p.HeadDim / p.consumers(p.Spec)
}

// checkHopperBackward is checkShape for the backward kernels of sm_90.
func checkHopperBackward(spec Spec, tile Tile) error {
	keys, stages := 2*warpgroupRows, 2
	if isWide(spec) {
		keys, stages = warpgroupRows, 2+wideFewerGradients(spec)
	}
	switch {
	case tile.Hopper != Hopper{}:
		return &ValueError{"Q tiles of " + spec.Pass.String(), tile.Hopper.String(), "none"}
	case spec.Pass == sigattn.BackwardFinish:
		return nil
	case tile.M != warpgroupRows:
		return illegalShape(spec, "tile rows", tile.M, "64")
	case tile.N != keys:
		return illegalShape(spec, "tile keys", tile.N, strconv.Itoa(keys))
	case tile.Stages < stages || tile.Stages > 8:
		return illegalShape(spec, "stages", tile.Stages, fmt.Sprintf("%d to 8", stages))
	case tile.Warps != hopperWarps(2*warpgroupRows):
		return illegalShape(spec, "warps", tile.Warps, "12")
	case tile.Blocks != 1:
		return illegalShape(spec, "blocks per SM", tile.Blocks, "1")
	}
	return nil
}
