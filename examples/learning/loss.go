package main

import (
	"math"
	"slices"
)

// crossEntropy is the mean of −ln softmax(logits)[target] over the rows, and its gradient.
func crossEntropy(logits matrix, targets []int) (loss float64, gradient matrix) {
	gradient = newMatrix(logits.rows, logits.cols)
	n := float64(logits.rows)
	for i, target := range targets {
		row, g := logits.row(i), gradient.row(i)
		largest, sum := slices.Max(row), 0.0
		for j, v := range row {
			g[j] = math.Exp(v - largest)
			sum += g[j]
		}
		for j := range g {
			g[j] /= sum * n
		}
		g[target] -= 1 / n
		loss += (largest + math.Log(sum) - row[target]) / n
	}
	return loss, gradient
}

// accuracy is the share of rows whose largest logit is the target's.
func accuracy(logits matrix, targets []int) float64 {
	right := 0
	for i, target := range targets {
		if row := logits.row(i); row[target] == slices.Max(row) {
			right++
		}
	}
	return float64(right) / float64(len(targets))
}
