package main

import (
	"math"
	"math/rand/v2"

	"github.com/sigattn/sigattn/examples/device"
)

// The problem: pairs of query heads share a head of keys and values.
const batch, seqLen, headsQ, headsKV, headDim = 2, 96, 4, 2, 64

// The parts of parameters.
const (
	queries = iota
	keys
	values
	bias
	parts
)

// parameters are what is trained, or its gradient: Q, K and V as dense tensors [batch, seqLen, heads, headDim], and the bias
// that every logit has.
type parameters [parts][]float32

// newParameters draws Q, K and V from N(0,1); the bias is −ln(seqLen).
func newParameters(seed uint64) parameters {
	r := rand.New(rand.NewPCG(seed, 0))
	var p parameters
	for part, heads := range []int{headsQ, headsKV, headsKV} {
		p[part] = make([]float32, batch*seqLen*heads*headDim)
		for i := range p[part] {
			p[part][i] = float32(r.NormFloat64())
		}
	}
	p[bias] = []float32{float32(-math.Log(seqLen))}
	return p
}

// round brings Q, K and V to what the GPU stores.
func (p parameters) round() {
	for _, t := range p[:bias] {
		device.RoundBF16(t)
	}
}

// descend moves the parameters against the gradient.
func (p parameters) descend(gradient parameters, rate float32) {
	for part, t := range p {
		if part == bias {
			rate /= batch * seqLen * headsQ // its gradient is a sum over all rows
		}
		for i := range t {
			t[i] -= rate * gradient[part][i]
		}
	}
}
