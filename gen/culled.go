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
	separate := spec.Pass == sigattn.BackwardDKV || spec.Pass == sigattn.BackwardDQ
	switch {
	case !isHopper(spec) && spec.Pass == sigattn.BackwardOrdered:
		return culledf("%s has none; the kernels of dK and dV and of dQ serve it", spec.Arch)
	case isFused(spec) && spec.HeadDim > maxFusedHeadDim:
		return culledf("%s has no fused kernels beyond head dim %d; those of dK and dV and of dQ serve it", spec.Arch, maxFusedHeadDim)
	case isHopper(spec) && separate && spec.HeadDim <= maxFusedHeadDim:
		return culledf("the fused kernels of %s serve it up to head dim %d", spec.Arch, maxFusedHeadDim)
	case spec.Pass == sigattn.ForwardSplit && !isHopper(spec):
		return culledf("%s has no clusters, whose blocks would split keys", spec.Arch)
	case spec.Pass == sigattn.BackwardOrdered && spec.Sigmoid == sigattn.Tanh && spec.HeadDim == maxFusedHeadDim && spec.Mask == sigattn.Full:
		return culledf("it would spill at head dim %d; the kernels of sm_80 serve it", spec.HeadDim)
	}
	return nil
}
