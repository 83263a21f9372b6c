package gen

import (
	"slices"

	"github.com/sigattn/sigattn"
)

// choice gives the tile of every Spec that it matches. A zero or nil field matches anything, but nil archs only those of
// the sm_80 family.
type choice struct {
	pass     sigattn.Pass
	archs    []sigattn.Arch
	headDims []int
	dtype    sigattn.DType
	mask     sigattn.Mask
	sigmoid  sigattn.Sigmoid
	tile     Tile
}

// tuned holds the best tile of each Spec by measurement: docs/experiments.md has the figures. The first match counts.
// A BackwardFinish kernel is not in it: its tile follows from the kernel whose results it finishes.
var tuned = []choice{
	// pass           archs   head dims  dtype mask sigmoid M    N    S  Q tiles
	{sigattn.Forward, hopper, dims(32), 0, 0, 0, warpgroups(256, 64, 2, 2)},
	{sigattn.Forward, hopper, dims(64), 0, 0, 0, warpgroups(192, 96, 2, 2)},
	{sigattn.Forward, hopper, dims(96), 0, 0, 0, warpgroups(192, 80, 2, 2)},
	{sigattn.Forward, hopper, dims(128), 0, 0, 0, warpgroups(128, 128, 2, 2)},
	{sigattn.Forward, hopper, dims(192), 0, 0, 0, warpgroups(128, 64, 2, 2)},
	{sigattn.Forward, hopper, dims(256), 0, 0, 0, warpgroups(128, 64, 2, 1)},

	{sigattn.ForwardSplit, hopper, dims(32, 64, 96, 128), 0, 0, 0, warpgroups(64, 128, 2, 1)},
	{sigattn.ForwardSplit, hopper, dims(192, 256), 0, 0, 0, warpgroups(64, 64, 2, 1)},

	{sigattn.BackwardFused, hopper, dims(32, 64), 0, 0, 0, gradients(64, 128, 4)},
	{sigattn.BackwardFused, hopper, dims(96, 128), 0, 0, 0, gradients(64, 128, 3)},
	{sigattn.BackwardOrdered, hopper, dims(32, 64), 0, 0, 0, gradients(64, 128, 4)},
	{sigattn.BackwardOrdered, hopper, dims(96, 128), 0, 0, 0, gradients(64, 128, 3)},

	{sigattn.BackwardDKV, hopper, dims(192), 0, 0, 0, gradients(64, 64, 4)},
	{sigattn.BackwardDKV, hopper, dims(256), 0, 0, 0, gradients(64, 64, 3)},

	{sigattn.BackwardDQ, hopper, dims(192), 0, 0, 0, gradients(128, 80, 4)},
	{sigattn.BackwardDQ, hopper, dims(256), 0, 0, 0, gradients(128, 64, 3)},

	// pass           archs head dims  dtype mask sigmoid M    N  S  W  B           G   Q  paced
	{sigattn.Forward, nil, dims(32), 0, 0, 0, ampere(128, 64, 3, 4, 3, Pipeline{16, 2, false})},
	{sigattn.Forward, nil, dims(64), 0, sigattn.Causal, 0, ampere(128, 64, 3, 4, 2, Pipeline{32, 4, false})},
	{sigattn.Forward, nil, dims(64), 0, 0, sigattn.Tanh, ampere(192, 64, 3, 4, 2, Pipeline{16, 4, true})},
	{sigattn.Forward, nil, dims(64), 0, 0, 0, ampere(192, 64, 3, 4, 2, Pipeline{16, 4, false})},
	{sigattn.Forward, nil, dims(96), 0, 0, 0, ampere(128, 32, 3, 4, 2, Pipeline{16, 6, false})},
	{sigattn.Forward, nil, dims(128), 0, 0, 0, ampere(128, 32, 3, 4, 2, Pipeline{16, 5, false})},
	{sigattn.Forward, nil, dims(192), 0, 0, 0, ampere(128, 32, 3, 8, 1, Pipeline{16, 12, true})},
	{sigattn.Forward, nil, dims(256), 0, 0, sigattn.Tanh, ampere(128, 32, 3, 8, 1, Pipeline{16, 8, false})},
	{sigattn.Forward, large, dims(256), sigattn.FP16, 0, 0, ampere(128, 32, 3, 8, 1, Pipeline{16, 13, false})},
	{sigattn.Forward, nil, dims(256), 0, 0, 0, ampere(128, 32, 3, 8, 1, Pipeline{16, 16, false})},

	{sigattn.BackwardFused, small, dims(96), 0, 0, 0, ampere(64, 64, 2, 4, 1, none)},
	{sigattn.BackwardFused, small, dims(128), 0, 0, 0, ampere(32, 128, 2, 8, 1, none)},
	{sigattn.BackwardFused, small, dims(192), 0, 0, 0, ampere(32, 64, 2, 8, 1, none)},
	{sigattn.BackwardFused, small, dims(256), 0, 0, 0, ampere(16, 64, 2, 8, 1, none)},
	{sigattn.BackwardFused, nil, dims(32, 64), 0, 0, 0, ampere(64, 128, 2, 4, 2, none)},
	{sigattn.BackwardFused, nil, dims(96, 128), 0, 0, 0, ampere(64, 128, 2, 8, 1, none)},
	{sigattn.BackwardFused, nil, dims(192), 0, 0, 0, ampere(64, 64, 2, 8, 1, none)},
	{sigattn.BackwardFused, nil, dims(256), 0, 0, 0, ampere(32, 64, 2, 8, 1, none)},

	{sigattn.BackwardDKV, small, dims(96), 0, 0, 0, ampere(64, 64, 2, 4, 1, none)},
	{sigattn.BackwardDKV, small, dims(128), 0, 0, 0, ampere(32, 128, 2, 8, 1, none)},
	{sigattn.BackwardDKV, small, dims(192), 0, 0, 0, ampere(32, 64, 2, 8, 1, none)},
	{sigattn.BackwardDKV, small, dims(256), 0, 0, 0, ampere(16, 64, 2, 8, 1, none)},
	{sigattn.BackwardDKV, nil, dims(32, 64), 0, 0, 0, ampere(64, 128, 2, 4, 2, none)},
	{sigattn.BackwardDKV, nil, dims(96, 128), 0, 0, 0, ampere(64, 128, 2, 8, 1, none)},
	{sigattn.BackwardDKV, nil, dims(192), 0, 0, 0, ampere(64, 64, 2, 8, 1, none)},
	{sigattn.BackwardDKV, nil, dims(256), 0, 0, 0, ampere(32, 64, 2, 8, 1, none)},

	{sigattn.BackwardDQ, small, dims(128), 0, 0, 0, ampere(128, 32, 2, 8, 1, none)},
	{sigattn.BackwardDQ, small, dims(256), 0, 0, 0, ampere(64, 16, 2, 4, 1, none)},
	{sigattn.BackwardDQ, nil, dims(32, 64), 0, 0, 0, ampere(128, 64, 2, 4, 2, none)},
	{sigattn.BackwardDQ, nil, dims(96), 0, 0, 0, ampere(128, 64, 2, 8, 1, none)},
	{sigattn.BackwardDQ, nil, dims(128), 0, 0, 0, ampere(128, 64, 2, 4, 1, none)},
	{sigattn.BackwardDQ, nil, dims(192, 256), 0, 0, 0, ampere(64, 32, 2, 4, 1, none)},
}

