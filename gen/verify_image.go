package gen

import (
	"errors"
	"fmt"
)

// ErrImage is wrapped by errors about what a Compiler returned, other than *BudgetError.
var ErrImage = errors.New("bad image")

// verifyImage is an error where image is not k's, or breaks the Plan's budgets. ptx says whether it must hold PTX.
func verifyImage(p Plan, image Image, ptx bool) error {
	switch {
	case image.Kernel != p.Name():
		return fmt.Errorf("%w: %q in the place of %q", ErrImage, image.Kernel, p.Name())
	case len(image.Cubin) == 0:
		return fmt.Errorf("%w: %s has no cubin", ErrImage, p.Name())
	case ptx && len(image.PTX) == 0:
		return fmt.Errorf("%w: %s has no PTX", ErrImage, p.Name())
	}
	r := image.Report
	for _, b := range []struct {
		resource    string
		need, limit int
	}{
		{"registers per thread", r.Registers, p.RegisterLimit},
		{"bytes of spilled registers per thread", r.SpillStoreBytes + r.SpillLoadBytes, 0},
		{"bytes of local memory per thread", r.StackBytes, 0}, // of arrays that registers cannot hold
		{"bytes of shared memory per block, static and dynamic", r.StaticSharedBytes + p.SharedBytes, chips[p.Arch].sharedPerBlock},
	} {
		if b.need > b.limit {
			return &BudgetError{Spec: p.Spec, Tile: p.namedTile(), Resource: b.resource, Need: b.need, Limit: b.limit}
		}
	}
	return nil
}
