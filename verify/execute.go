package verify

import (
	"errors"
	"fmt"
	"slices"

	"github.com/sigattn/sigattn"
)

// execution is a case on a device. Its methods run on any goroutine; what calls the device goes through do.
type execution struct {
	on     Device
	do     func(func() error) error // calls its argument on the device's goroutine
	kernel Kernel
	Case
	problem *problem
	bare    bool // no guard bands and a workspace as it comes, so that compute-sanitizer sees each's bounds and first use

	place   arrangement
	buffers []*memory // of place, then dBias
	dBias   *memory
	beside  *memory // O of the launches beside
}

// prepare allocates the case's buffers and uploads its inputs. The caller calls release even where it fails.
func (e *execution) prepare() error {
	e.place = arrange(e.Layout, e.Shape, e.Seed, e.bare)
	for _, x := range e.place.buffers {
		e.buffers = append(e.buffers, newMemory(e.on, x))
	}
	e.dBias = newMemory(e.on, e.biasExtent())
	e.buffers = append(e.buffers, e.dBias)
	if e.Beside {
		e.beside = newMemory(e.on, e.place.buffers[e.place.views[roleO].buffer])
	}
	in := e.problem.inputs
	for r, t := range map[role]*tensor{roleQ: in.q, roleK: in.k, roleV: in.v, roleDO: in.dO} {
		if t != nil {
			e.store(r, t)
		}
	}
	return e.do(func() error {
		for _, m := range e.all(e.beside) {
			if err := m.alloc(); err != nil {
				return err
			}
			if err := m.upload(); err != nil {
				return err
			}
		}
		return nil
	})
}

// all is every buffer of the case and another, which may be nil.
func (e *execution) all(another *memory) []*memory {
	if another == nil {
		return e.buffers
	}
	return append(slices.Clone(e.buffers), another)
}

// store puts an input into its buffer's contents.
func (e *execution) store(r role, t *tensor) {
	v := e.place.views[r]
	for b := range t.batch {
		for i := range t.seqLen {
			for h := range t.heads {
				x := rowIndex{b, i, h}
				e.buffers[v.buffer].put(v.offset(x), t.row(x))
			}
		}
	}
}

// holds reports whether one of the roles lies in a buffer.
func (e *execution) holds(buffer int, of ...role) bool {
	return slices.ContainsFunc(of, func(r role) bool { return e.place.views[r].buffer == buffer })
}

func (e *execution) holdsInput(buffer int) bool { return e.holds(buffer, roleQ, roleK, roleV, roleDO) }

func (e *execution) holdsOutput(buffer int) bool {
	return e.holds(buffer, roleO, roleDQ, roleDK, roleDV)
}

// biasExtent is the buffer of dbias, two elements to a float32.
func (e *execution) biasExtent() extent {
	guard := band(0, e.bare)
	return whole("dbias", guard+2*int64(e.HeadsQ)+guard)
}

func (e *execution) release() error {
	return e.do(func() error {
		var errs []error
		for _, m := range e.all(e.beside) {
			errs = append(errs, m.free())
		}
		return errors.Join(errs...)
	})
}

// run launches one mode, as often as the case says, and checks what the reference is not needed for.
func (e *execution) run(mode Mode) (r *results, err error) {
	if mode == Forward {
		return e.launches(mode, e.forward, nil)
	}
	bytes, err := e.kernel.WorkspaceSize(e.backwardArgs(mode))
	if err != nil {
		return nil, err
	}
	var workspace *memory
	if bytes > 0 {
		workspace = newMemory(e.on, e.workspaceExtent(bytes))
		defer func() { err = errors.Join(err, e.do(workspace.free)) }()
		if err := e.do(workspace.alloc); err != nil {
			return nil, err
		}
	}
	return e.launches(mode, func(s sigattn.Stream) error { return e.backward(s, mode, workspace, bytes) }, workspace)
}

// workspaceExtent is a workspace of so many bytes between guard bands, which alone the host looks at.
func (e *execution) workspaceExtent(bytes int64) extent {
	guard := band(0, e.bare)
	end := guard + bytes/2
	return extent{"workspace", end + guard, []window{{0, guard}, {end, guard}}}
}

// launches runs a mode once, again for repetition, and again from a captured graph.
func (e *execution) launches(mode Mode, launch func(sigattn.Stream) error, workspace *memory) (*results, error) {
	submit := func() error { return launch(e.on.Stream()) }
	first, err := e.once(mode, submit, workspace)
	if err != nil {
		return nil, err
	}
	for n := 1; n < e.Repeat && len(first.failures) == 0; n++ {
		if err := e.again(first, mode, submit, workspace, fmt.Sprintf("launch %d of %d", n+1, e.Repeat)); err != nil {
			return nil, err
		}
	}
	if e.Capture {
		if err := e.replay(first, mode, launch, workspace); err != nil {
			return nil, err
		}
	}
	return first, nil
}

