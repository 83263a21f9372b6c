package device

import (
	"fmt"
	"math"

	"github.com/sigattn/sigattn"
)

// toBF16 rounds to nearest, ties to even; a NaN stays one.
func toBF16(x float32) uint16 {
	bits := math.Float32bits(x)
	if x != x {
		return uint16(bits>>16) | 0x40
	}
	return uint16((bits + 0x7fff + bits>>16&1) >> 16)
}

func fromBF16(b uint16) float32 { return math.Float32frombits(uint32(b) << 16) }

// RoundBF16 rounds values to what bfloat16 can hold, in place.
func RoundBF16(values []float32) {
	for i, v := range values {
		values[i] = fromBF16(toBF16(v))
	}
}

func length(t sigattn.Tensor) int { return t.Batch * t.SeqLen * t.Heads * t.HeadDim }

func checkLength(t sigattn.Tensor, values []float32) error {
	if len(values) != length(t) {
		return fmt.Errorf("%d values for a tensor of %d×%d×%d×%d", len(values), t.Batch, t.SeqLen, t.Heads, t.HeadDim)
	}
	return nil
}
