// Minimal runs one forward pass, O = σ(Q·Kᵀ/√d − ln T)·V under the causal mask, and compares rows of it with plain Go.
//
//	go run ./examples/minimal
package main

import (
	"fmt"
	"log"
	"math"
	"math/rand/v2"

	"github.com/sigattn/sigattn"
	"github.com/sigattn/sigattn/examples/device"
	"github.com/sigattn/sigattn/generated/d128bf16causal"
)

const batch, seqLen, heads, headDim = 2, 1024, 8, 128

func main() {
	log.SetFlags(0)
	log.SetPrefix("minimal: ")
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	gpu, err := device.Open(0)
	if err != nil {
		return err
	}
	defer gpu.Close()

	kernel, err := d128bf16causal.Load()
	if err != nil {
		return err
	}
	defer kernel.Close()

	q, k, v := normal(1), normal(2), normal(3)
	var args sigattn.ForwardArgs
	if args.Q, err = gpu.BF16(batch, seqLen, heads, headDim, q); err != nil {
		return err
	}
	if args.K, err = gpu.BF16(batch, seqLen, heads, headDim, k); err != nil {
		return err
	}
	if args.V, err = gpu.BF16(batch, seqLen, heads, headDim, v); err != nil {
		return err
	}
	if args.O, err = gpu.BF16(batch, seqLen, heads, headDim, nil); err != nil {
		return err
	}
	if err := kernel.Forward(0, args); err != nil { // stream 0; it returns before the GPU is done
		return err
	}
	o, err := gpu.ReadBF16(args.O)
	if err != nil {
		return err
	}

	worst := 0.0
	for _, row := range []int{0, 1, 500, seqLen - 1} {
		worst = max(worst, distance(o[index(1, row, 3):][:headDim], attend(q, k, v, 1, row, 3)))
	}
	name, err := gpu.Name()
	if err != nil {
		return err
	}
	fmt.Printf("%s ran %s\n", name, kernel.Info().Images[0].Name)
	fmt.Printf("relative L2 distance from float64: %.1e\n", worst)
	if !(worst < 1e-2) {
		return fmt.Errorf("the distance is more than rounding to bfloat16 explains")
	}
	return nil
}

// normal is a tensor of N(0,1) values that bfloat16 can hold.
func normal(seed uint64) []float32 {
	r := rand.New(rand.NewPCG(seed, 0))
	values := make([]float32, batch*seqLen*heads*headDim)
	for i := range values {
		values[i] = float32(r.NormFloat64())
	}
	device.RoundBF16(values)
	return values
}

// index is where a row of a tensor [batch, seqLen, heads, headDim] starts.
func index(b, t, h int) int { return ((b*seqLen+t)*heads + h) * headDim }

// attend is one row of O.
func attend(q, k, v []float32, b, row, h int) []float64 {
	o := make([]float64, headDim)
	query := q[index(b, row, h):][:headDim]
	for j := 0; j <= row; j++ { // causal
		key, value := k[index(b, j, h):][:headDim], v[index(b, j, h):][:headDim]
		s := 0.0
		for i := range query {
			s += float64(query[i]) * float64(key[i])
		}
		p := 1 / (1 + math.Exp(math.Log(seqLen)-s/math.Sqrt(headDim)))
		for i := range o {
			o[i] += p * float64(value[i])
		}
	}
	return o
}

// distance is ‖got − want‖ / ‖want‖.
func distance(got []float32, want []float64) float64 {
	var difference, norm float64
	for i, w := range want {
		difference += (float64(got[i]) - w) * (float64(got[i]) - w)
		norm += w * w
	}
	return math.Sqrt(difference / norm)
}
