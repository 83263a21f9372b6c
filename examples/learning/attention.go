package main

// shape is that of Q, K, V and O, dense tensors [batch, length, heads, headDim].
type shape struct{ batch, length, heads, headDim int }

func (s shape) width() int { return s.heads * s.headDim }

// attention is O of Q, K and V, and their gradients from dO. Nothing is saved between the passes.
type attention interface {
	forward(q, k, v []float64) (o []float64, err error)
	backward(q, k, v, do []float64) (dq, dk, dv []float64, err error)
}