// none is the pipeline of kernels that have none.
var none Pipeline

// ampere is a tile of the sm_80 family.
func ampere(m, n, stages, warps, blocks int, p Pipeline) Tile {
	return Tile{M: m, N: n, Stages: stages, Warps: warps, Blocks: blocks, Pipeline: p}
}

// warpgroups is a tile of the forward kernels of the sm_90 family.
func warpgroups(m, n, stages, qTiles int) Tile {
	return Tile{M: m, N: n, Stages: stages, Warps: hopperWarps(m), Blocks: 1, Hopper: Hopper{qTiles}}
}

// gradients is a tile of the backward kernels of the sm_90 family, whose warps follow from it by the pass: see withWarpgroups.
func gradients(m, n, stages int) Tile { return Tile{M: m, N: n, Stages: stages} }

// Of the sm_80 family, small are the architectures with 99 KB of shared memory per block, large those with more, whose
// images later devices run too.
var (
	small  = []sigattn.Arch{sigattn.SM86, sigattn.SM89}
	large  = []sigattn.Arch{sigattn.SM80}
	hopper = []sigattn.Arch{sigattn.SM90}
)

func dims(d ...int) []int { return d }

func (c choice) matches(s Spec) bool {
	return (c.pass == 0 || c.pass == s.Pass) &&
		(c.archs == nil && !isHopper(s) || slices.Contains(c.archs, s.Arch)) &&
		(c.headDims == nil || slices.Contains(c.headDims, s.HeadDim)) &&
		(c.dtype == 0 || c.dtype == s.DType) &&
		(c.mask == 0 || c.mask == s.Mask) &&
		(c.sigmoid == 0 || c.sigmoid == s.Sigmoid)
}

// Best is the tuned tile of spec, and whether there is one. For a BackwardFinish it is that of the tuned fused kernel's.
func Best(spec Spec) (Tile, bool) {
	if spec.Pass == sigattn.BackwardFinish {
		spec.Pass = sigattn.BackwardFused
		tile, ok := Best(spec)
		return finishTile(tile), ok
	}
	for _, c := range tuned {
		if c.matches(spec) {
			return c.tile.withWarpgroups(spec), true
		}
	}
	return Tile{}, false
}

// finishTile is the BackwardFinish tile that converts what kernels of tile leave: their rows, and keys it has none of.
func finishTile(tile Tile) Tile { return Tile{M: tile.M, N: 16, Stages: 1, Warps: 4, Blocks: 1} }
