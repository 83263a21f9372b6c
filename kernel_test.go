//go:build linux && !android && (amd64 || arm64)

package sigattn

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/sigattn/sigattn/internal/abi"
	"github.com/sigattn/sigattn/internal/driver"
	"github.com/sigattn/sigattn/internal/driver/fakecuda"
)

// makeCurrent gives the test's thread the primary context.
func makeCurrent(t testing.TB) driver.Context {
	t.Helper()
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	d, err := driver.DeviceAt(0)
	if err != nil {
		t.Fatal(err)
	}
	c, err := d.RetainPrimary()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetCurrent(); err != nil {
		t.Fatal(err)
	}
	return c
}

func mustLoad(t testing.TB, p *Package) *Kernel {
	t.Helper()
	k, err := Load(p)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// on is a device of the stand-in.
func on(c chip) fakecuda.Settings {
	return fakecuda.Settings{Capability: int32(c.arch), SharedBytes: int32(c.sharedBytes), Processors: int32(c.processors), Recording: true}
}

func TestLoadWithoutDriver(t *testing.T) {
	if driver.Available() {
		t.Skip("there is a driver")
	}
	k, err := Load(makePackage(t, allPasses(SM80)...))
	if k != nil || !errors.Is(err, ErrNoDriver) {
		t.Errorf("got %v, %v, want ErrNoDriver", k, err)
	}
}

func TestLoadAndClose(t *testing.T) {
	fakecuda.Run(t, func(fake *fakecuda.Driver) {
		p := makePackage(t, twoPlans()...)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if _, err := Load(p); !errors.Is(err, ErrContext) {
			t.Errorf("without a context: %v, want ErrContext", err)
		}
		makeCurrent(t)
		for _, c := range []struct {
			on    chip
			ptx   bool
			tileM int
		}{{a100, false, 128}, {l4, false, 64}, {h100, true, 128}, {rtx5090, true, 64}} {
			fake.Set(on(c.on))
			k := mustLoad(t, p)
			info := k.Info()
			if info.Package != p.Name || info.Device != c.on.arch || len(info.Images) != 3 || fake.Modules() != 3 {
				t.Fatalf("%v: %+v, %d modules", c.on.arch, info, fake.Modules())
			}
			if i := info.Images[0]; i.PTX != c.ptx || i.TileM != c.tileM || i.Registers != 128 {
				t.Errorf("%v: %+v", c.on.arch, i)
			}
			if err := errors.Join(k.Close(), k.Close()); err != nil || fake.Modules() != 0 {
				t.Errorf("%v: close: %v, %d modules stay", c.on.arch, err, fake.Modules())
			}
			if err := k.Forward(0, forwardArgs(usual)); !errors.Is(err, ErrClosed) {
				t.Errorf("after Close: %v", err)
			}
		}
		fake.Set(on(t4))
		if _, err := Load(p); !errors.Is(err, ErrUnsupportedArch) {
			t.Errorf("on 7.5: %v, want ErrUnsupportedArch", err)
		}
	})
}

// Whatever fails, Load leaves nothing loaded.
func TestFailedLoad(t *testing.T) {
	fakecuda.Run(t, func(fake *fakecuda.Driver) {
		makeCurrent(t)
		kernels := allPasses(SM80)
		for _, op := range []string{
			"cuCtxGetCurrent", "cuCtxGetDevice", "cuDeviceGetAttribute", "cuModuleLoadDataEx", "cuModuleGetFunction", "cuFuncSetAttribute", "cuFuncGetAttribute",
		} {
			s := on(a100)
			s.FailOp, s.FailCode = op, driver.CodeInvalidValue
			fake.Set(s)
			_, err := Load(makePackage(t, kernels...))
			var e *CUDAError
			if !errors.As(err, &e) || !errors.Is(err, ErrCUDA) || e.Op != op || fake.Modules() != 0 {
				t.Errorf("%s: %v, %d modules", op, err, fake.Modules())
			}
		}
		fake.Set(on(a100))

		p := makePackage(t, kernels...)
		entries := entriesOf(t, kernels, everyImage)
		last := slices.IndexFunc(entries, func(e entry) bool { return e.name == kernels[4].Name+cubinSuffix })
		entries[last].data = append(entries[last].data, 'x')
		p.Archive = makeArchive(t, entries)
		_, err := Load(p)
		checkArchiveError(t, err, entries[last].name)
		if fake.Modules() != 0 {
			t.Errorf("%d modules stay", fake.Modules())
		}
	})
}

func TestContextOfLaunches(t *testing.T) {
	fakecuda.Run(t, func(fake *fakecuda.Driver) {
		c := makeCurrent(t)
		k := mustLoad(t, makePackage(t, allPasses(SM80)...))
		calls := map[string]func() error{
			"Forward":  func() error { return k.Forward(0, forwardArgs(usual)) },
			"Backward": func() error { return k.Backward(0, backwardArgs(usual)) },
			"Close":    k.Close,
		}
		for _, other := range []struct {
			context driver.Context
			says    string
		}{{0, "none is current"}, {0xbeef, "0xbeef is current, want Load's, 0xc0de"}} {
			if err := other.context.SetCurrent(); err != nil {
				t.Fatal(err)
			}
			for name, call := range calls {
				if err := call(); !errors.Is(err, ErrContext) || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), other.says) {
					t.Errorf("%s: %v, want ErrContext that says %q", name, err, other.says)
				}
			}
		}
		if err := c.SetCurrent(); err != nil {
			t.Fatal(err)
		}
		bad, badGradient := forwardArgs(usual), backwardArgs(usual)
		bad.K.Heads, badGradient.Workspace = 3, 0
		if err := errors.Join(k.Forward(0, bad), k.Backward(0, badGradient)); !errors.Is(err, ErrShape) || !errors.Is(err, ErrWorkspace) {
			t.Errorf("got %v", err)
		}
		if n := len(fake.Take()); n != 0 {
			t.Errorf("%d launches of calls that failed", n)
		}
		if fake.Modules() != 5 {
			t.Errorf("%d modules after a Close that failed, want 5", fake.Modules())
		}
	})
}

