package main

import (
	"math"
	"math/rand/v2"
)

// A layer maps a matrix of [positions × features]. Its forward keeps what backward needs; backward takes the gradient of the
// output, adds to those of the parameters, and gives that of the input.

// linear is x·W.
type linear struct {
	w *parameter
	x matrix
}

// newLinear draws W so that it keeps the size of its input.
func newLinear(r *rand.Rand, in, out int) *linear {
	l := &linear{w: newParameter(in, out)}
	fillNormal(r, l.w.data, 1/math.Sqrt(float64(in)))
	return l
}

func fillNormal(r *rand.Rand, x []float64, deviation float64) {
	for i := range x {
		x[i] = deviation * r.NormFloat64()
	}
}

func (l *linear) forward(x matrix) matrix {
	l.x = x
	return product(x, l.w.matrix)
}

func (l *linear) backward(dy matrix) matrix {
	l.w.gradient.add(product(l.x.transposed(), dy))
	return product(dy, l.w.transposed())
}

// norm scales each row to a root mean square of 1.
type norm struct {
	y       matrix
	inverse []float64 // of each row's root mean square
}

func (n *norm) forward(x matrix) matrix {
	const epsilon = 1e-6
	n.y, n.inverse = newMatrix(x.rows, x.cols), make([]float64, x.rows)
	for i := range x.rows {
		row, y := x.row(i), n.y.row(i)
		n.inverse[i] = 1 / math.Sqrt(dot(row, row)/float64(x.cols)+epsilon)
		for j, v := range row {
			y[j] = v * n.inverse[i]
		}
	}
	return n.y
}

func (n *norm) backward(dy matrix) matrix {
	dx := newMatrix(dy.rows, dy.cols)
	for i := range dy.rows {
		row, y := dx.row(i), n.y.row(i)
		along := dot(dy.row(i), y) / float64(dy.cols)
		for j, d := range dy.row(i) {
			row[j] = n.inverse[i] * (d - along*y[j])
		}
	}
	return dx
}

// relu is max(0, x).
type relu struct{ y matrix }

func (r *relu) forward(x matrix) matrix {
	r.y = newMatrix(x.rows, x.cols)
	for i, v := range x.data {
		r.y.data[i] = max(0, v)
	}
	return r.y
}

func (r *relu) backward(dy matrix) matrix {
	dx := newMatrix(dy.rows, dy.cols)
	for i, d := range dy.data {
		if r.y.data[i] > 0 {
			dx.data[i] = d
		}
	}
	return dx
}

func dot(x, y []float64) float64 {
	sum := 0.0
	for i, v := range x {
		sum += v * y[i]
	}
	return sum
}
