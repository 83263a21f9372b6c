package gen

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sigattn/sigattn"
)

// namePrefix begins every kernel's name.
const namePrefix = "sigattn_"

// ErrKernelName is wrapped by ParseName's errors.
var ErrKernelName = errors.New("not a kernel name")

// Name is the kernel's symbol, the stem of its files and archive entries and the readable part of every key:
// "sigattn_fwd_sm80_d128_bf16_causal_128x64x2w4b2". ParseName reads it back; no two Plans share one.
func (p Plan) Name() string { return namePrefix + p.Spec.String() + "_" + p.namedTile().String() }

// namedTile is p's tile as names and commands write it: without the pipeline where it is the tuned one.
func (p Plan) namedTile() Tile { return p.Tile.withoutTunedPipeline(p.Spec) }

// ParseName is the Plan that name names. The error is a *ValueError, a *BudgetError or one that wraps ErrKernelName.
func ParseName(name string) (Plan, error) {
	fields := strings.Split(strings.TrimPrefix(name, namePrefix), "_")
	if !strings.HasPrefix(name, namePrefix) || len(fields) < 6 || len(fields) > 7 || !strings.HasPrefix(fields[2], "d") {
		return Plan{}, fmt.Errorf("%w: %q; legal: %s", ErrKernelName, name, "sigattn_PASS_ARCH_dDIM_DTYPE_MASK[_tanh]_MxNxSTAGESwWARPS[bBLOCKS][gGROUPqRESIDENT[p]|tQTILES]")
	}
	spec := Spec{Sigmoid: sigattn.Accurate}
	var err error
	if spec.Pass, err = sigattn.ParsePass(fields[0]); err != nil {
		return Plan{}, err
	}
	if spec.Arch, err = sigattn.ParseArch(strings.Replace(fields[1], "sm", "sm_", 1)); err != nil {
		return Plan{}, err
	}
	if spec.HeadDim, err = ParseHeadDim(fields[2][1:]); err != nil {
		return Plan{}, err
	}
	if spec.DType, err = sigattn.ParseDType(fields[3]); err != nil {
		return Plan{}, err
	}
	if spec.Mask, err = sigattn.ParseMask(fields[4]); err != nil {
		return Plan{}, err
	}
	if len(fields) == 7 {
		if spec.Sigmoid, err = sigattn.ParseSigmoid(fields[5]); err != nil {
			return Plan{}, err
		}
	}
	tile, err := ParseTile(fields[len(fields)-1])
	if err != nil {
		return Plan{}, err
	}
	plan, err := NewPlan(spec, tile)
	if err != nil {
		return Plan{}, err
	}
	if plan.Name() != name {
		return Plan{}, fmt.Errorf("%w: %q; its canonical form is %q", ErrKernelName, name, plan.Name())
	}
	return plan, nil
}

// archInName is the arch without the underscore that separates a name's fields.
func archInName(a sigattn.Arch) string { return strings.Replace(a.String(), "_", "", 1) }