// replay captures a launch and replays it twice.
func (e *execution) replay(first *results, mode Mode, launch func(sigattn.Stream) error, workspace *memory) (err error) {
	var replay, release func() error
	err = e.do(func() (err error) {
		replay, release, err = e.on.Capture(launch)
		return err
	})
	if err != nil {
		return fmt.Errorf("capturing in a graph: %w", err)
	}
	defer func() { err = errors.Join(err, e.do(release)) }()
	for n := range 2 {
		if err := e.again(first, mode, replay, workspace, fmt.Sprintf("replay %d of a captured graph", n+1)); err != nil {
			return err
		}
	}
	return nil
}

// once submits a mode, reads everything back and checks it.
func (e *execution) once(mode Mode, submit func() error, workspace *memory) (*results, error) {
	if err := e.submit(submit, workspace, e.all(workspace)); err != nil {
		return nil, err
	}
	return e.collect(mode, workspace)
}

// submit poisons the outputs, runs a launch, waits for it and reads some buffers, all of it without anything else on the
// device, so that an error is this launch's.
func (e *execution) submit(launch func() error, workspace *memory, read []*memory) error {
	return e.do(func() error {
		if err := e.poisonOutputs(workspace); err != nil {
			return err
		}
		if err := e.launchBeside(); err != nil {
			return err
		}
		if err := launch(); err != nil {
			return err
		}
		if err := e.launchBeside(); err != nil {
			return err
		}
		if err := e.on.Synchronize(); err != nil {
			return err
		}
		for _, m := range read {
			if err := m.download(); err != nil {
				return err
			}
		}
		return e.on.Synchronize()
	})
}

// poisonOutputs poisons whatever some mode writes, and the workspace.
func (e *execution) poisonOutputs(workspace *memory) error {
	for i, m := range e.buffers {
		switch {
		case m == e.dBias || !e.holdsInput(i):
			if err := m.poison(); err != nil {
				return err
			}
		case e.holdsOutput(i):
			if err := m.upload(); err != nil {
				return err
			}
		}
	}
	if workspace == nil || e.bare {
		return nil
	}
	return e.on.Fill(workspace.base, poisonWord, workspace.length/2)
}

// launchBeside keeps the second stream busy, where the case asks for it, with forward launches into a buffer of their own.
func (e *execution) launchBeside() error {
	if e.beside == nil {
		return nil
	}
	const launches = 2
	args := e.forwardArgs()
	args.O = e.place.views[roleO].tensor(roleO, e.Shape, e.beside.base)
	for range launches {
		if err := e.kernel.Forward(e.on.Beside(), args); err != nil {
			return err
		}
	}
	return nil
}

// tensor is a role's argument.
func (e *execution) tensor(r role) sigattn.Tensor {
	v := e.place.views[r]
	return v.tensor(r, e.Shape, e.buffers[v.buffer].base)
}

func (e *execution) forwardArgs() sigattn.ForwardArgs {
	return sigattn.ForwardArgs{
		Q: e.tensor(roleQ), K: e.tensor(roleK), V: e.tensor(roleV), O: e.tensor(roleO),
		Scale: e.Scale, Bias: e.biasArgument(),
	}
}

func (e *execution) forward(s sigattn.Stream) error { return e.kernel.Forward(s, e.forwardArgs()) }

func (e *execution) backwardArgs(mode Mode) sigattn.BackwardArgs {
	args := sigattn.BackwardArgs{
		Q: e.tensor(roleQ), K: e.tensor(roleK), V: e.tensor(roleV), DO: e.tensor(roleDO),
		DQ: e.tensor(roleDQ), DK: e.tensor(roleDK), DV: e.tensor(roleDV),
		Scale: e.Scale, Bias: e.biasArgument(), Deterministic: mode == Deterministic,
	}
	if !e.NoDBias {
		args.DBias = e.dBias.base + sigattn.DevicePtr(2*e.biasOffset())
	}
	return args
}

func (e *execution) biasOffset() int64 { return (e.dBias.length - 2*int64(e.HeadsQ)) / 2 }

func (e *execution) backward(s sigattn.Stream, mode Mode, workspace *memory, bytes int64) error {
	args := e.backwardArgs(mode)
	if workspace != nil {
		args.Workspace = workspace.base + sigattn.DevicePtr(2*workspace.windows[0].length)
		args.WorkspaceBytes = bytes
	}
	return e.kernel.Backward(s, args)
}
