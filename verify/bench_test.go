package verify

import (
	"testing"

	"github.com/sigattn/sigattn"
)

// BenchmarkReference reports multiply-adds per second of one core: ten products of query × key × head dim for a
// forward and a backward pass and their floors, two of them twice.
func BenchmarkReference(b *testing.B) {
	p := newProblem(Shape{1, 1, 1, 512, 512, 128}, bfloat16, sigattn.Full, Normal, 1)
	w, on := all(p), newPool(1)
	for b.Loop() {
		compute(p, w, on)
	}
	b.ReportMetric(12*512*512*128*float64(b.N)/b.Elapsed().Seconds()/1e9, "GMAC/s")
}
