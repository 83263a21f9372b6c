package gen

import "github.com/sigattn/sigattn"

// registerLimit is what __launch_bounds__(Threads, Blocks) leaves each thread. Registers are given out 8 at a time.
func registerLimit(p Plan) int {
	return min(maxRegisters, registersPerSM/(p.Threads*p.Blocks)&^7)
}

// accumulators is how many float32 accumulators each thread holds through the main loop: a lower bound of its
// registers, there to refuse a hopeless tile before ptxas spills it. Kernel authors keep it true.
func accumulators(p Plan) int {
	switch {
	case isHopper(p.Spec) && isForward(p.Spec):
		return hopperAccumulators(p)
	case isWide(p.Spec):
		return wideAccumulators(p)
	case isFused(p.Spec):
		return hopperBackwardAccumulators(p)
	case isHopperDQ(p.Spec):
		return hopperDQAccumulators(p)
	}
	switch p.Pass {
	case sigattn.Forward, sigattn.BackwardDQ: // O or dQ
		return p.M * p.HeadDim / p.Threads
	case sigattn.BackwardFused, sigattn.BackwardDKV: // dK and dV
		return 2 * p.N * p.HeadDim / p.Threads
	default:
		return 0
	}
}

// accumulatorLimit is how many registers accumulators may take.
func accumulatorLimit(p Plan) int {
	if isHopper(p.Spec) { // registers move from the producer to the consumers
		return consumerRegisters[p.consumers(p.Spec)] - spareRegisters
	}
	return p.RegisterLimit
}
