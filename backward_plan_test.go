package sigattn

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// noMaps are changes of a call after which a tensor has no map. (Addresses move: a reversed output overlaps nothing.)
var noMaps = map[string]func(*BackwardArgs){
	"":   func(*BackwardArgs) {},
	"K":  func(a *BackwardArgs) { a.K.StrideBatch = 0 },
	"DQ": func(a *BackwardArgs) { a.DQ.Data += 1 << 43; a.DQ.StrideSeq *= -1 },
	"DK": func(a *BackwardArgs) { a.DK.Data += 1 << 44; a.DK.StrideSeq *= -1 },
}

// launched are the images of a plan that run.
func (p *backwardPlan) launched() string {
	var names []string
	for _, l := range p.launches {
		if l.blocks > 0 {
			names = append(names, l.image.Pass.String()+" "+l.image.Arch.String())
		}
	}
	return strings.Join(names, ", ")
}

// Each kernel is chosen by the tensors that it maps; the workspace is enough whichever they are.
func TestBackwardKernels(t *testing.T) {
	const fast, deterministic = false, true
	plainFused := bothFused()[2:]
	plain := slices.Concat(plainFused, bothPairs()[2:])
	cases := []struct {
		name          string
		kernels       []KernelInfo
		deterministic bool
		want          map[string]string // by the tensor that has no map
		biasTiles     map[string]int64
		bytes         int64
	}{
		{"all", append(bothFused(), bothPairs()...), fast, map[string]string{
			"": "bwd sm_90, bwdfin sm_90", "DQ": "bwd sm_90, bwdfin sm_90",
			"K": "bwd sm_80, bwdfin sm_80", "DK": "bwd sm_90, bwdfin sm_90",
		}, map[string]int64{"": 6 * 6, "DQ": 6 * 6, "K": 8, "DK": 6 * 6}, 2*8*384*128*4 + 256 + 2*8*36*4},
		{"all", append(bothFused(), bothPairs()...), deterministic, map[string]string{
			"": "bwddkv sm_90, bwddq sm_90, bwdfin sm_80", "DQ": "bwddkv sm_90, bwddq sm_80, bwdfin sm_80",
			"K": "bwddkv sm_80, bwddq sm_80, bwdfin sm_80", "DK": "bwddkv sm_80, bwddq sm_90, bwdfin sm_80",
		}, map[string]int64{"": 24, "DQ": 10, "K": 10, "DK": 24}, 2 * 8 * 24 * 4},
		{"in order for sm_90", append(ordered(), plain...), deterministic, map[string]string{
			"": "bwdord sm_90, bwdfin sm_90", "DQ": "bwdord sm_90, bwdfin sm_90",
			"K": "bwddkv sm_80, bwddq sm_80, bwdfin sm_80", "DK": "bwdord sm_90, bwdfin sm_90",
		}, map[string]int64{"": 32, "DQ": 32, "K": 10, "DK": 32}, 2*8*320*128*4 + 512 + 2*8*32*4},
		{"in order for sm_90", append(ordered(), plain...), fast, map[string]string{
			"": "bwdord sm_90, bwdfin sm_90", "DQ": "bwdord sm_90, bwdfin sm_90",
			"K": "bwd sm_80, bwdfin sm_80", "DK": "bwdord sm_90, bwdfin sm_90",
		}, map[string]int64{"": 32, "DQ": 32, "K": 8, "DK": 32}, 2*8*320*128*4 + 512 + 2*8*32*4},
		{"no fused kernel for sm_90", append(plainFused, bothPairs()...), fast, map[string]string{
			"": "bwddkv sm_90, bwddq sm_90, bwdfin sm_80", "DQ": "bwd sm_80, bwdfin sm_80",
			"K": "bwd sm_80, bwdfin sm_80", "DK": "bwd sm_80, bwdfin sm_80",
		}, map[string]int64{"": 24, "DQ": 8, "K": 8, "DK": 8}, 2*8*320*128*4 + 2*8*8*4},
		{"no fused kernel but for sm_90", append(bothFused()[:2], bothPairs()...), fast, map[string]string{
			"": "bwd sm_90, bwdfin sm_90", "DQ": "bwd sm_90, bwdfin sm_90",
			"K": "bwddkv sm_80, bwddq sm_80, bwdfin sm_80", "DK": "bwd sm_90, bwdfin sm_90",
		}, map[string]int64{"": 36, "DQ": 36, "K": 10, "DK": 36}, 2*8*384*128*4 + 256 + 2*8*36*4},
		{"pairs", bothPairs(), fast, map[string]string{
			"": "bwddkv sm_90, bwddq sm_90, bwdfin sm_80", "DQ": "bwddkv sm_90, bwddq sm_80, bwdfin sm_80",
			"K": "bwddkv sm_80, bwddq sm_80, bwdfin sm_80", "DK": "bwddkv sm_80, bwddq sm_90, bwdfin sm_80",
		}, map[string]int64{"": 24, "DQ": 10, "K": 10, "DK": 24}, 2 * 8 * 24 * 4},
		{"sm_90's dQ alone", append(bothPairs()[1:], plainFused...), deterministic, map[string]string{
			"": "bwddkv sm_80, bwddq sm_90, bwdfin sm_80", "DQ": "bwddkv sm_80, bwddq sm_80, bwdfin sm_80",
			"K": "bwddkv sm_80, bwddq sm_80, bwdfin sm_80", "DK": "bwddkv sm_80, bwddq sm_90, bwdfin sm_80",
		}, map[string]int64{"": 24, "DQ": 10, "K": 10, "DK": 24}, 2 * 8 * 24 * 4},
		{"sm_90's dQ alone", append(bothPairs()[1:], plainFused...), fast, map[string]string{
			"": "bwd sm_80, bwdfin sm_80", "DQ": "bwd sm_80, bwdfin sm_80", "K": "bwd sm_80, bwdfin sm_80", "DK": "bwd sm_80, bwdfin sm_80",
		}, map[string]int64{"": 8, "DQ": 8, "K": 8, "DK": 8}, 2*8*320*128*4 + 2*8*8*4},
	}
	for _, c := range cases {
		k := unloaded(c.kernels...)
		for without, change := range noMaps {
			args := backwardArgs(usual)
			args.Deterministic = c.deterministic
			change(&args)
			plan, err := k.backwardPlan("Backward", &args)
			if err != nil || plan.launched() != c.want[without] || plan.biasTiles != c.biasTiles[without] {
				t.Errorf("%s, deterministic %v, no map of %q: %s, %d partial bias gradients, %v; want %s, %d",
					c.name, c.deterministic, without, plan.launched(), plan.biasTiles, err, c.want[without], c.biasTiles[without])
			}
			size, err := k.WorkspaceSize(args)
			if err != nil || size != c.bytes || size < plan.bytes {
				t.Errorf("%s, deterministic %v, no map of %q: a workspace of %d bytes, %v; want %d, and the call needs %d",
					c.name, c.deterministic, without, size, err, c.bytes, plan.bytes)
			}
			args.WorkspaceBytes = size
			if _, err := checkBackward(k.headDim, &plan, &args); err != nil {
				t.Errorf("%s, no map of %q: %v", c.name, without, err)
			}
		}
	}
}

