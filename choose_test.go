package sigattn

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// Devices by compute capability and the shared memory that a block may ask for.
var (
	a100    = chip{80, 166912, 4}
	a10     = chip{86, 101376, 4}
	l4      = chip{89, 101376, 4}
	h100    = chip{90, 232448, 4}
	b200    = chip{100, 232448, 4}
	rtx5090 = chip{120, 101376, 4}
	t4      = chip{75, 65536, 4}
)

// twoPlans are kernels whose sm_80 plan needs more shared memory than 8.6 and later consumer chips have, and whose sm_86
// plan fits there.
func twoPlans() []KernelInfo {
	large, small := kernelInfo(Forward, SM80, 128, 64, 122880), kernelInfo(Forward, SM86, 64, 32, 98304)
	fusedLarge, fusedSmall := kernelInfo(BackwardFused, SM80, 64, 64, 106496), kernelInfo(BackwardFused, SM86, 32, 32, 51200)
	finishLarge, finishSmall := kernelInfo(BackwardFinish, SM80, 64, 16, 0), kernelInfo(BackwardFinish, SM86, 32, 16, 0)
	return []KernelInfo{large, small, fusedLarge, fusedSmall, finishLarge, finishSmall}
}

func TestChoose(t *testing.T) {
	all := everyImage
	noPTX := func(image string) bool { return strings.HasSuffix(image, cubinSuffix) }
	sm80PTX := func(image string) bool {
		return strings.HasSuffix(image, cubinSuffix) || strings.Contains(image, "_sm80_")
	}
	cases := []struct {
		name    string
		on      chip
		kernels []KernelInfo
		has     func(string) bool
		want    string // pass, arch and kind of each choice
	}{
		{"A100", a100, twoPlans(), all, "fwd sm_80 cubin, bwd sm_80 cubin, bwdfin sm_80 cubin"},
		{"A10", a10, twoPlans(), all, "fwd sm_86 cubin, bwd sm_86 cubin, bwdfin sm_86 cubin"},
		{"L4", l4, twoPlans(), all, "fwd sm_86 cubin, bwd sm_86 cubin, bwdfin sm_86 cubin"},
		{"L4 with plans that fit all of 8.x", l4, allPasses(SM80), all, "fwd sm_80 cubin, bwd sm_80 cubin, bwddkv sm_80 cubin, bwddq sm_80 cubin, bwdfin sm_80 cubin"},
		{"H100", h100, twoPlans(), all, "fwd sm_80 PTX, bwd sm_80 PTX, bwdfin sm_80 PTX"},
		{"H100 with PTX of the lowest arch", h100, twoPlans(), sm80PTX, "fwd sm_80 PTX, bwd sm_80 PTX, bwdfin sm_80 PTX"},
		{"B200", b200, twoPlans(), all, "fwd sm_80 PTX, bwd sm_80 PTX, bwdfin sm_80 PTX"},
		{"RTX 5090", rtx5090, twoPlans(), all, "fwd sm_86 PTX, bwd sm_86 PTX, bwdfin sm_86 PTX"},
		{"RTX 5090 with PTX of the lowest arch", rtx5090, twoPlans(), sm80PTX, "bwdfin sm_80 PTX"},
		{"H100 with cubins of 9.0", h100, append(twoPlans(), kernelInfo(Forward, SM90, 128, 128, 200000)), all, "fwd sm_90 cubin, fwd sm_80 PTX, bwd sm_80 PTX, bwdfin sm_80 PTX"},
		{"H100 with PTX of 9.0 alone", h100, []KernelInfo{kernelInfo(Forward, SM90, 128, 128, 200000)}, func(image string) bool { return strings.HasSuffix(image, ptxSuffix) }, "fwd sm_90 PTX"},
		{"B200 with images of 9.0", b200, append(twoPlans(), kernelInfo(Forward, SM90, 128, 128, 200000)), all, "fwd sm_80 PTX, bwd sm_80 PTX, bwdfin sm_80 PTX"},
		{"H100 with a fused kernel of 9.0", h100, append(twoPlans(), bothFused()...), all, "fwd sm_80 PTX, bwd sm_90 cubin, bwd sm_80 PTX, bwdfin sm_90 cubin, bwdfin sm_80 PTX"},
		{"H100 with a kernel in order", h100, append(twoPlans(), ordered()...), all, "fwd sm_80 PTX, bwd sm_80 PTX, bwdord sm_90 cubin, bwdfin sm_90 cubin, bwdfin sm_80 PTX"},
		{"H100 with a finish kernel of other tiles", h100, append(twoPlans(), bothFused()[0], kernelInfo(BackwardFinish, SM90, 64, 16, 0)), all, "fwd sm_80 PTX, bwd sm_90 cubin, bwd sm_80 PTX, bwdfin sm_80 PTX"},
		{"T4", t4, twoPlans(), all, ""},
		{"H100 without PTX", h100, twoPlans(), noPTX, ""},
		{"A100 without a cubin", a100, twoPlans(), func(image string) bool { return strings.HasSuffix(image, ptxSuffix) }, "fwd sm_80 PTX, bwd sm_80 PTX, bwdfin sm_80 PTX"},
		{"a finish kernel of other tiles", a100, []KernelInfo{kernelInfo(BackwardFused, SM80, 64, 64, 0), kernelInfo(BackwardFinish, SM80, 32, 16, 0)}, all, "bwd sm_80 cubin"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := &Package{Name: "p", Kernels: c.kernels}
			choices, err := choose(p, c.on, c.has)
			if c.want == "" {
				var e *ArchError
				if !errors.As(err, &e) || !errors.Is(err, ErrUnsupportedArch) {
					t.Fatalf("got %v, %v, want an *ArchError", choices, err)
				}
				if e.Device != c.on.arch || !strings.Contains(err.Error(), c.on.arch.String()) || !strings.Contains(err.Error(), "fwd sm_86 cubin (98304 bytes") {
					t.Errorf("%v", err)
				}
				return
			}
			var got []string
			for _, x := range choices {
				kind := "cubin"
				if x.ptx {
					kind = "PTX"
				}
				got = append(got, x.Pass.String()+" "+x.Arch.String()+" "+kind)
			}
			if err != nil || !slices.Equal(got, strings.Split(c.want, ", ")) {
				t.Errorf("got %s, %v\nwant %s", strings.Join(got, ", "), err, c.want)
			}
		})
	}
}

func TestErrorOfAnEmptyPackage(t *testing.T) {
	_, err := choose(&Package{Name: "p"}, a100, everyImage)
	if !errors.Is(err, ErrUnsupportedArch) || !strings.Contains(err.Error(), "it has none") {
		t.Errorf("got %v", err)
	}
}
