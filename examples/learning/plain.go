package main

import (
	"math"
	"slices"
)

// plain is attention in plain Go, in float64: O = P·V, where each row of P is a function of that of the logits S = Q·Kᵀ/√d.
type plain struct {
	shape
	weigh  func(s []float64)     // makes a row of S one of P
	derive func(dp, p []float64) // makes a row of dP one of dS
	store  func(x []float64)     // rounds what kernels keep in a short format; nil does not
}

// sigmoid is P = σ(S + bias).
func sigmoid(s shape, bias float64) *plain {
	return &plain{
		shape: s,
		weigh: func(s []float64) {
			for j, x := range s {
				s[j] = 1 / (1 + math.Exp(-x-bias))
			}
		},
		derive: func(dp, p []float64) {
			for j, w := range p {
				dp[j] *= w * (1 - w)
			}
		},
	}
}

// softmax is P = exp(S) / Σ exp(S).
func softmax(s shape) *plain {
	return &plain{
		shape: s,
		weigh: func(s []float64) {
			largest, sum := slices.Max(s), 0.0
			for j, x := range s {
				s[j] = math.Exp(x - largest)
				sum += s[j]
			}
			for j := range s {
				s[j] /= sum
			}
		},
		derive: func(dp, p []float64) {
			mean := 0.0
			for j, w := range p {
				mean += w * dp[j]
			}
			for j, w := range p {
				dp[j] = w * (dp[j] - mean)
			}
		},
	}
}

func (a *plain) forward(q, k, v []float64) ([]float64, error) {
	q, k, v = a.stored(q), a.stored(k), a.stored(v)
	o := make([]float64, len(q))
	parallel(a.batch*a.heads, func(i int) {
		p := a.weights(a.head(q, i), a.head(k, i))
		p.data = a.stored(p.data)
		addProduct(a.head(o, i), p, a.head(v, i))
	})
	return a.stored(o), nil
}

func (a *plain) backward(q, k, v, do []float64) (dq, dk, dv []float64, err error) {
	q, k, v, do = a.stored(q), a.stored(k), a.stored(v), a.stored(do)
	dq, dk, dv = make([]float64, len(q)), make([]float64, len(k)), make([]float64, len(v))
	parallel(a.batch*a.heads, func(i int) {
		q, k, do := a.head(q, i), a.head(k, i), a.head(do, i)
		p, ds := a.weights(q, k), newMatrix(a.length, a.length)
		addProduct(ds, do, a.head(v, i).transposed()) // dP
		for r := range ds.rows {
			a.derive(ds.row(r), p.row(r))
		}
		p.data, ds.data = a.stored(p.data), a.stored(ds.data)
		a.scale(ds)
		addProduct(a.head(dq, i), ds, k)
		addProduct(a.head(dk, i), ds.transposed(), q)
		addProduct(a.head(dv, i), p.transposed(), do)
	})
	return a.stored(dq), a.stored(dk), a.stored(dv), nil
}

// weights is P, [queries × keys].
func (a *plain) weights(q, k matrix) matrix {
	p := newMatrix(q.rows, k.rows)
	addProduct(p, q, k.transposed())
	a.scale(p)
	for r := range p.rows {
		a.weigh(p.row(r))
	}
	return p
}

func (a *plain) scale(s matrix) {
	for i := range s.data {
		s.data[i] /= math.Sqrt(float64(a.headDim))
	}
}

// head is one head of one batch entry, [length × headDim].
func (a *plain) head(x []float64, i int) matrix {
	b, h := i/a.heads, i%a.heads
	return matrix{a.length, a.headDim, a.width(), x[b*a.length*a.width()+h*a.headDim:]}
}

func (a *plain) stored(x []float64) []float64 {
	if a.store == nil {
		return x
	}
	x = slices.Clone(x)
	a.store(x)
	return x
}