// A package of kernels for sm_90 alone names the tensor that has no map.
func TestOrderedAlone(t *testing.T) {
	k := unloaded(ordered()...)
	for without, arg := range map[string]string{"": "", "DQ": "", "DK": "", "K": "K.StrideBatch"} {
		args := backwardArgs(usual)
		args.Deterministic = true
		noMaps[without](&args)
		plan, err := k.backwardPlan("Backward", &args)
		switch {
		case arg != "":
			checkArgumentError(t, err, "Backward", ErrStride, arg, "no image beside that for sm_90")
		case err != nil || plan.launched() != "bwdord sm_90, bwdfin sm_90":
			t.Errorf("%s, %v", plan.launched(), err)
		}
	}
}

// The same of kernels for dK and dV and for dQ; where one is missing, it says so.
func TestPairAlone(t *testing.T) {
	finish := kernelInfo(BackwardFinish, SM90, 64, 16, 0)
	k := unloaded(append(bothPairs()[:2], finish)...)
	for without, arg := range map[string]string{"": "", "K": "K.StrideBatch", "DQ": "DQ.StrideSeq", "DK": "DK.StrideSeq"} {
		for _, deterministic := range []bool{false, true} {
			args := backwardArgs(usual)
			args.Deterministic = deterministic
			noMaps[without](&args)
			plan, err := k.backwardPlan("Backward", &args)
			switch {
			case arg != "":
				checkArgumentError(t, err, "Backward", ErrStride, arg, "no image beside that for sm_90")
			case err != nil || plan.launched() != "bwddkv sm_90, bwddq sm_90, bwdfin sm_90":
				t.Errorf("%s, %v", plan.launched(), err)
			}
			if size, err := k.WorkspaceSize(args); err != nil || size != 2*8*24*4 {
				t.Errorf("a workspace of %d bytes, %v", size, err)
			}
		}
	}
	args := backwardArgs(usual)
	for want, kernels := range map[string][]KernelInfo{
		"bwddkv and bwddq": {bothPairs()[0], finish}, "bwdfin": bothPairs()[:2],
	} {
		var e *PassError
		if _, err := unloaded(kernels...).BackwardImage(args); !errors.As(err, &e) || e.Want != want {
			t.Errorf("got %v, want a *PassError about %s", err, want)
		}
	}
}
