package gen

import (
	"errors"
	"fmt"
)

// ErrBudget is wrapped by every *BudgetError.
var ErrBudget = errors.New("over budget")

// BudgetError says what a Plan needs more of than its chip has.
type BudgetError struct {
	Spec     Spec
	Tile     Tile
	Resource string // "bytes of shared memory per block", …
	Need     int
	Limit    int
}

func (e *BudgetError) Error() string {
	return fmt.Sprintf("tile %v of %v needs %d %s; legal: up to %d", e.Tile, e.Spec, e.Need, e.Resource, e.Limit)
}

func (e *BudgetError) Unwrap() error { return ErrBudget }

// checkBudgets is a *BudgetError for the first budget of p's chip that p breaks.
//
// Shared memory is held against one block: how many blocks it lets share an SM differs between the chips that one
// image serves, and only costs speed.
func (p Plan) checkBudgets() error {
	c := chips[p.Arch]
	for _, b := range []struct {
		resource    string
		need, limit int
	}{
		{"threads per block", p.Threads, maxThreadsPerBlock},
		{"threads per SM", p.Threads * p.Blocks, c.threadsPerSM},
		{"bytes of shared memory per block", p.SharedBytes, c.sharedPerBlock},
		{"registers per thread for accumulators", accumulators(p), accumulatorLimit(p)},
	} {
		if b.need > b.limit {
			return &BudgetError{Spec: p.Spec, Tile: p.namedTile(), Resource: b.resource, Need: b.need, Limit: b.limit}
		}
	}
	return nil
}
