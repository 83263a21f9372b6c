package main

import "math"

// parameter is a matrix that is trained, the gradient of the loss by it, and Adam's running means.
type parameter struct {
	matrix
	gradient     matrix
	mean, square []float64 // of the gradient, and of its square
}

func newParameter(rows, cols int) *parameter {
	n := rows * cols
	return &parameter{newMatrix(rows, cols), newMatrix(rows, cols), make([]float64, n), make([]float64, n)}
}

// adam makes a step, counted from 1, and clears the gradients.
func adam(parameters []*parameter, rate float64, step int) {
	const keepMean, keepSquare, epsilon = 0.9, 0.999, 1e-8
	t := float64(step)
	unbiasMean, unbiasSquare := 1/(1-math.Pow(keepMean, t)), 1/(1-math.Pow(keepSquare, t))
	for _, p := range parameters {
		for i, g := range p.gradient.data {
			p.mean[i] = keepMean*p.mean[i] + (1-keepMean)*g
			p.square[i] = keepSquare*p.square[i] + (1-keepSquare)*g*g
			p.data[i] -= rate * unbiasMean * p.mean[i] / (math.Sqrt(unbiasSquare*p.square[i]) + epsilon)
		}
		clear(p.gradient.data)
	}
}
