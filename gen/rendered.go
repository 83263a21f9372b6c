package gen

// kernel is a Plan and its source.
type kernel struct {
	plan   Plan
	source []byte
}

// renderedPackage is a package whose kernels are rendered.
type renderedPackage struct {
	PackagePlan
	kernels []kernel // in the order of Plans
}

// carriesPTX says whether the package's archive holds PTX of the plan beside its cubin: for later chips where it is the
// lowest of its pass, and of sm_90, whose PTX serves no other chip, for the emulator.
func (p renderedPackage) carriesPTX(plan Plan) bool {
	return plan.Arch == p.lowest(plan.Pass) || isHopper(plan.Spec)
}

// file is a file's name and contents.
type file struct {
	name string
	data []byte
}
