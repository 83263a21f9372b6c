package gen

import (
	"fmt"
	"slices"

	"github.com/sigattn/sigattn"
)

// PackagePlan is the kernels of one Go package: one head dim, storage type, mask and sigmoid, with every pass and arch.
type PackagePlan struct {
	HeadDim int
	DType   sigattn.DType
	Mask    sigattn.Mask
	Sigmoid sigattn.Sigmoid
	Plans   []Plan // by pass, then arch, then as requested
}

// Name is the Go package's: "d128bf16causal", or with "tanh" behind it.
func (p PackagePlan) Name() string {
	name := fmt.Sprintf("d%d%s%s", p.HeadDim, p.DType, p.Mask)
	if p.Sigmoid != sigattn.Accurate {
		name += p.Sigmoid.String()
	}
	return name
}

// has says whether p has a kernel of some pass.
func (p PackagePlan) has(pass sigattn.Pass) bool {
	return slices.ContainsFunc(p.Plans, func(plan Plan) bool { return plan.Pass == pass })
}

// lowest is the lowest architecture among p's kernels of a pass: the one whose PTX serves later chips.
func (p PackagePlan) lowest(pass sigattn.Pass) sigattn.Arch {
	var lowest sigattn.Arch
	for _, plan := range p.Plans {
		if plan.Pass == pass && (lowest == 0 || plan.Arch < lowest) {
			lowest = plan.Arch
		}
	}
	return lowest
}

// Packages groups plans by package, ordered by head dim, storage type, mask and sigmoid.
func Packages(plans []Plan) []PackagePlan {
	var packages []PackagePlan
	for _, plan := range plans {
		i := slices.IndexFunc(packages, func(p PackagePlan) bool {
			return p.HeadDim == plan.HeadDim && p.DType == plan.DType && p.Mask == plan.Mask && p.Sigmoid == plan.Sigmoid
		})
		if i < 0 {
			i = len(packages)
			packages = append(packages, PackagePlan{HeadDim: plan.HeadDim, DType: plan.DType, Mask: plan.Mask, Sigmoid: plan.Sigmoid})
		}
		packages[i].Plans = append(packages[i].Plans, plan)
	}
	slices.SortStableFunc(packages, func(a, b PackagePlan) int {
		return slices.Compare([]int{a.HeadDim, int(a.DType), int(a.Mask), int(a.Sigmoid)}, []int{b.HeadDim, int(b.DType), int(b.Mask), int(b.Sigmoid)})
	})
	for _, p := range packages {
		slices.SortStableFunc(p.Plans, func(a, b Plan) int {
			return slices.Compare([]int{int(a.Pass), int(a.Arch)}, []int{int(b.Pass), int(b.Arch)})
		})
	}
	return packages
}
