package main

import (
	"fmt"
	"math"
)

// attend is O = σ(Q·Kᵀ/√d + bias)·V under the causal mask, in float64, [batch, seqLen, headsQ, headDim].
func attend(p [parts][]float64) []float64 {
	o := make([]float64, batch*seqLen*headsQ*headDim)
	for b := range batch {
		for h := range headsQ {
			for i := range seqLen {
				query, out := row(p[queries], headsQ, b, i, h), row(o, headsQ, b, i, h)
				for j := range i + 1 {
					kvHead := h / (headsQ / headsKV)
					w := sigmoid(dot(query, row(p[keys], headsKV, b, j, kvHead))/math.Sqrt(headDim) + p[bias][0])
					for c, v := range row(p[values], headsKV, b, j, kvHead) {
						out[c] += w * v
					}
				}
			}
		}
	}
	return o
}

// loss is ½·‖O − target‖².
func loss(o, target []float64) float64 {
	sum := 0.0
	for i := range o {
		sum += (o[i] - target[i]) * (o[i] - target[i]) / 2
	}
	return sum
}

// checkGradient moves each part of p a little along its own gradient, both ways: the loss must change by ‖gradient‖² times
// the distance.
func checkGradient(p, gradient parameters, target []float64) error {
	for part, name := range [parts]string{"Q", "K", "V", "the bias"} {
		norm2 := 0.0
		for _, g := range gradient[part] {
			norm2 += float64(g) * float64(g)
		}
		h := 1e-4 / math.Sqrt(norm2)
		slope := (loss(attend(p.moved(part, gradient[part], h)), target) - loss(attend(p.moved(part, gradient[part], -h)), target)) / (2 * h)
		off := math.Abs(slope/norm2 - 1)
		fmt.Printf("gradient of %s: norm %.4g, %.1e off the central difference\n", name, math.Sqrt(norm2), off)
		if !(off < 2e-2) {
			return fmt.Errorf("the gradient of %s is wrong: the loss falls by %g along it, and not by %g", name, slope, norm2)
		}
	}
	return nil
}

// exact is p in float64.
func (p parameters) exact() (x [parts][]float64) {
	for part, values := range p {
		x[part] = make([]float64, len(values))
		for i, v := range values {
			x[part][i] = float64(v)
		}
	}
	return x
}

// moved is p in float64 with one part moved by h times a direction.
func (p parameters) moved(part int, direction []float32, h float64) [parts][]float64 {
	x := p.exact()
	for i, d := range direction {
		x[part][i] += h * float64(d)
	}
	return x
}

// row is one row of a dense tensor [batch, seqLen, heads, headDim].
func row(t []float64, heads, b, i, h int) []float64 {
	return t[((b*seqLen+i)*heads+h)*headDim:][:headDim]
}

func dot(x, y []float64) float64 {
	sum := 0.0
	for i := range x {
		sum += x[i] * y[i]
	}
	return sum
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
