package verify

import (
	"fmt"
	"slices"

	"github.com/sigattn/sigattn"
)

// Case is one set of inputs that a package's kernels run on, forward and backward.
type Case struct {
	Name string `json:"name"`
	Shape
	Layout Layout `json:"layout"`
	Inputs Kind   `json:"inputs"`

	Scale     float32 `json:"scale,omitempty"` // 0 is the default, 1/√head dim
	FixedBias bool    `json:"fixed_bias,omitempty"`
	Bias      float32 `json:"bias,omitempty"`     // where fixed; else −ln SeqLenK
	NoDBias   bool    `json:"no_dbias,omitempty"` // no bias gradient is asked for

	Sample  int  `json:"sample,omitempty"`  // rows compared of each output, chosen at random; 0 is all
	Repeat  int  `json:"repeat,omitempty"`  // launches that must give equal bits, where the mode promises it
	Beside  bool `json:"beside,omitempty"`  // other launches on a second stream meanwhile
	Capture bool `json:"capture,omitempty"` // replayed from a captured graph

	Seed uint64 `json:"seed"`
}

// Mode is a way to run a package's kernels.
type Mode string

// Modes.
const (
	Forward       Mode = "forward"
	Backward      Mode = "backward"      // fast
	Deterministic Mode = "deterministic" // backward
)

// bitEqual reports whether equal inputs give equal bits in every output.
func (m Mode) bitEqual() bool { return m != Backward }

// passes are the kernels that a mode runs: those of one of these sets.
func (m Mode) passes() [][]sigattn.Pass {
	switch m {
	case Forward:
		return [][]sigattn.Pass{{sigattn.Forward}}
	case Backward:
		return [][]sigattn.Pass{{sigattn.BackwardFused, sigattn.BackwardFinish}}
	}
	return [][]sigattn.Pass{
		{sigattn.BackwardOrdered, sigattn.BackwardFinish},
		{sigattn.BackwardDKV, sigattn.BackwardDQ, sigattn.BackwardFinish},
	}
}

// outputs are the tensors that a mode writes.
func (m Mode) outputs() []role {
	if m == Forward {
		return []role{roleO}
	}
	return []role{roleDQ, roleDK, roleDV}
}

// modesOf lists the modes that the loaded images serve.
func modesOf(info sigattn.Info) []Mode {
	has := make(map[sigattn.Pass]bool)
	for _, i := range info.Images {
		has[i.Pass] = true
	}
	lacks := func(p sigattn.Pass) bool { return !has[p] }
	whole := func(passes []sigattn.Pass) bool { return !slices.ContainsFunc(passes, lacks) }
	var modes []Mode
	for _, m := range []Mode{Forward, Backward, Deterministic} {
		if slices.ContainsFunc(m.passes(), whole) {
			modes = append(modes, m)
		}
	}
	return modes
}

// biasArgument is the case's bias as launches take it.
func (c Case) biasArgument() sigattn.Bias {
	if c.FixedBias {
		return sigattn.FixedBias(c.Bias)
	}
	return sigattn.Bias{}
}

// problem makes the case's inputs for a package.
func (c Case) problem(p *sigattn.Package, backward bool, on *pool) (*problem, error) {
	f := storageOf(p.DType)
	if f == nil || p.Mask != sigattn.Full && p.Mask != sigattn.Causal {
		return nil, fmt.Errorf("%w: package %s has dtype %v and mask %v", ErrOption, p.Name, p.DType, p.Mask)
	}
	x := &problem{
		Shape: c.Shape, storage: f, mask: p.Mask, sigmoid: sigmoidErrorOf(p.Sigmoid, p.DType),
		scale: defaultScale(c.Shape), bias: defaultBias(c.Shape),
		inputs: generate(c.Inputs, c.Shape, f, p.Mask, c.Seed, on),
	}
	if c.Scale != 0 {
		x.scale = float64(c.Scale)
	}
	if c.FixedBias {
		x.bias = float64(c.Bias)
	}
	if c.Layout == Broadcast {
		repeatBatch(x.inputs.k)
		repeatBatch(x.inputs.v)
	}
	if !backward {
		x.inputs.dO = nil
	}
	return x, nil
}

// repeatBatch gives every batch entry the first one's values.
func repeatBatch(t *tensor) {
	n := t.seqLen * t.heads * t.headDim
	for b := 1; b < t.batch; b++ {
		copy(t.bits[b*n:], t.bits[:n])
	}
}

// wanted says which rows of the case are compared, and whether its bias gradient can be.
func (c Case) wanted(p *problem) wanted {
	w := wanted{allRows(p.newQ()), allRows(p.newK()), !c.NoDBias}
	if c.Sample > 0 {
		w.queries, w.keys = sampledRows(p.newQ(), c.Sample, c.Seed), sampledRows(p.newK(), c.Sample, c.Seed)
		w.dBias = w.dBias && p.inputs.period > 0
	}
	return w
}
