package bench

import (
	"cmp"
	"fmt"
	"math"

	"github.com/sigattn/sigattn"
)

// Pass is what one measurement times.
type Pass string

// Passes.
const (
	Forward               Pass = "fwd"
	Backward              Pass = "bwd"
	BackwardDeterministic Pass = "bwd-det" // equal inputs give equal bits
	Step                  Pass = "step"    // of training: a forward, and the backward behind it
)

// Passes lists every Pass, in the order of a report.
func Passes() []Pass { return []Pass{Forward, Backward, BackwardDeterministic, Step} }

// Shape is one attention problem, and the pass that is timed on it.
type Shape struct {
	Pass    Pass
	DType   sigattn.DType
	Mask    sigattn.Mask
	Batch   int
	HeadsQ  int
	HeadsKV int
	SeqLen  int // of keys
	Queries int // of each sequence, its last ones; 0 stands for SeqLen
	HeadDim int

	LogitStd float64 // standard deviation of Scale·Q·Kᵀ for Q and K of N(0,1); 0 stands for 1
}

// Scale is that of the logits.
func (s Shape) Scale() float64 { return cmp.Or(s.LogitStd, 1) / math.Sqrt(float64(s.HeadDim)) }

// SeqLenQ is the number of queries of each sequence.
func (s Shape) SeqLenQ() int { return cmp.Or(s.Queries, s.SeqLen) }

// backwardShare is the work of a backward pass over that of a forward pass: five products where the forward has two.
const backwardShare = 2.5

// FLOPs counts the floating-point operations of one run by the field's convention: 4·B·H·T²·d for the forward, 2.5
// times that for the backward, the sum for a step, and half where the mask is causal. Fewer queries than keys see T·Tq pairs
// instead of T², and under a causal mask Tq²/2 less.
func (s Shape) FLOPs() float64 {
	queries := float64(s.SeqLenQ())
	pairs := queries * float64(s.SeqLen)
	if s.Mask == sigattn.Causal {
		pairs -= queries * queries / 2
	}
	flops := 4 * float64(s.Batch) * float64(s.HeadsQ) * pairs * float64(s.HeadDim)
	return s.sum(flops, backwardShare*flops)
}

// Bytes counts what one run must at least read and write: Q, K, V and O once, and for the backward Q, K, V, dO, dQ, dK
// and dV once; for a step both.
func (s Shape) Bytes() float64 {
	const elementBytes = 2
	q, kv := float64(s.queryElements()), float64(s.keyElements())
	return s.sum(elementBytes*(2*q+2*kv), elementBytes*(3*q+4*kv))
}

// sum is the shape's share of what a forward and what a backward pass comes to.
func (s Shape) sum(forward, backward float64) float64 {
	switch s.Pass {
	case Forward:
		return forward
	case Step:
		return forward + backward
	default:
		return backward
	}
}

func (s Shape) queryElements() int { return s.Batch * s.SeqLenQ() * s.HeadsQ * s.HeadDim }

func (s Shape) keyElements() int { return s.Batch * s.SeqLen * s.HeadsKV * s.HeadDim }

// String is the shape's name in reports: its parts as Go sub-benchmarks write them.
func (s Shape) String() string {
	name := fmt.Sprintf("pass=%s/dtype=%v/mask=%v/d=%d/t=%d/b=%d/h=%d/hkv=%d",
		s.Pass, s.DType, s.Mask, s.HeadDim, s.SeqLen, s.Batch, s.HeadsQ, s.HeadsKV)
	if s.Queries != 0 {
		name += fmt.Sprintf("/q=%d", s.Queries)
	}
	if s.LogitStd != 0 {
		name += fmt.Sprintf("/std=%v", s.LogitStd)
	}
	return name
}

// Request is a set of shapes: every combination of its lists.
type Request struct {
	Passes   []Pass
	DTypes   []sigattn.DType
	Masks    []sigattn.Mask
	HeadDims []int
	SeqLens  []int
	Queries  int // of each sequence; 0 stands for as many as keys, as does a number that is larger
	Tokens   int // Batch·SeqLen of each shape, rounded down to whole sequences, at least one
	Width    int // HeadsQ·HeadDim of each shape, rounded down to whole heads, at least one group
	Group    int // query heads per KV head

	LogitStd float64 // standard deviation of the logits; 0 stands for 1
}

// DefaultRequest is the comparison that the project's speed figures are made of.
func DefaultRequest() Request {
	return Request{
		Passes:   []Pass{Forward, Backward},
		DTypes:   []sigattn.DType{sigattn.BF16},
		Masks:    []sigattn.Mask{sigattn.Full, sigattn.Causal},
		HeadDims: []int{64, 128},
		SeqLens:  []int{2048, 4096, 8192, 16384},
		Tokens:   16384,
		Width:    2048,
		Group:    1,
	}
}

// Shapes expands the request, sequence length varying fastest.
func (r Request) Shapes() []Shape {
	var shapes []Shape
	for _, pass := range r.Passes {
		for _, dtype := range r.DTypes {
			for _, headDim := range r.HeadDims {
				for _, mask := range r.Masks {
					for _, seqLen := range r.SeqLens {
						groups := max(1, r.Width/(headDim*r.Group))
						queries := r.Queries
						if queries >= seqLen {
							queries = 0
						}
						shapes = append(shapes, Shape{
							Pass: pass, DType: dtype, Mask: mask,
							Batch: max(1, r.Tokens/seqLen), SeqLen: seqLen, Queries: queries,
							HeadsQ: groups * r.Group, HeadsKV: groups, HeadDim: headDim,
							LogitStd: r.LogitStd,
						})
					}
				}
			}
		}
	}
	return shapes
}
