package gen

import "github.com/sigattn/sigattn"

// isWide says whether spec's kernel is sm_90's dK-dV kernel beyond maxFusedHeadDim, where dK and dV of the same 64 keys take a
// consumer warpgroup each.
func isWide(spec Spec) bool {
	return isHopper(spec) && spec.Pass == sigattn.BackwardDKV && spec.HeadDim > maxFusedHeadDim
}

// wideAccumulators: dK or dV, dP or S, and dS or P packed.
func wideAccumulators(p Plan) int { return p.HeadDim/2 + p.M/2 + p.M/4 }

// wideSharedBytes: rings of Stages tiles of Q and of wideGradientStages of dO, what of K and V does not stay in registers, two tiles of
// slopes, barriers and flags, and room to align the first to the 1024 bytes in which TMA's swizzle repeats.
func wideSharedBytes(p Plan) int {
	const barriers, alignment = 1024, 1024
	ring := (p.Stages + wideGradientStages(p)) * p.M * p.HeadDim
	kept := 2 * p.N * (p.HeadDim - wideResident(p.Spec))
	return (ring+kept)*elementBytes + 2*p.M*p.N*floatBytes + barriers + alignment
}

// wideResident is how many columns of K and of V stay in registers: RESIDENT_STEPS of the template.
func wideResident(spec Spec) int {
	if spec.HeadDim == 192 {
		return 192
	}
	return 128
}

// wideGradientStages is DO_STAGES of the template, the tiles of dO in flight.
func wideGradientStages(p Plan) int { return p.Stages - wideFewerGradients(p.Spec) }

// wideFewerGradients is by how much they are fewer than those of Q: one where K and V together lend a place only to Q.
func wideFewerGradients(spec Spec) int {
	if spec.HeadDim == 192 {
		return 0
	}
	return 1
}
