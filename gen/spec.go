package gen

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/sigattn/sigattn"
)

// Spec says what one kernel computes, and for which chip.
type Spec struct {
	Arch    sigattn.Arch
	Pass    sigattn.Pass
	HeadDim int // the kernel's own: 32, 64, 96, 128, 192 or 256
	DType   sigattn.DType
	Mask    sigattn.Mask
	Sigmoid sigattn.Sigmoid
}

// Validate is a *ValueError where a field has no legal value.
func (s Spec) Validate() error {
	if err := checkWord(sigattn.ParseArch, s.Arch); err != nil {
		return err
	}
	if err := checkWord(sigattn.ParsePass, s.Pass); err != nil {
		return err
	}
	if !slices.Contains(kernelHeadDims, s.HeadDim) {
		return &ValueError{What: "kernel head dim", Value: strconv.Itoa(s.HeadDim), Legal: "32, 64, 96, 128, 192, 256"}
	}
	if err := checkWord(sigattn.ParseDType, s.DType); err != nil {
		return err
	}
	if err := checkWord(sigattn.ParseMask, s.Mask); err != nil {
		return err
	}
	return checkWord(sigattn.ParseSigmoid, s.Sigmoid)
}

// String is the Spec's part of a kernel's name: "fwd_sm80_d128_bf16_causal", or with "_tanh" behind it.
func (s Spec) String() string {
	text := fmt.Sprintf("%s_%s_d%d_%s_%s", s.Pass, archInName(s.Arch), s.HeadDim, s.DType, s.Mask)
	if s.Sigmoid != sigattn.Accurate {
		text += "_" + s.Sigmoid.String()
	}
	return text
}
