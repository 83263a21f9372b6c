package verify

import (
	"math/rand/v2"
	"slices"
)

// allRows lists every row of t, those of one batch and head together.
func allRows(t *tensor) []rowIndex {
	index := make([]rowIndex, 0, t.batch*t.heads*t.seqLen)
	for b := range t.batch {
		for h := range t.heads {
			for i := range t.seqLen {
				index = append(index, rowIndex{b, i, h})
			}
		}
	}
	return index
}

// sampledRows lists n random rows of t beside the first and the last of a random head, in the order of allRows.
func sampledRows(t *tensor, n int, seed uint64) []rowIndex {
	if n >= t.batch*t.heads*t.seqLen {
		return allRows(t)
	}
	r := rand.New(rand.NewPCG(seed<<3|seedPlaces, uint64(t.seqLen)))
	index := make([]rowIndex, n, n+2)
	for i := range index {
		index[i] = rowIndex{r.IntN(t.batch), r.IntN(t.seqLen), r.IntN(t.heads)}
	}
	index = append(index, rowIndex{index[0].batch, 0, index[0].head}, rowIndex{index[1].batch, t.seqLen - 1, index[1].head})
	slices.SortFunc(index, func(a, b rowIndex) int {
		if a.batch != b.batch {
			return a.batch - b.batch
		}
		if a.head != b.head {
			return a.head - b.head
		}
		return a.seq - b.seq
	})
	return slices.Compact(index)
}
