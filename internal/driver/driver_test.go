//go:build linux && !android && (amd64 || arm64)

package driver_test

import (
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/sigattn/sigattn/internal/driver"
	"github.com/sigattn/sigattn/internal/driver/fakecuda"
)

// current makes the primary context current on the test's thread.
func current(t *testing.T) driver.Context {
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

func loadFake(t *testing.T) driver.Function {
	t.Helper()
	m, err := driver.LoadPTX([]byte("ptx k_fwd_"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := m.Function("k_fwd_")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestDevice(t *testing.T) {
	fakecuda.Run(t, func(*fakecuda.Driver) {
		if !driver.Available() {
			t.Error("not available")
		}
		if major, minor, err := driver.Version(); major != 12 || minor != 4 || err != nil {
			t.Errorf("version %d.%d, %v, want 12.4", major, minor, err)
		}
		d, err := driver.DeviceAt(0)
		if err != nil {
			t.Fatal(err)
		}
		if name, err := d.Name(); name != "Fake GPU" || err != nil {
			t.Errorf("name %q, %v", name, err)
		}
		if c, err := d.Capability(); c != 80 || err != nil {
			t.Errorf("capability %d, %v, want 80", c, err)
		}
		if n, err := d.TotalMemory(); n != 1<<36 || err != nil {
			t.Errorf("memory %d, %v, want 64 GiB", n, err)
		}
		if _, err := driver.DeviceAt(1); !errors.Is(err, driver.ErrCUDA) {
			t.Errorf("device 1: %v, want ErrCUDA", err)
		}
	})
}

func TestWithPrimaryRestoresTheContext(t *testing.T) {
	fakecuda.Run(t, func(*fakecuda.Driver) {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := driver.Context(0xbeef).SetCurrent(); err != nil {
			t.Fatal(err)
		}
		err := driver.WithPrimary(0, func() error {
			if c, err := driver.CurrentContext(); c != 0xc0de || err != nil {
				t.Errorf("within: %#x, %v", uint64(c), err)
			}
			return errors.ErrUnsupported
		})
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("got %v, want the function's own error", err)
		}
		if c, err := driver.CurrentContext(); c != 0xbeef || err != nil {
			t.Errorf("afterwards: %#x, %v", uint64(c), err)
		}
	})
}

func TestErrorsNameTheCall(t *testing.T) {
	fakecuda.Run(t, func(*fakecuda.Driver) {
		current(t)
		f := loadFake(t)
		err := driver.LaunchKernel(f, driver.Launch{Threads: 32}, new([8]uint64))
		var e *driver.Error
		if !errors.As(err, &e) || !errors.Is(err, driver.ErrCUDA) {
			t.Fatalf("got %v, want an *Error that wraps ErrCUDA", err)
		}
		want := driver.Error{Op: "cuLaunchKernel", Code: 1, Name: "CUDA_ERROR_INVALID_VALUE", Detail: "invalid argument"}
		if *e != want {
			t.Errorf("got %+v, want %+v", *e, want)
		}
		_, err = driver.LoadPTX([]byte("bad ptx"))
		if err == nil || !strings.Contains(err.Error(), "ptxas error: line 7") {
			t.Errorf("got %v, want the compiler's log", err)
		}
		if err := driver.LaunchKernel(f, driver.Launch{Blocks: 1, Threads: 1}, new([driver.MaxParamBytes + 8]byte)); err == nil {
			t.Error("an oversized parameter block is launched")
		}
	})
}

func TestFailedInitIsNoDriver(t *testing.T) {
	fakecuda.Run(t, func(f *fakecuda.Driver) {
		s := fakecuda.A100
		s.FailOp, s.FailCode = "cuInit", driver.CodeNoDevice
		f.Set(s)
		if err := driver.Open(); !errors.Is(err, driver.ErrNoDriver) || !errors.Is(err, driver.ErrCUDA) {
			t.Errorf("got %v, want ErrNoDriver that wraps the driver's own error", err)
		}
		if driver.Available() {
			t.Error("available")
		}
	})
}

func TestLaunchPassesParameters(t *testing.T) {
	fakecuda.Run(t, func(fake *fakecuda.Driver) {
		current(t)
		f := loadFake(t)
		fake.Take()
		if err := driver.LaunchKernel(f, driver.Launch{Blocks: 1 << 20, Threads: 128, SharedBytes: 4096, Stream: 7}, &[4]uint32{1, 2, 3, 4}); err != nil {
			t.Fatal(err)
		}
		r := fake.Take()
		if len(r) != 1 || r[0].Blocks != 1<<20 || r[0].Threads != 128 || r[0].SharedBytes != 4096 || r[0].Stream != 7 {
			t.Fatalf("got %+v", r)
		}
		if r[0].Params[0] != 1 || r[0].Params[4] != 2 || r[0].Params[12] != 4 {
			t.Errorf("parameters %v", r[0].Params[:16])
		}
		if err := driver.LaunchKernel(f, driver.Launch{Blocks: 24, Cluster: 8, Threads: 256, SharedBytes: 2048, Stream: 9}, &[4]uint32{5, 6, 7, 8}); err != nil {
			t.Fatal(err)
		}
		r = fake.Take()
		if len(r) != 1 || r[0].Blocks != 24 || r[0].Cluster != 8 || r[0].Threads != 256 || r[0].SharedBytes != 2048 || r[0].Stream != 9 || r[0].Params[12] != 8 {
			t.Errorf("in clusters: %+v", r)
		}
		var e *driver.Error
		if err := driver.LaunchKernel(f, driver.Launch{Blocks: 7, Cluster: 8, Threads: 32}, new([4]uint32)); !errors.As(err, &e) || e.Op != "cuLaunchKernelEx" {
			t.Errorf("7 blocks in clusters of 8: %v, want an error of cuLaunchKernelEx", err)
		}
	})
}

func TestLaunchesFromManyGoroutines(t *testing.T) {
	fakecuda.Run(t, func(fake *fakecuda.Driver) {
		c := current(t)
		f := loadFake(t)
		const goroutines, launches = 8, 400
		var wg sync.WaitGroup
		for g := range uint64(goroutines) {
			wg.Go(func() {
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				if err := c.SetCurrent(); err != nil {
					t.Error(err)
				}
				for i := range uint64(launches) {
					var p [16]uint64
					for j := range p {
						p[j] = g<<32 | i
					}
					if err := driver.LaunchKernel(f, driver.Launch{Blocks: uint32(1 + i), Threads: 32, Stream: driver.Stream(g)}, &p); err != nil {
						t.Error(err)
					}
					if i%50 == 0 {
						runtime.GC()
					}
				}
			})
		}
		wg.Wait()
		records := fake.Take()
		if len(records) != goroutines*launches {
			t.Fatalf("%d launches, want %d", len(records), goroutines*launches)
		}
		for _, r := range records {
			for j := range 16 {
				low, high := r.Params[8*j], r.Params[8*j+4]
				if uint64(high) != r.Stream || low != byte(r.Blocks-1) {
					t.Fatalf("word %d of the parameters belongs to another launch: %v", j, r.Params[8*j:8*j+8])
				}
			}
		}
	})
}

func TestLaunchPathAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("sync.Pool drops items under the race detector")
	}
	fakecuda.Run(t, func(fake *fakecuda.Driver) {
		s := fakecuda.A100
		s.Recording = false
		fake.Set(s)
		current(t)
		f := loadFake(t)
		for name, call := range map[string]func() error{
			"launch": func() error {
				var p [32]uint64
				p[3] = 1
				return driver.LaunchKernel(f, driver.Launch{Blocks: 1, Threads: 32}, &p)
			},
			"launch in clusters": func() error {
				return driver.LaunchKernel(f, driver.Launch{Blocks: 8, Cluster: 4, Threads: 32}, new([32]uint64))
			},
			"memset":  func() error { return driver.MemsetWordsAsync(4096, 0, 8, 0) },
			"context": func() error { _, err := driver.CurrentContext(); return err },
			"tensor map": func() error {
				t := driver.TensorTile{Rank: 1, Dims: [5]uint64{64}, Box: [5]uint32{64}}
				var m driver.TensorMap
				return driver.EncodeTiled(&m, &t)
			},
		} {
			if n := testing.AllocsPerRun(1000, func() {
				if err := call(); err != nil {
					t.Fatal(err)
				}
			}); n != 0 {
				t.Errorf("%s: %v allocations", name, n)
			}
		}
	})
}
