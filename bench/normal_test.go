package bench

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"

	"github.com/sigattn/sigattn"
)

func decode(bits uint16, dtype sigattn.DType) float64 {
	if dtype == sigattn.BF16 {
		return float64(math.Float32frombits(uint32(bits) << 16))
	}
	sign, exponent, fraction := 1.0, int(bits>>10&31), float64(bits&0x3ff)
	if bits&0x8000 != 0 {
		sign = -1
	}
	if exponent == 0 {
		return sign * math.Ldexp(fraction, -24)
	}
	return sign * math.Ldexp(1024+fraction, exponent-25)
}

func TestNormalIsStandard(t *testing.T) {
	const n = 3*normalChunk + 17
	for _, dtype := range []sigattn.DType{sigattn.BF16, sigattn.FP16} {
		data := Normal(n, dtype, 1)
		if len(data) != 2*n {
			t.Fatalf("%d bytes, want %d", len(data), 2*n)
		}
		var sum, sum2, sum4, lagged, last float64
		for i := range n {
			x := decode(binary.LittleEndian.Uint16(data[2*i:]), dtype)
			sum += x
			sum2 += x * x
			sum4 += x * x * x * x
			lagged += x * last
			last = x
		}
		// Five standard errors of each statistic of n draws.
		within := func(name string, got, want, deviation float64) {
			if math.Abs(got-want) > 5*deviation/math.Sqrt(n) {
				t.Errorf("dtype %d: %s %v, want %v", dtype, name, got, want)
			}
		}
		within("mean", sum/n, 0, 1)
		within("variance", sum2/n, 1, math.Sqrt2)
		within("fourth moment", sum4/n, 3, math.Sqrt(96))
		within("covariance of neighbours", lagged/n, 0, 1)
	}
}

func TestNormalIsReproducible(t *testing.T) {
	a, b := Normal(1000, sigattn.BF16, 7), Normal(2*normalChunk, sigattn.BF16, 7)
	if !bytes.Equal(a, b[:len(a)]) {
		t.Error("a longer run does not begin as a shorter one")
	}
	if bytes.Equal(a, Normal(1000, sigattn.BF16, 8)) {
		t.Error("another seed gives the same values")
	}
	if bytes.Equal(b[:2*normalChunk], b[2*normalChunk:]) {
		t.Error("two chunks are equal")
	}
}

func TestRounding(t *testing.T) {
	for _, tc := range []struct {
		x          float32
		bf16, fp16 uint16
	}{
		{0, 0, 0},
		{1, 0x3f80, 0x3c00},
		{-2.5, 0xc020, 0xc100},
		{1 + 0x1p-8, 0x3f80, 0x3c04},        // a tie of bf16, to even
		{1 + 3*0x1p-8, 0x3f82, 0x3c0c},      // the same, upwards
		{1 + 0x1p-11, 0x3f80, 0x3c00},       // a tie of fp16, to even
		{1 + 3*0x1p-11, 0x3f80, 0x3c02},     // the same, upwards
		{1.9999999, 0x4000, 0x4000},         // carries into the exponent
		{0x1p-14, 0x3880, 0x0400},           // fp16's least normal
		{0x1p-14 - 0x1p-26, 0x3880, 0x0400}, // rounds up to it
		{-3 * 0x1p-24, 0xb440, 0x8003},      // subnormal
		{0x1p-25, 0x3300, 0},                // a tie at fp16's least value
		{65504, 0x4780, 0x7bff},             // fp16's greatest
	} {
		if got := bf16Bits(tc.x); got != tc.bf16 {
			t.Errorf("bf16(%v) = %#x, want %#x", tc.x, got, tc.bf16)
		}
		if got := fp16Bits(tc.x); got != tc.fp16 {
			t.Errorf("fp16(%v) = %#x, want %#x", tc.x, got, tc.fp16)
		}
	}
}
