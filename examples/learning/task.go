package main

import (
	"math/rand/v2"
	"slices"
)

// task is to write a sequence of random tokens backwards: each position must find one other by attention.
type task struct {
	shape          // of Q, K, V and O
	vocabulary int // how many tokens there are
	hidden     int // the width of the perceptrons' hidden layer
	blocks     int
	steps      int
	rate       float64
	seed       uint64
}

var backwards = task{
	shape:      shape{batch: 8, length: 64, heads: 2, headDim: 32},
	vocabulary: 16,
	hidden:     128,
	blocks:     1,
	steps:      300,
	rate:       2e-3,
	seed:       1,
}

// What a random number generator is for; the seed is the task's.
const (
	forParameters = iota
	forTraining
	forEvaluation
)

func (t task) random(purpose uint64) *rand.Rand { return rand.New(rand.NewPCG(t.seed, purpose)) }

// examples is one batch of sequences, [batch × length], and of what is to be written.
func (t task) examples(r *rand.Rand) (input, targets []int) {
	input = make([]int, t.batch*t.length)
	for i := range input {
		input[i] = r.IntN(t.vocabulary)
	}
	targets = slices.Clone(input)
	for sequence := range slices.Chunk(targets, t.length) {
		slices.Reverse(sequence)
	}
	return input, targets
}
