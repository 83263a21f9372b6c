package sigattn

import (
	"errors"
	"math"
	"strings"
	"testing"
)

// bothForward are the forward kernels that a device of 9.0 has.
func bothForward() []KernelInfo {
	return []KernelInfo{kernelInfo(Forward, SM90, 128, 96, 200000), kernelInfo(Forward, SM80, 128, 64, 98304)}
}

// bothFused are a fused backward kernel that takes tensor maps and its finish kernel, then those that take any tensor.
func bothFused() []KernelInfo {
	return []KernelInfo{
		kernelInfo(BackwardFused, SM90, 128, 96, 200000), kernelInfo(BackwardFinish, SM90, 128, 16, 0),
		kernelInfo(BackwardFused, SM80, 64, 64, 98304), kernelInfo(BackwardFinish, SM80, 64, 16, 0),
	}
}

// ordered is a backward kernel that adds in order, and its finish kernel.
func ordered() []KernelInfo {
	return []KernelInfo{kernelInfo(BackwardOrdered, SM90, 64, 128, 200000), kernelInfo(BackwardFinish, SM90, 64, 16, 0)}
}

// bothPairs are kernels for dK and dV and kernels for dQ, those that take tensor maps first, and one that finishes.
func bothPairs() []KernelInfo {
	return []KernelInfo{
		kernelInfo(BackwardDKV, SM90, 64, 96, 200000), kernelInfo(BackwardDQ, SM90, 128, 32, 200000),
		kernelInfo(BackwardDKV, SM80, 64, 128, 90112), kernelInfo(BackwardDQ, SM80, 32, 64, 81920), kernelInfo(BackwardFinish, SM80, 64, 16, 0),
	}
}

// The image follows from the tensors alone.
func TestForwardImage(t *testing.T) {
	cases := map[string]struct {
		change func(*ForwardArgs)
		want   Arch
		says   string // the error, where the package has no sm_80 image; "" is none
		kind   error
	}{
		"dense":           {func(*ForwardArgs) {}, SM90, "", nil},
		"least head dim":  {func(a *ForwardArgs) { *a = forwardArgs(shape{2, 300, 500, 8, 2, 8}) }, SM90, "", nil},
		"longest stride":  {func(a *ForwardArgs) { a.Q.StrideBatch = 1<<39 - 8 }, SM90, "", nil},
		"longer":          {func(a *ForwardArgs) { a.Q.StrideBatch = 1 << 39 }, SM80, "Q.StrideBatch is 549755813888, want from 1 to 549755813887", ErrStride},
		"repeated keys":   {func(a *ForwardArgs) { a.K.StrideBatch = 0 }, SM80, "K.StrideBatch is 0", ErrStride},
		"repeated values": {func(a *ForwardArgs) { a.V.StrideHead = 0 }, SM80, "V.StrideHead is 0", ErrStride},
		"reversed queries": {func(a *ForwardArgs) {
			a.Q.Data += DevicePtr(299 * a.Q.StrideSeq * elementBytes)
			a.Q.StrideSeq = -a.Q.StrideSeq
		}, SM80, "Q.StrideSeq is -512", ErrStride},
		"reversed output": {func(a *ForwardArgs) {
			a.O.Data += DevicePtr(7 * a.O.StrideHead * elementBytes)
			a.O.StrideHead = -a.O.StrideHead
		}, SM80, "O.StrideHead is -64", ErrStride},
		"strides never taken": {func(a *ForwardArgs) {
			*a = forwardArgs(shape{1, 1, 1, 1, 1, 64})
			for _, x := range []*Tensor{&a.Q, &a.K, &a.V, &a.O} {
				x.StrideBatch, x.StrideSeq, x.StrideHead = 0, -1, math.MinInt64
			}
		}, SM90, "", nil},
		"no keys":  {func(a *ForwardArgs) { *a = forwardArgs(shape{2, 300, 0, 8, 2, 64}) }, SM80, "K.SeqLen is 0, want at least 1", ErrShape},
		"nothing":  {func(a *ForwardArgs) { *a = forwardArgs(shape{2, 0, 500, 8, 2, 64}) }, SM80, "", nil},
		"no batch": {func(a *ForwardArgs) { *a = forwardArgs(shape{0, 300, 500, 8, 2, 64}) }, SM80, "", nil},
	}
	both, alone := unloaded(bothForward()...), unloaded(bothForward()[0])
	for name, c := range cases {
		args := forwardArgs(usual)
		c.change(&args)
		image, err := both.ForwardImage(args)
		if err != nil || image.Arch != c.want || image.Pass != Forward {
			t.Errorf("%s: %+v, %v, want the image for %v", name, image, err, c.want)
		}
		image, err = alone.ForwardImage(args)
		if c.says == "" {
			if err != nil || image.Arch != SM90 {
				t.Errorf("%s, without sm_80: %+v, %v", name, image, err)
			}
			continue
		}
		if !errors.Is(err, c.kind) || !errors.Is(err, ErrArgument) || !strings.Contains(err.Error(), "ForwardImage: "+c.says) || !strings.Contains(err.Error(), "sm_90") {
			t.Errorf("%s, without sm_80: %v, want an error that says %q", name, err, c.says)
		}
	}
}

func TestForwardImageChecksArguments(t *testing.T) {
	k := unloaded(bothForward()...)
	bad := forwardArgs(usual)
	bad.K.Heads = 3
	if _, err := k.ForwardImage(bad); !errors.Is(err, ErrShape) || !strings.Contains(err.Error(), "ForwardImage: K.Heads") {
		t.Errorf("%v, want ErrShape", err)
	}
	many := forwardArgs(shape{1 << 20, 1 << 12, 1, 1, 1, 8})
	if _, err := k.ForwardImage(many); err != nil {
		t.Errorf("2^25 tiles: %v", err)
	}
	many = forwardArgs(shape{1 << 26, 1 << 12, 1, 1, 1, 8})
	if _, err := k.ForwardImage(many); !errors.Is(err, ErrShape) {
		t.Errorf("2^31 tiles: %v, want ErrShape", err)
	}
	if _, err := unloaded(allPasses(SM80)[1:]...).ForwardImage(forwardArgs(usual)); !errors.Is(err, ErrUnsupportedPass) {
		t.Errorf("without a forward kernel: %v, want ErrUnsupportedPass", err)
	}
}
