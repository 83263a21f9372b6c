package main

import (
	"errors"

	"github.com/sigattn/sigattn"
	"github.com/sigattn/sigattn/examples/device"
	"github.com/sigattn/sigattn/generated/d32bf16full"
)

// kernels is sigmoid attention on the GPU: the kernels and the memory that they work on, allocated once.
type kernels struct {
	gpu    *device.Device
	kernel *sigattn.Kernel
	fwd    sigattn.ForwardArgs
	bwd    sigattn.BackwardArgs
}

func newKernels(gpu *device.Device, s shape, bias float64) (*kernels, error) {
	kernel, err := d32bf16full.Load()
	if err != nil {
		return nil, err
	}
	g := &kernels{gpu: gpu, kernel: kernel}
	f, b := &g.fwd, &g.bwd
	for _, t := range []*sigattn.Tensor{&f.Q, &f.K, &f.V, &f.O, &b.DO, &b.DQ, &b.DK, &b.DV} {
		if *t, err = gpu.BF16(s.batch, s.length, s.heads, s.headDim, nil); err != nil {
			return nil, err
		}
	}
	f.Bias = sigattn.FixedBias(float32(bias))
	b.Q, b.K, b.V, b.Bias = f.Q, f.K, f.V, f.Bias
	b.Deterministic = true // a run can be repeated bit for bit; false is faster
	if b.WorkspaceBytes, err = kernel.WorkspaceSize(*b); err != nil {
		return nil, err
	}
	b.Workspace, err = gpu.Alloc(b.WorkspaceBytes)
	return g, err
}

func (g *kernels) forward(q, k, v []float64) ([]float64, error) {
	if err := g.write(q, k, v); err != nil {
		return nil, err
	}
	if err := g.kernel.Forward(0, g.fwd); err != nil {
		return nil, err
	}
	return g.read(g.fwd.O)
}

func (g *kernels) backward(q, k, v, do []float64) (dq, dk, dv []float64, err error) {
	if err := g.write(q, k, v); err != nil { // another block may have been here since the forward pass
		return nil, nil, nil, err
	}
	if err := g.gpu.WriteBF16(g.bwd.DO, convert[float32](do)); err != nil {
		return nil, nil, nil, err
	}
	if err := g.kernel.Backward(0, g.bwd); err != nil {
		return nil, nil, nil, err
	}
	if dq, err = g.read(g.bwd.DQ); err != nil {
		return nil, nil, nil, err
	}
	if dk, err = g.read(g.bwd.DK); err != nil {
		return nil, nil, nil, err
	}
	dv, err = g.read(g.bwd.DV)
	return dq, dk, dv, err
}

func (g *kernels) write(q, k, v []float64) error {
	return errors.Join(
		g.gpu.WriteBF16(g.fwd.Q, convert[float32](q)),
		g.gpu.WriteBF16(g.fwd.K, convert[float32](k)),
		g.gpu.WriteBF16(g.fwd.V, convert[float32](v)),
	)
}

func (g *kernels) read(t sigattn.Tensor) ([]float64, error) {
	values, err := g.gpu.ReadBF16(t)
	return convert[float64](values), err
}
