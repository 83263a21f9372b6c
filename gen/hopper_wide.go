package gen

import "github.com/sigattn/sigattn"

// isWide says whether spec's kernel is sm_90's dK-dV kernel beyond maxFusedHeadDim, where dK and dV of the same 64 keys take a
// consumer warpgroup each.
func isWide(spec Spec) bool {
	return isHopper(spec) && spec.Pass == sigattn.BackwardDKV && spec.HeadDim > maxFusedHeadDim
}

// wideHopper is a tile of those kernels.
func wideHopper(m, n, stages int) Tile {
	return Tile{M: m, N: n, Stages: stages, Warps: hopperWarps(2 * n), Blocks: 1}
}

// wideAccumulators: dK or dV, dP or S, and dS or P packed.
func wideAccumulators(p Plan) int { return p.HeadDim/2 + p.M/2 + p.M/4 }

// wideSharedBytes: K and V, a ring of Stages tiles of Q and one of dO, two tiles of slopes, barriers and flags, and room to align
// the first to the 1024 bytes in which TMA's swizzle repeats.
func wideSharedBytes(p Plan) int {
	const barriers, alignment = 1024, 1024
	return 2*(p.N+p.Stages*p.M)*p.HeadDim*elementBytes + 2*p.M*p.N*floatBytes + barriers + alignment
}
