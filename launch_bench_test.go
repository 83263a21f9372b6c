package sigattn_test

import (
	"errors"
	"fmt"
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
	empty    driver.Function // a kernel that does nothing, with a forward kernel's parameters
	stream   sigattn.Stream
	forward  sigattn.ForwardArgs
	backward sigattn.BackwardArgs
}

// emptyKernel is PTX for a size of the parameters.
const emptyKernel = `.version 7.0
.target sm_80
.address_size 64
.visible .entry empty(.param .align 8 .b8 params[%d]) { ret; }
`

// onGPU runs f with a launcher in the first GPU's context; it skips where there is no GPU.
func onGPU(b *testing.B, f func(*launcher) error) {
	b.Helper()
	err := driver.WithPrimary(0, func() (err error) {
		l := new(launcher)
		if l.kernel, err = d128bf16causal.Load(); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, driver.Synchronize(), l.kernel.Close()) }()
		module, err := driver.LoadPTX(fmt.Appendf(nil, emptyKernel, unsafe.Sizeof(abi.ForwardParams{})))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, driver.Synchronize(), module.Unload()) }()
		if l.empty, err = module.Function("empty"); err != nil {
			return err
		}
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

// launchesAhead is how many calls are submitted before the device is waited for, so that its queue never fills up and
// makes the host wait.
const launchesAhead = 64

// benchmarkLaunch times the host's part of a call and reports its allocations. The device's part is waited for outside
// of the time.
func benchmarkLaunch(b *testing.B, call func(*launcher) error) {
	onGPU(b, func(l *launcher) error {
		if err := call(l); err != nil {
			return err
		}
		allocations := testing.AllocsPerRun(launchesAhead, func() {
			if err := call(l); err != nil {
				b.Error(err)
			}
		})
		if allocations != 0 {
			b.Errorf("%v allocations, want none", allocations)
		}
		var spent time.Duration
		calls := 0
		for b.Loop() {
			if err := driver.Synchronize(); err != nil {
				return err
			}
			start := time.Now()
			for range launchesAhead {
				if err := call(l); err != nil {
					return err
				}
			}
			spent += time.Since(start)
			calls += launchesAhead
		}
		b.ReportMetric(float64(spent.Nanoseconds())/float64(calls), "ns/call")
		b.ReportMetric(allocations, "allocs/call")
		b.ReportMetric(0, "ns/op") // would count the waiting
		return nil
	})
}

// BenchmarkDriverLaunch is the driver's part of a kernel launch: its call alone, of a kernel that does nothing.
func BenchmarkDriverLaunch(b *testing.B) {
	var params abi.ForwardParams
	benchmarkLaunch(b, func(l *launcher) error {
		return driver.LaunchKernel(l.empty, driver.Launch{Blocks: 2, Threads: 128, Stream: driver.Stream(l.stream)}, &params)
	})
}

// BenchmarkForwardLaunch is one kernel launch a call.
func BenchmarkForwardLaunch(b *testing.B) {
	benchmarkLaunch(b, func(l *launcher) error { return l.kernel.Forward(l.stream, l.forward) })
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
