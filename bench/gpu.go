package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sigattn/sigattn"
	"github.com/sigattn/sigattn/internal/driver"
)

// Select picks the package that serves a shape; its error says why there is none.
type Select func(Shape) (*sigattn.Package, error)

// GPU is the Implementation under test: generated packages on one device. It is used on the goroutine of OnGPU only.
type GPU struct {
	*board
	name   string
	choose Select
	warmed Shape // the shape of the last turn
}

// board is what implementations on one device share: with the same memory, a difference between them is none of where it lies.
type board struct {
	device  Device
	stream  driver.Stream
	events  []driver.Event
	kernels map[*sigattn.Package]*sigattn.Kernel

	q, k, v, do   input
	o, dq, dk, dv buffer
	workspace     buffer
}

// Warm-up runs of a turn, the one that hides the launches of those that follow it included.
const (
	warmUpsFirst = 5 // on first sight of a shape
	warmUps      = 3 // later: another process may have had the device in between
)

// OnGPU runs f with the first device's GPU, whose context is current, and releases what it used. Errors wrap
// sigattn.ErrNoDriver where there is no device.
func OnGPU(choose Select, f func(*GPU) error) error {
	return driver.WithPrimary(0, func() (err error) {
		g := &GPU{name: "sigattn", choose: choose, board: &board{
			kernels: map[*sigattn.Package]*sigattn.Kernel{},
			q:       input{seed: 1}, k: input{seed: 2}, v: input{seed: 3}, do: input{seed: 4},
		}}
		defer func() { err = errors.Join(err, g.close()) }()
		if g.stream, err = driver.NewStream(); err != nil {
			return err
		}
		if g.device, err = g.describe(); err != nil {
			return err
		}
		return f(g)
	})
}

// Device is the chip that the GPU runs on.
func (g *GPU) Device() Device { return g.device }

// Name is "sigattn", or that of Other.
func (g *GPU) Name() string { return g.name }

// Other is an implementation by other packages, in the same memory.
func (g *GPU) Other(name string, choose Select) *GPU {
	return &GPU{board: g.board, name: name, choose: choose}
}