func TestForwardLaunch(t *testing.T) {
	fakecuda.Run(t, func(fake *fakecuda.Driver) {
		makeCurrent(t)
		k := mustLoad(t, makePackage(t, allPasses(SM80)...))
		args := forwardArgs(usual)
		if err := k.Forward(7, args); err != nil {
			t.Fatal(err)
		}
		r := fake.Take()
		if len(r) != 1 {
			t.Fatalf("%d launches", len(r))
		}
		want, _, _ := checkForward(128, 128, &args)
		if got := *(*abi.ForwardParams)(unsafe.Pointer(&r[0].Params)); got != want {
			t.Errorf("parameters %+v\nwant %+v", got, want)
		}
		if r[0].Name() != k.Info().Images[0].Name || r[0].Blocks != 3*8*2 || r[0].Threads != 128 || r[0].SharedBytes != 98304 || r[0].Stream != 7 || r[0].Context != 0xc0de {
			t.Errorf("%s: %+v", r[0].Name(), r[0])
		}
	})
}

// What a backward call submits, in order. Every output that must become 0 where there are no keys, no queries or no batch
// has a launch that writes it.
func TestBackwardLaunches(t *testing.T) {
	fakecuda.Run(t, func(fake *fakecuda.Driver) {
		makeCurrent(t)
		k := mustLoad(t, makePackage(t, allPasses(SM80)...)) // fused 64×96, dK-dV 64×128, dQ 32×64
		none := shape{2, 0, 0, 8, 2, 64}
		noKeys, noQueries := none, none
		noKeys.seqLenQ, noQueries.seqLenK = 300, 500
		noBatch := usual
		noBatch.batch = 0
		type submitted struct {
			what   string
			blocks uint32
		}
		cases := []struct {
			name                string
			shape               shape
			deterministic, bias bool
			want                []submitted
		}{
			{"fast", usual, false, true, []submitted{{"memset", 0}, {"bwd", 24}, {"bwdfin", 88}}},
			{"fast without bias", usual, false, false, []submitted{{"memset", 0}, {"bwd", 24}, {"bwdfin", 80}}},
			{"deterministic", usual, true, true, []submitted{{"bwddkv", 16}, {"bwddq", 160}, {"bwdfin", 8}}},
			{"deterministic without bias", usual, true, false, []submitted{{"bwddkv", 16}, {"bwddq", 160}}},
			{"no keys, fast", noKeys, false, true, []submitted{{"memset", 0}, {"bwdfin", 88}}},
			{"no keys, deterministic", noKeys, true, true, []submitted{{"bwddq", 160}, {"bwdfin", 8}}},
			{"no queries, fast", noQueries, false, true, []submitted{{"bwd", 24}, {"bwdfin", 8}}},
			{"no queries, deterministic", noQueries, true, true, []submitted{{"bwddkv", 16}, {"bwdfin", 8}}},
			{"neither", none, false, true, []submitted{{"bwdfin", 8}}},
			{"neither, without bias", none, true, false, nil},
			{"no batch, fast", noBatch, false, true, []submitted{{"bwdfin", 8}}},
			{"no batch, deterministic", noBatch, true, true, []submitted{{"bwdfin", 8}}},
		}
		for _, c := range cases {
			args := backwardArgs(c.shape)
			args.Deterministic = c.deterministic
			if !c.bias {
				args.DBias = 0
			}
			plan, err := k.backwardPlan("Backward", &args)
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			args.WorkspaceBytes = plan.bytes
			if plan.bytes == 0 {
				args.Workspace = 0
			}
			want, err := checkBackward(k.headDim, &plan, &args)
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			if err := k.Backward(9, args); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			var got []submitted
			for _, r := range fake.Take() {
				if r.Stream != 9 {
					t.Errorf("%s: stream %d", c.name, r.Stream)
				}
				if r.Op() == "memset" {
					if r.Address != uint64(args.Workspace) || r.Value != 0 || int64(r.Count)*4 != plan.zeroBytes {
						t.Errorf("%s: memset of %d words at %#x to %d", c.name, r.Count, r.Address, r.Value)
					}
					got = append(got, submitted{"memset", 0})
					continue
				}
				got = append(got, submitted{strings.Split(r.Name(), "_")[1], r.Blocks})
				if p := *(*abi.BackwardParams)(unsafe.Pointer(&r.Params)); p != want {
					t.Errorf("%s: %s has the parameters %+v\nwant %+v", c.name, r.Name(), p, want)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%s: %v, want %v", c.name, got, c.want)
			}
		}
	})
}

func TestFailedLaunch(t *testing.T) {
	fakecuda.Run(t, func(fake *fakecuda.Driver) {
		makeCurrent(t)
		k := mustLoad(t, makePackage(t, allPasses(SM80)...))
		for _, op := range []string{"cuLaunchKernel", "cuMemsetD32Async", "cuCtxGetCurrent"} {
			s := on(a100)
			s.FailOp, s.FailCode = op, driver.CodeInvalidValue
			fake.Set(s)
			var e *CUDAError
			if err := k.Backward(0, backwardArgs(usual)); !errors.As(err, &e) || e.Op != op {
				t.Errorf("got %v, want the failure of %s", err, op)
			}
		}
	})
}

// Goroutines that launch at once do not mix up their parameters, and each call's launches keep their order.
func TestLaunchesFromManyGoroutines(t *testing.T) {
	fakecuda.Run(t, func(fake *fakecuda.Driver) {
		c := makeCurrent(t)
		k := mustLoad(t, makePackage(t, allPasses(SM80)...))
		const goroutines, calls = 8, 100
		var wg sync.WaitGroup
		for g := range goroutines {
			wg.Go(func() {
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				if err := c.SetCurrent(); err != nil {
					t.Error(err)
				}
				forward, backward := forwardArgs(usual), backwardArgs(usual)
				forward.Scale, backward.Scale = float32(1+g), float32(1+g)
				for range calls {
					if err := errors.Join(k.Forward(Stream(1+g), forward), k.Backward(Stream(1+g), backward)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		byStream := map[uint64][]string{}
		for _, r := range fake.Take() {
			what := "memset"
			if r.Op() == "launch" {
				what = strings.Split(r.Name(), "_")[1]
				scale := (*abi.BackwardParams)(unsafe.Pointer(&r.Params)).Problem.Scale
				if what == "fwd" {
					scale = (*abi.ForwardParams)(unsafe.Pointer(&r.Params)).Problem.Scale
				}
				if scale != float32(r.Stream) {
					t.Fatalf("%s on stream %d has the scale %v of another goroutine", what, r.Stream, scale)
				}
			}
			byStream[r.Stream] = append(byStream[r.Stream], what)
		}
		for g := range uint64(goroutines) {
			if want := slices.Repeat([]string{"fwd", "memset", "bwd", "bwdfin"}, calls); !slices.Equal(byStream[1+g], want) {
				t.Errorf("stream %d: %d submissions, or out of order", 1+g, len(byStream[1+g]))
			}
		}
	})
}

func TestLaunchesAllocateNothing(t *testing.T) {
	if raceDetector {
		t.Skip("sync.Pool drops items under the race detector")
	}
	fakecuda.Run(t, func(fake *fakecuda.Driver) {
		s := on(a100)
		s.Recording = false
		fake.Set(s)
		makeCurrent(t)
		k := mustLoad(t, makePackage(t, allPasses(SM80)...))
		forward, fast := forwardArgs(usual), backwardArgs(usual)
		deterministic := fast
		deterministic.Deterministic = true
		s.Capability, s.SharedBytes = int32(h100.arch), int32(h100.sharedBytes)
		fake.Set(s)
		both, unmapped := mustLoad(t, makePackage(t, append(bothForward(), bothPairs()...)...)), forward
		unmapped.K.StrideBatch = 0
		moving := forward
		for name, call := range map[string]func() error{
			"Forward mapped, of tensors that are new": func() error {
				for _, x := range []*Tensor{&moving.Q, &moving.K, &moving.V, &moving.O} {
					x.Data += 1 << 32
				}
				return both.Forward(0, moving)
			},
			"Forward":                func() error { return k.Forward(0, forward) },
			"Forward mapped":         func() error { return both.Forward(0, forward) },
			"Forward unmapped":       func() error { return both.Forward(0, unmapped) },
			"ForwardImage":           func() error { _, err := both.ForwardImage(forward); return err },
			"Backward":               func() error { return k.Backward(0, fast) },
			"Backward deterministic": func() error { return k.Backward(0, deterministic) },
			"Backward mapped":        func() error { return both.Backward(0, deterministic) },
			"WorkspaceSize":          func() error { _, err := k.WorkspaceSize(fast); return err },
		} {
			if n := testing.AllocsPerRun(500, func() {
				if err := call(); err != nil {
					t.Fatal(err)
				}
			}); n != 0 {
				t.Errorf("%s: %v allocations", name, n)
			}
		}
	})
}
