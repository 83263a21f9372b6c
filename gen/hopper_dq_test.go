package gen

import (
	"testing"

	"github.com/sigattn/sigattn"
)

// TestDQHopperShapes holds checkHopperDQ to what the template asserts.
func TestDQHopperShapes(t *testing.T) {
	testShapes(t, sigattn.BackwardDQ, []shapeTest{
		{256, "128x64x3w12", 2*128*512 + 3*64*512 + 2048, ""},
		{192, "128x80x4w12", 2*128*384 + 4*80*384 + 2048, ""},
		{256, "128x64x4w12", 0, "bytes of shared memory per block; legal: up to 232448"},
		{192, "128x112x3w12", 0, "registers per thread for accumulators; legal: up to 224"},
		{192, "64x64x4w8", 0, "legal: 128, 192"},
		{192, "128x16x4w12", 0, "legal: multiples of 16 from 32 to 256"},
		{192, "128x64x2w12", 0, "legal: 3, 4"},
		{192, "128x64x5w12", 0, "legal: 3, 4"},
		{192, "128x64x4w8", 0, "legal: 12 with 128 rows"},
		{192, "128x64x4w12b2", 0, "legal: 1"},
		{192, "128x64x4w12t1", 0, "Q tiles"},
		{192, "128x64x4w12g16q8", 0, "pipeline"},
		{128, "128x64x4w12", 0, "the fused kernels of sm_90 serve it up to head dim 128"},
	})
}
