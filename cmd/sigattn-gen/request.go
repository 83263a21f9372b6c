package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/spf13/pflag"

	"github.com/sigattn/sigattn"
	"github.com/sigattn/sigattn/gen"
)

// requestFlags are the flags that say which kernels a command is about.
type requestFlags struct {
	request  gen.Request
	families []string // of passes
}

// passFamilies are what users ask for; each needs several kernels, or one.
var passFamilies = map[string][]sigattn.Pass{
	"forward":  {sigattn.Forward, sigattn.ForwardSplit},
	"backward": {sigattn.BackwardFused, sigattn.BackwardOrdered, sigattn.BackwardDKV, sigattn.BackwardDQ, sigattn.BackwardFinish},
}

func (r *requestFlags) add(flags *pflag.FlagSet) {
	r.request, r.families = gen.DefaultRequest(), []string{"forward", "backward"}
	flags.Var(newList(&r.request.Archs, sigattn.ParseArch, sigattn.Arch.String), "arch", "architectures: sm_80, sm_86, sm_89, sm_90 (sm_90a code)")
	flags.Var(newList(&r.request.HeadDims, gen.ParseHeadDim, strconv.Itoa), "head-dims", "head dims: multiples of 8 up to 256; each selects the next larger kernel")
	flags.Var(newList(&r.request.DTypes, sigattn.ParseDType, sigattn.DType.String), "dtypes", "storage types: bf16, fp16")
	flags.Var(newList(&r.request.Masks, sigattn.ParseMask, sigattn.Mask.String), "masks", "masks: full, causal")
	flags.Var(newList(&r.request.Sigmoids, sigattn.ParseSigmoid, sigattn.Sigmoid.String), "sigmoids", "evaluations of the sigmoid: accurate, tanh")
	flags.Var(newWords(&r.families, []string{"forward", "backward"}), "passes", "passes: forward, backward")
	flags.Var(newList(&r.request.Tiles, gen.ParseTile, gen.Tile.String), "tiles", "tiles, as 128x64 or 128x64x2w4 (rows x keys x stages, warps), of sm_90 also 128x128x2t2 (and places for Q); default the tuned ones")
}

// read is the request, checked. It notes on stderr where a head dim selects a larger kernel.
func (r *requestFlags) read(stderr io.Writer) (gen.Request, error) {
	request := r.request
	request.Passes = nil
	for _, family := range r.families {
		request.Passes = append(request.Passes, passFamilies[family]...)
	}
	if err := request.Validate(); err != nil {
		if errors.Is(err, gen.ErrBudget) || len(request.Tiles) > 0 {
			return request, &flagError{"tiles", err}
		}
		return request, err
	}
	for i, d := range request.HeadDims {
		kernel, err := gen.KernelHeadDim(d)
		if err != nil {
			return request, err
		}
		if kernel != d {
			fmt.Fprintf(stderr, "head dim %d: served by the %d kernel, zero-filled in shared memory\n", d, kernel)
		}
		request.HeadDims[i] = kernel
	}
	slices.Sort(request.HeadDims)
	request.HeadDims = slices.Compact(request.HeadDims)
	return request, nil
}
