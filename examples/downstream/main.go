// Downstream is a module of its own that generates the kernels it needs, and builds and runs without cgo or a CUDA toolkit.
//
//	go generate .                      # writes ./attn; compiling kernels anew takes NVRTC, see ../README.md
//	CGO_ENABLED=0 go build -o downstream .
//
// In a module outside this repository, `go get -tool github.com/sigattn/sigattn/cmd/sigattn-gen` takes the place of the
// replace directive.
package main

import (
	"fmt"
	"log"
	"math"

	"github.com/sigattn/sigattn"
	"github.com/sigattn/sigattn/examples/device"

	"example.com/downstream/attn"
)

//go:generate go tool sigattn-gen --arch sm_80 --head-dims 96 --dtypes bf16 --masks causal --passes forward --out ./attn

const batch, seqLen, heads, headDim = 1, 300, 6, 72

func main() {
	log.SetFlags(0)
	log.SetPrefix("downstream: ")
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

	// The kernel for head dims up to 96 serves 72.
	kernel, err := attn.Load(attn.Spec{HeadDim: headDim, DType: sigattn.BF16, Mask: sigattn.Causal})
	if err != nil {
		return err
	}
	defer kernel.Close()

	// Q = 0, so that every logit is the bias, −ln T, and V = 1: row i sees i+1 keys and becomes (i+1)·σ(−ln T).
	zeros := make([]float32, batch*seqLen*heads*headDim)
	ones := make([]float32, len(zeros))
	for i := range ones {
		ones[i] = 1
	}
	var args sigattn.ForwardArgs
	for _, x := range []struct {
		tensor *sigattn.Tensor
		values []float32
	}{{&args.Q, zeros}, {&args.K, ones}, {&args.V, ones}, {&args.O, nil}} {
		if *x.tensor, err = gpu.BF16(batch, seqLen, heads, headDim, x.values); err != nil {
			return err
		}
	}
	if err := kernel.Forward(0, args); err != nil {
		return err
	}
	o, err := gpu.ReadBF16(args.O)
	if err != nil {
		return err
	}
	for i, got := range o {
		want := float64(i/(heads*headDim)+1) / (seqLen + 1)
		if !(math.Abs(float64(got)-want) <= 5e-3*want) {
			return fmt.Errorf("element %d of O is %g, want %g", i, got, want)
		}
	}
	fmt.Printf("%s is right at head dim %d\n", kernel.Info().Images[0].Name, headDim)
	return nil
}
