package sigattn_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/sigattn/sigattn"
	"github.com/sigattn/sigattn/generated/d128bf16causal"
	"github.com/sigattn/sigattn/internal/abi"
	"github.com/sigattn/sigattn/internal/driver"
)

// launcher is a loaded kernel and the arguments of launches so small that the device keeps up with the host.
type launcher struct {
	kernel   *sigattn.Kernel
	stream   sigattn.Stream
	forward  sigattn.ForwardArgs
	backward sigattn.BackwardArgs
}

// onGPU runs f with a launcher in the first GPU's context; it skips where there is no GPU.
func onGPU(b *testing.B, f func(*launcher) error) {
	b.Helper()
	err := driver.WithPrimary(0, func() (err error) {
		l := new(launcher)
		if l.kernel, err = d128bf16causal.Load(); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, driver.Synchronize(), l.kernel.Close()) }()
		stream, err := driver.NewStream()
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stream.Destroy()) }()
		l.stream = sigattn.Stream(stream)

		const heads, headDim, bytes = 2, 128, 1 << 20 // of memory for everything, far more than is used
		memory, err := driver.Alloc(bytes)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, driver.Free(memory)) }()
		if err := driver.Memset(memory, 0, bytes); err != nil {
			return err
		}
		next := sigattn.DevicePtr(memory)
		tensor := func() sigattn.Tensor {
			t := sigattn.BSHD(next, 1, 1, heads, headDim)
			next += 4096
			return t
		}
		l.forward = sigattn.ForwardArgs{Q: tensor(), K: tensor(), V: tensor(), O: tensor()}
		l.backward = sigattn.BackwardArgs{
			Q: l.forward.Q, K: l.forward.K, V: l.forward.V, DO: tensor(), DQ: tensor(), DK: tensor(), DV: tensor(),
			DBias: next, Workspace: next + 4096, WorkspaceBytes: bytes / 2,
		}
		return f(l)
	})
	if errors.Is(err, sigattn.ErrNoDriver) {
		b.Skip(err)
	}
	if err != nil {
		b.Fatal(err)
	}
}

const (
	callsFirst = 8    // of a burst, not timed: they wake the device
	callsTimed = 64   // of a burst: the device's queue has room for the launches of all of them, or the host would wait
	callsInRow = 4096 // more than the queue holds
)

// benchmarkLaunch times the host's part of a call, and reports its allocations. The host's is the median of bursts, after each of
// which the device is waited for outside of the time. Calls in a row take what the slower of host and device takes.
func benchmarkLaunch(b *testing.B, call func(*launcher) error) {
	b.Helper()
	onGPU(b, func(l *launcher) error {
		timed := func(calls int) (time.Duration, error) {
			start := time.Now()
			for range calls {
				if err := call(l); err != nil {
					return 0, err
				}
			}
			return time.Since(start), nil
		}
		if _, err := timed(callsFirst); err != nil {
			return err
		}
		allocations := testing.AllocsPerRun(callsTimed, func() {
			if err := call(l); err != nil {
				b.Error(err)
			}
		})
		if allocations != 0 {
			b.Errorf("%v allocations, want none", allocations)
		}
		var bursts []time.Duration
		for b.Loop() {
			if _, err := timed(callsFirst); err != nil {
				return err
			}
			burst, err := timed(callsTimed)
			if err := errors.Join(err, driver.Synchronize()); err != nil {
				return err
			}
			bursts = append(bursts, burst)
		}
		row, err := timed(callsInRow)
		if err := errors.Join(err, driver.Synchronize()); err != nil {
			return err
		}
		slices.Sort(bursts)
		b.ReportMetric(float64(bursts[len(bursts)/2].Nanoseconds())/callsTimed, "ns/call")
		b.ReportMetric(float64(row.Nanoseconds())/callsInRow, "ns/call-in-row")
		b.ReportMetric(allocations, "allocs/call")
		b.ReportMetric(0, "ns/op") // would count the waiting
		return nil
	})
}

// emptyKernel is PTX of a kernel that does nothing, for a size of its parameters.
const emptyKernel = `.version 7.0
.target sm_80
.address_size 64
.visible .entry empty(.param .align 64 .b8 params[%d]) { ret; }
`

// benchmarkEmpty is the driver's part of a kernel launch: its call alone, of a kernel that does nothing.
func benchmarkEmpty[P any](b *testing.B) {
	var params P
	var empty driver.Function
	benchmarkLaunch(b, func(l *launcher) error {
		if empty == 0 { // its module goes with the context
			module, err := driver.LoadPTX(fmt.Appendf(nil, emptyKernel, unsafe.Sizeof(params)))
			if err != nil {
				return err
			}
			if empty, err = module.Function("empty"); err != nil {
				return err
			}
		}
		return driver.LaunchKernel(empty, driver.Launch{Blocks: 2, Threads: 128, Stream: driver.Stream(l.stream)}, &params)
	})
}

// BenchmarkDriverLaunch is by the parameters that kernels take.
func BenchmarkDriverLaunch(b *testing.B) {
	b.Run("fwd", benchmarkEmpty[abi.ForwardParams])
	b.Run("fwd_sm90", benchmarkEmpty[abi.ForwardTensorParams])
	b.Run("bwd", benchmarkEmpty[abi.BackwardParams])
	b.Run("bwd_sm90", benchmarkEmpty[abi.BackwardTensorParams])
}

// BenchmarkForwardLaunch is one kernel launch a call: of the same tensors, and of tensors that no call had before.
func BenchmarkForwardLaunch(b *testing.B) {
	b.Run("same", func(b *testing.B) {
		benchmarkLaunch(b, func(l *launcher) error { return l.kernel.Forward(l.stream, l.forward) })
	})
	b.Run("new", func(b *testing.B) {
		benchmarkLaunch(b, func(l *launcher) error {
			for _, t := range []*sigattn.Tensor{&l.forward.Q, &l.forward.K, &l.forward.V, &l.forward.O} {
				t.StrideSeq += 8 // over rows of which there is one
			}
			return l.kernel.Forward(l.stream, l.forward)
		})
	})
}

// BenchmarkBackwardLaunch is a memset and two kernel launches a call, and in deterministic mode three kernel launches.
func BenchmarkBackwardLaunch(b *testing.B) {
	for _, mode := range []struct {
		name          string
		deterministic bool
	}{{"fast", false}, {"deterministic", true}} {
		b.Run(mode.name, func(b *testing.B) {
			benchmarkLaunch(b, func(l *launcher) error {
				l.backward.Deterministic = mode.deterministic
				return l.kernel.Backward(l.stream, l.backward)
			})
		})
	}
}
