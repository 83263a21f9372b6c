package gen

import (
	"cmp"
	"slices"

	"github.com/sigattn/sigattn"
)

// Request says which kernels are wanted: every combination of its lists. An empty list means DefaultRequest's.
type Request struct {
	Archs    []sigattn.Arch
	HeadDims []int // of tensors: positive multiples of 8 up to 256; the kernels are the next larger ones
	DTypes   []sigattn.DType
	Masks    []sigattn.Mask
	Sigmoids []sigattn.Sigmoid
	Passes   []sigattn.Pass

	// Tiles to make each kernel with, beside each other. A tile goes to every pass it fits; a pass that none fits, and
	// an empty list, keep the tuned tile.
	Tiles []Tile
}

// DefaultRequest is the matrix that is checked in. It leaves out σ by tanh.approx; sm_86 kernels take part only where the
// sm_80 kernel needs more shared memory than 8.6 and 8.9 have, and sm_90 kernels in the passes that their family has.
func DefaultRequest() Request {
	return Request{
		Archs:    []sigattn.Arch{sigattn.SM80, sigattn.SM86, sigattn.SM90},
		HeadDims: slices.Clone(kernelHeadDims),
		DTypes:   []sigattn.DType{sigattn.BF16, sigattn.FP16},
		Masks:    []sigattn.Mask{sigattn.Full, sigattn.Causal},
		Sigmoids: []sigattn.Sigmoid{sigattn.Accurate},
		Passes: []sigattn.Pass{
			sigattn.Forward, sigattn.ForwardSplit,
			sigattn.BackwardFused, sigattn.BackwardOrdered, sigattn.BackwardDKV, sigattn.BackwardDQ, sigattn.BackwardFinish,
		},
	}
}

// Validate is a *ValueError where the Request holds an illegal value, and a *BudgetError or *ValueError where one of
// its tiles fits no pass of some head dim that it is asked for.
func (r Request) Validate() error {
	r = r.complete()
	if err := r.checkValues(); err != nil {
		return err
	}
	return r.checkTiles()
}

func (r Request) checkValues() error {
	for _, d := range r.HeadDims {
		if err := checkHeadDim(d); err != nil {
			return err
		}
	}
	for _, t := range r.Tiles {
		if err := t.validate(true); err != nil {
			return err
		}
	}
	return cmp.Or(
		checkWords(sigattn.ParseArch, r.Archs),
		checkWords(sigattn.ParseDType, r.DTypes),
		checkWords(sigattn.ParseMask, r.Masks),
		checkWords(sigattn.ParseSigmoid, r.Sigmoids),
		checkWords(sigattn.ParsePass, r.Passes),
	)
}

// checkTiles is an error where a requested tile fits no pass of some package on any architecture that kernels exist for.
func (r Request) checkTiles() error {
	for _, tile := range r.Tiles {
		for specs := range slices.Chunk(r.specs(), len(r.Archs)*len(r.Passes)) { // one package's
			var refusal error
			fits := false
			for _, spec := range specs {
				if spec.Pass == sigattn.BackwardFinish || checkFamily(spec) != nil {
					continue
				}
				_, err := r.tiled(spec, tile)
				fits = fits || err == nil
				refusal = cmp.Or(refusal, err)
			}
			if !fits && refusal != nil {
				return refusal
			}
		}
	}
	return nil
}

// complete is r with its empty lists filled and its values ordered, without repetition.
func (r Request) complete() Request {
	d := DefaultRequest()
	r.Archs = ordered(r.Archs, d.Archs)
	r.HeadDims = ordered(r.HeadDims, d.HeadDims)
	r.DTypes = ordered(r.DTypes, d.DTypes)
	r.Masks = ordered(r.Masks, d.Masks)
	r.Sigmoids = ordered(r.Sigmoids, d.Sigmoids)
	r.Passes = ordered(r.Passes, d.Passes)
	return r
}

// ordered is a sorted copy of list, or of otherwise where list is empty.
func ordered[T cmp.Ordered](list, otherwise []T) []T {
	if len(list) == 0 {
		list = otherwise
	}
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}

// specs are the Specs of a complete, legal r: by package, then arch, then pass.
func (r Request) specs() []Spec {
	var kernels []int
	for _, d := range r.HeadDims {
		if k, err := KernelHeadDim(d); err == nil && !slices.Contains(kernels, k) {
			kernels = append(kernels, k)
		}
	}
	var specs []Spec
	for _, d := range kernels {
		for _, dtype := range r.DTypes {
			for _, mask := range r.Masks {
				for _, sigmoid := range r.Sigmoids {
					for _, arch := range r.Archs {
						for _, pass := range r.Passes {
							specs = append(specs, Spec{arch, pass, d, dtype, mask, sigmoid})
						}
					}
				}
			}
		}
	}
	return specs
}

// tiled is spec's Plan with tile, whose open fields come from the tuned table.
func (r Request) tiled(spec Spec, tile Tile) (Plan, error) {
	tile = tile.withWarpgroups(spec)
	if best, ok := Best(spec); ok {
		tile = tile.or(best)
	}
	return NewPlan(spec, tile)
}
