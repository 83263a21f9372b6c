package main

import (
	"math"
	"math/rand/v2"
	"testing"
)

var small = task{
	shape:      shape{batch: 2, length: 5, heads: 2, headDim: 8},
	vocabulary: 4,
	hidden:     12,
	blocks:     2,
	steps:      3,
	rate:       1e-2,
	seed:       7,
}

// checkGradient compares a gradient with central differences of f, which reads x.
func checkGradient(t *testing.T, name string, x, gradient []float64, f func() float64) {
	t.Helper()
	const h = 1e-5
	var off, size float64
	for i, v := range x {
		x[i] = v + h
		above := f()
		x[i] = v - h
		below := f()
		x[i] = v
		off = math.Hypot(off, (above-below)/(2*h)-gradient[i])
		size = math.Hypot(size, gradient[i])
	}
	if !(off <= 1e-7*size) {
		t.Errorf("the gradient of %s is %g off the central differences; its norm is %g", name, off, size)
	}
}

func normal(r *rand.Rand, rows, cols int) matrix {
	m := newMatrix(rows, cols)
	fillNormal(r, m.data, 1)
	return m
}

func TestLayerGradients(t *testing.T) {
	r := small.random(0)
	dense := newLinear(r, 8, 6)
	for _, c := range []struct {
		name  string
		layer interface {
			forward(matrix) matrix
			backward(matrix) matrix
		}
		out int
		w   []*parameter
	}{
		{"linear", dense, 6, []*parameter{dense.w}},
		{"norm", &norm{}, 8, nil},
		{"relu", &relu{}, 8, nil},
		{"perceptron", &perceptron{up: newLinear(r, 8, 12), down: newLinear(r, 12, 8)}, 8, nil},
	} {
		x, dy := normal(r, 5, 8), normal(r, 5, c.out)
		f := func() float64 { return dot(c.layer.forward(x).data, dy.data) }
		f()
		dx := c.layer.backward(dy)
		checkGradient(t, c.name+"'s input", x.data, dx.data, f)
		for _, w := range c.w {
			checkGradient(t, c.name+"'s weights", w.data, w.gradient.data, f)
		}
	}
}

func TestAttentionGradients(t *testing.T) {
	for name, a := range map[string]attention{
		"sigmoid":              sigmoid(small.shape, -1.5),
		"sigmoid without bias": sigmoid(small.shape, 0),
		"softmax":              softmax(small.shape),
	} {
		r := small.random(0)
		var x [4][]float64
		for i := range x {
			x[i] = normal(r, small.batch*small.length, small.width()).data
		}
		q, k, v, do := x[0], x[1], x[2], x[3]
		f := func() float64 {
			o, err := a.forward(q, k, v)
			if err != nil {
				t.Fatal(err)
			}
			return dot(o, do)
		}
		dq, dk, dv, err := a.backward(q, k, v, do)
		if err != nil {
			t.Fatal(err)
		}
		checkGradient(t, name+"'s queries", q, dq, f)
		checkGradient(t, name+"'s keys", k, dk, f)
		checkGradient(t, name+"'s values", v, dv, f)
	}
}

func TestCrossEntropyGradient(t *testing.T) {
	logits, targets := normal(small.random(0), 3, 4), []int{2, 0, 3}
	_, gradient := crossEntropy(logits, targets)
	checkGradient(t, "the logits", logits.data, gradient.data, func() float64 {
		loss, _ := crossEntropy(logits, targets)
		return loss
	})
}

// The whole model, of two blocks.
func TestModelGradients(t *testing.T) {
	m := newModel(small, sigmoid(small.shape, -1))
	input, targets := small.examples(small.random(forTraining))
	loss := func() (float64, matrix) {
		logits, err := m.forward(input)
		if err != nil {
			t.Fatal(err)
		}
		return crossEntropy(logits, targets)
	}
	_, dlogits := loss()
	if err := m.backward(dlogits); err != nil {
		t.Fatal(err)
	}
	for _, p := range m.parameters() {
		checkGradient(t, "a parameter", p.data, p.gradient.data, func() float64 { l, _ := loss(); return l })
	}
}
