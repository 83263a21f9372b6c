package main

import (
	"math"
	"testing"
)

// Where all logits are equal, the weights are known.
func TestWeights(t *testing.T) {
	s := shape{batch: 1, length: 4, heads: 1, headDim: 8}
	zeros, ones := make([]float64, 32), make([]float64, 32)
	for i := range ones {
		ones[i] = 1
	}
	for _, c := range []struct {
		name string
		attention
		want float64
	}{
		{"sigmoid, b = −ln n", sigmoid(s, -math.Log(4)), 4. / 5},
		{"sigmoid, b = 0", sigmoid(s, 0), 2},
		{"softmax", softmax(s), 1},
	} {
		o, err := c.forward(zeros, ones, ones)
		if err != nil {
			t.Fatal(err)
		}
		for _, got := range o {
			if math.Abs(got-c.want) > 1e-15 {
				t.Fatalf("%s: a sum of equal weights is %g, want %g", c.name, got, c.want)
			}
		}
	}
}

// Large logits, which overflow exp.
func TestSoftmaxOfLargeLogits(t *testing.T) {
	s := []float64{1000, 999, -1000}
	softmax(shape{}).weigh(s)
	if want := 1 / (1 + math.Exp(-1)); math.Abs(s[0]-want) > 1e-15 || s[2] != 0 {
		t.Errorf("got %v, want %g first", s, want)
	}
}