// Time launches a shape's pass iters times, back to back, and returns each run's time in milliseconds.
func (g *GPU) Time(ctx context.Context, s Shape, iters int) ([]float64, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ms, err := g.turn(s, iters)
	if errors.Is(err, sigattn.ErrUnsupportedArch) || errors.Is(err, sigattn.ErrUnsupportedPass) {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return ms, err
}

func (g *GPU) turn(s Shape, iters int) ([]float64, error) {
	run, err := g.prepare(s)
	if err != nil {
		return nil, err
	}
	ahead := warmUps
	if g.warmed != s {
		ahead, g.warmed = warmUpsFirst, s
	}
	return g.time(run, ahead, iters)
}

// prepare gives a function that launches one run of the shape, with its memory in place.
func (g *GPU) prepare(s Shape) (func() error, error) {
	kernel, err := g.kernel(s)
	if err != nil {
		return nil, err
	}
	for _, in := range []*input{&g.q, &g.do} {
		if err := in.fill(s.queryElements(), s.DType); err != nil {
			return nil, err
		}
	}
	for _, in := range []*input{&g.k, &g.v} {
		if err := in.fill(s.keyElements(), s.DType); err != nil {
			return nil, err
		}
	}
	for _, out := range []*buffer{&g.o, &g.dq} {
		if _, err := out.grow(2 * int64(s.queryElements())); err != nil {
			return nil, err
		}
	}
	for _, out := range []*buffer{&g.dk, &g.dv} {
		if _, err := out.grow(2 * int64(s.keyElements())); err != nil {
			return nil, err
		}
	}
	forwardArgs := g.forward(s)
	forward := func() error { return kernel.Forward(sigattn.Stream(g.stream), forwardArgs) }
	if s.Pass == Forward {
		return forward, nil
	}
	args := g.backward(s)
	size, err := kernel.WorkspaceSize(args)
	if err != nil {
		return nil, err
	}
	if _, err := g.workspace.grow(size); err != nil {
		return nil, err
	}
	args.Workspace, args.WorkspaceBytes = sigattn.DevicePtr(g.workspace.data), g.workspace.bytes
	backward := func() error { return kernel.Backward(sigattn.Stream(g.stream), args) }
	if s.Pass != Step {
		return backward, nil
	}
	return func() error {
		if err := forward(); err != nil {
			return err
		}
		return backward()
	}, nil
}

func (g *GPU) kernel(s Shape) (*sigattn.Kernel, error) {
	p, err := g.choose(s)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if kernel, loaded := g.kernels[p]; loaded {
		return kernel, nil
	}
	kernel, err := sigattn.Load(p)
	if err != nil {
		return nil, err
	}
	g.kernels[p] = kernel
	return kernel, nil
}

// Tensors are dense [batch, sequence, head, head dim].
func (s Shape) queries(p driver.DevicePtr) sigattn.Tensor {
	return sigattn.BSHD(sigattn.DevicePtr(p), s.Batch, s.SeqLenQ(), s.HeadsQ, s.HeadDim)
}

func (s Shape) keys(p driver.DevicePtr) sigattn.Tensor {
	return sigattn.BSHD(sigattn.DevicePtr(p), s.Batch, s.SeqLen, s.HeadsKV, s.HeadDim)
}

func (g *board) forward(s Shape) sigattn.ForwardArgs {
	return sigattn.ForwardArgs{Q: s.queries(g.q.data), K: s.keys(g.k.data), V: s.keys(g.v.data), O: s.queries(g.o.data), Scale: float32(s.Scale())}
}

func (g *board) backward(s Shape) sigattn.BackwardArgs {
	return sigattn.BackwardArgs{
		Q: s.queries(g.q.data), K: s.keys(g.k.data), V: s.keys(g.v.data), DO: s.queries(g.do.data),
		DQ: s.queries(g.dq.data), DK: s.keys(g.dk.data), DV: s.keys(g.dv.data),
		Scale: float32(s.Scale()), Deterministic: s.Pass == BackwardDeterministic,
	}
}

// time runs ahead warm-ups and then iters runs between events. The device is never idle between the last warm-up and
// the last run, so that no launch's latency is measured.
func (g *board) time(run func() error, ahead, iters int) ([]float64, error) {
	for len(g.events) <= iters {
		event, err := driver.NewEvent()
		if err != nil {
			return nil, err
		}
		g.events = append(g.events, event)
	}
	for range ahead {
		if err := run(); err != nil {
			return nil, err
		}
	}
	if err := g.events[0].Record(g.stream); err != nil {
		return nil, err
	}
	for _, event := range g.events[1 : iters+1] {
		if err := run(); err != nil {
			return nil, err
		}
		if err := event.Record(g.stream); err != nil {
			return nil, err
		}
	}
	if err := g.stream.Synchronize(); err != nil {
		return nil, err
	}
	ms := make([]float64, iters)
	for i := range ms {
		took, err := g.events[i+1].Since(g.events[i])
		if err != nil {
			return nil, err
		}
		ms[i] = float64(took) / float64(time.Millisecond)
	}
	return ms, nil
}

// close releases everything in the reverse of the order in which it is made.
func (g *board) close() error {
	var errs []error
	for _, kernel := range g.kernels {
		errs = append(errs, kernel.Close())
	}
	for _, in := range []*input{&g.q, &g.k, &g.v, &g.do} {
		errs = append(errs, in.free())
	}
	for _, b := range []*buffer{&g.o, &g.dq, &g.dk, &g.dv, &g.workspace} {
		errs = append(errs, b.free())
	}
	for _, event := range g.events {
		errs = append(errs, event.Destroy())
	}
	if g.stream != 0 {
		errs = append(errs, g.stream.Destroy())
	}
	return errors.Join(errs...)
}
