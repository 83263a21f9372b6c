package gen

import (
	"errors"
	"fmt"

	"github.com/sigattn/sigattn"
)

// ErrCulled is wrapped by the reasons for which a legal Spec has no kernel, other than a *BudgetError.
var ErrCulled = errors.New("culled")

// Culled is a Spec that no kernel was planned for with Tile, and why.
type Culled struct {
	Spec   Spec
	Tile   Tile  // zero where none was tried
	Reason error // wraps ErrBudget, ErrValue or ErrCulled
}

// cullError is a reason in words.
type cullError string

func (e cullError) Error() string { return string(e) }
func (e cullError) Unwrap() error { return ErrCulled }

func culledf(format string, args ...any) error { return cullError(fmt.Sprintf(format, args...)) }

// checkFamily is the reason where spec's architecture has no kernel.
func checkFamily(spec Spec) error {
	if isHopper(spec) && spec.Pass == sigattn.BackwardFused && spec.HeadDim > maxFusedHeadDim {
		return culledf("%s has no fused kernels beyond head dim %d; those of dK and dV and of dQ serve it", spec.Arch, maxFusedHeadDim)
	}
	if spec.Pass == sigattn.ForwardSplit && !isHopper(spec) {
		return culledf("%s has no clusters, whose blocks would split keys", spec.Arch)
	}
	return nil
}
