package gen

// Plan says how a Spec runs: the Tile and all that follows from it.
type Plan struct {
	Spec
	Tile
	Threads       int // per block
	SharedBytes   int // dynamic, per block
	RegisterLimit int // per thread, from Threads and Blocks
}

// NewPlan is spec run with tile, whose Pipeline or Hopper may be left to the tuned table. The error is a *ValueError where either has
// no legal value, a *BudgetError where the chip has too little of something, and wraps ErrCulled where there is no such kernel.
func NewPlan(spec Spec, tile Tile) (Plan, error) {
	if err := spec.Validate(); err != nil {
		return Plan{}, err
	}
	if err := tile.validate(false); err != nil {
		return Plan{}, err
	}
	tile = tile.withPipeline(spec).withHopper(spec)
	if err := checkShape(spec, tile); err != nil {
		return Plan{}, err
	}
	p := Plan{Spec: spec, Tile: tile, Threads: 32 * tile.Warps}
	p.SharedBytes = sharedBytes(p)
	p.RegisterLimit = registerLimit(p)
	if err := p.checkBudgets(); err != nil {
		return Plan{}, err
	}
	return p, nil
}
