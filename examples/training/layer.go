package main

import (
	"github.com/sigattn/sigattn"
	"github.com/sigattn/sigattn/examples/device"
	"github.com/sigattn/sigattn/generated/d64bf16causal"
)

// layer is the GPU's side: the kernels and the memory that they work on, allocated once.
type layer struct {
	gpu      *device.Device
	kernel   *sigattn.Kernel
	forward  sigattn.ForwardArgs
	backward sigattn.BackwardArgs
}

func newLayer(gpu *device.Device) (*layer, error) {
	kernel, err := d64bf16causal.Load()
	if err != nil {
		return nil, err
	}
	l := &layer{gpu: gpu, kernel: kernel}
	f, b := &l.forward, &l.backward
	for _, t := range []struct {
		tensor *sigattn.Tensor
		heads  int
	}{
		{&f.Q, headsQ}, {&f.K, headsKV}, {&f.V, headsKV}, {&f.O, headsQ},
		{&b.DO, headsQ}, {&b.DQ, headsQ}, {&b.DK, headsKV}, {&b.DV, headsKV},
	} {
		if *t.tensor, err = gpu.BF16(batch, seqLen, t.heads, headDim, nil); err != nil {
			return nil, err
		}
	}
	b.Q, b.K, b.V = f.Q, f.K, f.V // all that the backward pass needs of the forward pass
	if b.DBias, err = gpu.Alloc(4 * headsQ); err != nil {
		return nil, err
	}
	b.Deterministic = true // equal inputs give equal bits; false is faster
	if b.WorkspaceBytes, err = kernel.WorkspaceSize(*b); err != nil {
		return nil, err
	}
	b.Workspace, err = gpu.Alloc(b.WorkspaceBytes)
	return l, err
}

// gradient is O of the parameters, and the gradient of ½·‖O − target‖² by them.
func (l *layer) gradient(p parameters, target []float64) (o []float64, g parameters, err error) {
	f, b := &l.forward, &l.backward
	for part, t := range []sigattn.Tensor{f.Q, f.K, f.V} {
		if err := l.gpu.WriteBF16(t, p[part]); err != nil {
			return nil, g, err
		}
	}
	f.Bias = sigattn.FixedBias(p[bias][0]) // without it, the bias is −ln(SeqLenK)
	b.Bias = f.Bias
	if err := l.kernel.Forward(0, *f); err != nil {
		return nil, g, err
	}
	output, err := l.gpu.ReadBF16(f.O)
	if err != nil {
		return nil, g, err
	}
	o, do := make([]float64, len(output)), make([]float32, len(output))
	for i, v := range output {
		o[i] = float64(v)
		do[i] = float32(o[i] - target[i]) // the loss's derivative by O
	}
	if err := l.gpu.WriteBF16(b.DO, do); err != nil {
		return nil, g, err
	}
	if err := l.kernel.Backward(0, *b); err != nil {
		return nil, g, err
	}
	for part, t := range []sigattn.Tensor{b.DQ, b.DK, b.DV} {
		if g[part], err = l.gpu.ReadBF16(t); err != nil {
			return nil, g, err
		}
	}
	perHead, err := l.gpu.ReadFloat32(b.DBias, headsQ)
	g[bias] = make([]float32, 1)
	for _, d := range perHead {
		g[bias][0] += d
	}
	return o, g, err
}
