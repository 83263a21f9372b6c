package gen

import "github.com/sigattn/sigattn"

// elementBytes is the size of bf16 and fp16.
const elementBytes = 2

// floatBytes is the size of a float32.
const floatBytes = 4

// sharedBytes is the dynamic shared memory of p's block, in bytes. Each pass's formula mirrors its template's layout,
// which static_asserts it. Kernel authors keep them alike.
func sharedBytes(p Plan) int {
	switch {
	case isHopper(p.Spec) && isForward(p.Spec):
		return hopperSharedBytes(p)
	case isWide(p.Spec):
		return wideSharedBytes(p)
	case isFused(p.Spec):
		return hopperBackwardSharedBytes(p)
	case isHopperDQ(p.Spec):
		return hopperDQSharedBytes(p)
	}
	switch p.Pass {
	case sigattn.Forward:
		return forwardSharedBytes(p)
	case sigattn.BackwardFused, sigattn.BackwardDKV:
		return backwardSharedBytes(p)
	case sigattn.BackwardDQ:
		return backwardDQSharedBytes(p)
	default:
		return 0
	}
}

// forwardSharedBytes: the Q tile, and a ring of Stages tiles of K and of V. Where that is more than the chip has and all of
// Q stays in registers, Q leaves its place to the ring.
func forwardSharedBytes(p Plan) int {
	row := p.HeadDim * elementBytes
	q, ring := p.M*row, 2*p.Stages*p.N*row
	if q+ring > chips[p.Arch].sharedPerBlock && p.Resident == p.HeadDim/16 && q <= ring {
		return ring
	}
	return q + ring
}

// backwardSharedBytes: the K tile; the V tile, whose place the exchange takes later: two tiles of dS, and one of P (1 - P)
// where warps work in pairs; a ring of Stages tiles of Q and of dO; the block's task; and a float per warp.
func backwardSharedBytes(p Plan) int {
	const task = 80
	tile := p.N * p.HeadDim * elementBytes
	exchange, shares := 0, 0
	if p.Pass == sigattn.BackwardFused {
		exchange += 2 * p.M * p.N * elementBytes
		shares = p.Warps * floatBytes
	}
	if p.HeadDim > 64 {
		exchange += p.M * p.N * floatBytes
	}
	return tile + max(tile, exchange) + 2*p.Stages*p.M*p.HeadDim*elementBytes + task + shares
}

// backwardDQSharedBytes: the Q and dO tiles, a ring of Stages tiles of K and of V, and a float per warp.
func backwardDQSharedBytes(p Plan) int {
	return (2*p.M+2*p.Stages*p.N)*p.HeadDim*elementBytes + p.Warps*floatBytes
}
