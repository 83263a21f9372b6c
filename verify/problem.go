package verify

import (
	"math"

	"github.com/sigattn/sigattn"
)

// Shape is the size of one launch. HeadsKV divides HeadsQ.
type Shape struct {
	Batch   int `json:"batch"`
	HeadsQ  int `json:"heads_q"`
	HeadsKV int `json:"heads_kv"`
	SeqLenQ int `json:"seq_len_q"`
	SeqLenK int `json:"seq_len_k"`
	HeadDim int `json:"head_dim"`
}

// group is how many query heads share one KV head.
func (s Shape) group() int { return s.HeadsQ / s.HeadsKV }

// problem is what the reference computes: O = σ(scale·Q·Kᵀ + bias)·V and its gradients.
type problem struct {
	Shape
	storage *storage
	mask    sigattn.Mask
	sigmoid sigmoidError
	scale   float64
	bias    float64
	inputs  inputs
}

// inputs are the tensors of a problem. dO is nil where no gradient is wanted.
type inputs struct {
	q, k, v, dO *tensor
	period      int // where positive, rows of every tensor repeat along the sequence with this period
}

// sigmoidError is what a sigmoid mode is documented to add to P: at most relative·P + absolute.
type sigmoidError struct{ relative, absolute float64 }

// sigmoidErrorOf gives design.md's bounds for the accurate mode, and for tanh the largest absolute error that
// measurements.md records for tanh.approx at any σ, rounded up.
func sigmoidErrorOf(s sigattn.Sigmoid, d sigattn.DType) sigmoidError {
	e := sigmoidError{relative: 5e-4}
	if d == sigattn.FP16 {
		e.relative = 1e-4
	}
	if s == sigattn.Tanh {
		e.absolute = 1e-6
	}
	return e
}

// defaultScale and defaultBias are what the zero values of a launch's arguments mean.
func defaultScale(s Shape) float64 { return 1 / math.Sqrt(float64(s.HeadDim)) }
func defaultBias(s Shape) float64  { return -math.Log(float64(max(s.SeqLenK, 1))) }

// keysOf is the half-open range of keys that query i sees.
func (p *problem) keysOf(i int) (from, to int) {
	if p.mask == sigattn.Causal {
		return 0, min(max(i+p.SeqLenK-p.SeqLenQ+1, 0), p.SeqLenK)
	}
	return 0, p.SeqLenK
}

// queriesOf is the half-open range of queries that see key j.
func (p *problem) queriesOf(j int) (from, to int) {
	if p.mask == sigattn.Causal {
		return min(max(j-p.SeqLenK+p.SeqLenQ, 0), p.SeqLenQ), p.SeqLenQ
	}
	return 0, p.SeqLenQ
}

// tensor is host memory shaped [batch, sequence, heads, head dim], dense, in a storage format.
type tensor struct {
	batch, seqLen, heads, headDim int
	bits                          []uint16
}

func newTensor(batch, seqLen, heads, headDim int) *tensor {
	return &tensor{batch, seqLen, heads, headDim, make([]uint16, batch*seqLen*heads*headDim)}
}

// newQ and newK shape a tensor as Q (O, dO, dQ) and as K (V, dK, dV).
func (s Shape) newQ() *tensor { return newTensor(s.Batch, s.SeqLenQ, s.HeadsQ, s.HeadDim) }
func (s Shape) newK() *tensor { return newTensor(s.Batch, s.SeqLenK, s.HeadsKV, s.HeadDim) }

// row is one vector of the tensor.
func (t *tensor) row(r rowIndex) []uint16 {
	at := ((r.batch*t.seqLen+r.seq)*t.heads + r.head) * t.headDim
	return t.bits[at : at+t.headDim : at+t.headDim]
}

// rowIndex says where a row lies in a tensor.
type rowIndex struct{ batch, seq, head int }
