package bench

import (
	"math"
	"math/rand/v2"
	"runtime"
	"sync"

	"github.com/sigattn/sigattn"
)

// normalChunk elements are drawn from one generator.
const normalChunk = 1 << 16

// Normal is n independent draws from N(0,1), rounded to dtype: two bytes each, little endian. Equal seeds give equal
// bytes on every machine: each chunk of elements has a PCG of its own, keyed by the seed and the chunk's number, and a
// draw is math/rand/v2's ziggurat.
func Normal(n int, dtype sigattn.DType, seed uint64) []byte {
	round := bf16Bits
	if dtype == sigattn.FP16 {
		round = fp16Bits
	}
	out := make([]byte, 2*n)
	chunks := (n + normalChunk - 1) / normalChunk
	var wg sync.WaitGroup
	workers := min(runtime.GOMAXPROCS(0), chunks)
	for worker := range workers {
		wg.Go(func() {
			for chunk := worker; chunk < chunks; chunk += workers {
				rng := rand.New(rand.NewPCG(seed, uint64(chunk)))
				for i := chunk * normalChunk; i < min(n, (chunk+1)*normalChunk); i++ {
					bits := round(float32(rng.NormFloat64()))
					out[2*i], out[2*i+1] = byte(bits), byte(bits>>8)
				}
			}
		})
	}
	wg.Wait()
	return out
}

// bf16Bits rounds a finite x to bfloat16, ties to even.
func bf16Bits(x float32) uint16 {
	bits := math.Float32bits(x)
	return uint16((bits + 0x7fff + bits>>16&1) >> 16)
}

// fp16Bits rounds x, at most 65504 in magnitude, to IEEE half precision, ties to even.
func fp16Bits(x float32) uint16 {
	const (
		fractionBits = 23 - 10
		minNormal    = 0x1p-14
		rebias       = (127 - 15) << 10
	)
	sign := uint16(math.Float32bits(x) >> 16 & 0x8000)
	magnitude := float32(math.Abs(float64(x)))
	if magnitude < minNormal {
		return sign | uint16(math.RoundToEven(float64(magnitude)*0x1p24)) // a multiple of 2^-24
	}
	bits := math.Float32bits(magnitude)
	rounded := (bits + 1<<(fractionBits-1) - 1 + bits>>fractionBits&1) >> fractionBits
	return sign | uint16(rounded-rebias)
}
