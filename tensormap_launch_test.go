//go:build linux && !android && (amd64 || arm64)

package sigattn

import (
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/sigattn/sigattn/internal/abi"
	"github.com/sigattn/sigattn/internal/driver"
	"github.com/sigattn/sigattn/internal/driver/fakecuda"
)

// fakeMap is what the stand-in makes of a tensor: its arguments.
func fakeMap(element driver.TensorType, t *Tensor, rows uint64, seq, head, batch int64) abi.TensorMap {
	const rank, swizzle, promotion = 4, uint64(driver.Swizzle128), uint64(driver.Promote256)
	return abi.TensorMap{Words: [16]uint64{
		uint64(element) | rank<<8 | swizzle<<16 | promotion<<24, uint64(t.Data),
		uint64(t.HeadDim), uint64(t.SeqLen), uint64(t.Heads), uint64(t.Batch), 0,
		64, rows, 1, 1, 0,
		uint64(seq), uint64(head), uint64(batch),
	}}
}

func forwardTensorParams(r *fakecuda.Record) abi.ForwardTensorParams {
	return *(*abi.ForwardTensorParams)(unsafe.Pointer(&r.Params))
}

func TestMappedLaunch(t *testing.T) {
	fakecuda.Run(t, func(fake *fakecuda.Driver) {
		makeCurrent(t)
		fake.Set(on(h100))
		for _, dtype := range []DType{BF16, FP16} {
			p := makePackage(t, bothForward()...)
			p.DType = dtype
			k := mustLoad(t, p)
			if info := k.Info(); len(info.Images) != 2 || info.Images[0].Arch != SM90 || info.Images[0].PTX || info.Images[1].Arch != SM80 || !info.Images[1].PTX {
				t.Errorf("%+v", info)
			}
			args := forwardArgs(usual)
			args.V = BHSD(args.V.Data, 2, 2, 500, 64)
			if err := k.Forward(7, args); err != nil {
				t.Fatal(err)
			}
			r := fake.Take()
			if len(r) != 1 {
				t.Fatalf("%d launches", len(r))
			}
			plain, _, _ := checkForward(128, 128, &args)
			element := map[DType]driver.TensorType{BF16: driver.TensorBFloat16, FP16: driver.TensorFloat16}[dtype]
			want := abi.ForwardTensorParams{
				QMap:  fakeMap(element, &args.Q, 64, 8*128, 128, 300*8*128),
				KMap:  fakeMap(element, &args.K, 96, 2*128, 128, 500*2*128),
				VMap:  fakeMap(element, &args.V, 96, 128, 500*128, 2*500*128),
				OMap:  fakeMap(element, &args.O, 64, 8*128, 128, 300*8*128),
				Plain: plain,
			}
			if got := forwardTensorParams(&r[0]); got != want {
				t.Errorf("%v: parameters %+v\nwant %+v", dtype, got, want)
			}
			if r[0].Name() != k.Info().Images[0].Name || r[0].Blocks != uint32(h100.processors) || r[0].SharedBytes != 200000 || r[0].Stream != 7 {
				t.Errorf("%s: %+v", r[0].Name(), r[0])
			}
			if err := k.Close(); err != nil || fake.Modules() != 0 {
				t.Errorf("close: %v, %d modules stay", err, fake.Modules())
			}
		}
	})
}

// Every call launches what ForwardImage names, over as many blocks as there are tiles where SMs are more.
func TestMappedGrids(t *testing.T) {
	fakecuda.Run(t, func(fake *fakecuda.Driver) {
		makeCurrent(t)
		fake.Set(on(h100)) // 4 SMs
		k := mustLoad(t, makePackage(t, bothForward()...))
		for name, c := range map[string]struct {
			shape    shape
			reversed bool
			want     uint32 // blocks
			arch     Arch
		}{
			"one tile":    {shape{1, 1, 1, 1, 1, 8}, false, 1, SM90},
			"three":       {shape{3, 128, 9, 1, 1, 128}, false, 3, SM90},
			"as many":     {shape{1, 129, 9, 2, 1, 128}, false, 4, SM90},
			"more":        {shape{5, 129, 9, 2, 1, 128}, false, 4, SM90},
			"no map":      {shape{5, 129, 9, 2, 1, 128}, true, 20, SM80},
			"no keys":     {shape{5, 129, 0, 2, 1, 128}, false, 20, SM80},
			"no queries":  {shape{5, 0, 9, 2, 1, 128}, false, 0, SM80},
			"no batch":    {shape{0, 129, 9, 2, 1, 128}, false, 0, SM80},
			"beyond 2^16": {shape{70000, 1, 1, 2, 2, 16}, false, 4, SM90},
		} {
			args := forwardArgs(c.shape)
			if c.reversed {
				args.K.Data += DevicePtr(8 * args.K.StrideSeq * elementBytes)
				args.K.StrideSeq = -args.K.StrideSeq
			}
			image, err := k.ForwardImage(args)
			if err := errors.Join(err, k.Forward(0, args)); err != nil || image.Arch != c.arch {
				t.Errorf("%s: %v by %v", name, err, image.Arch)
			}
			var blocks uint32
			for _, r := range fake.Take() {
				blocks += r.Blocks
				if r.Name() != image.Name {
					t.Errorf("%s: %s ran, not %s", name, r.Name(), image.Name)
				}
			}
			if blocks != c.want {
				t.Errorf("%s: %d blocks, want %d", name, blocks, c.want)
			}
		}
		alone := mustLoad(t, makePackage(t, bothForward()[0]))
		if err := alone.Forward(0, forwardArgs(shape{2, 300, 0, 8, 2, 64})); !errors.Is(err, ErrShape) {
			t.Errorf("no keys and no image for them: %v", err)
		}
		if err := alone.Forward(0, forwardArgs(shape{2, 0, 500, 8, 2, 64})); err != nil || len(fake.Take()) != 0 {
			t.Errorf("nothing to compute: %v, or something was launched", err)
		}
	})
}

// A launch that splits keys has clusters.
func TestClustersAreLaunched(t *testing.T) {
	fakecuda.Run(t, func(fake *fakecuda.Driver) {
		makeCurrent(t)
		fake.Set(fakecuda.H100)
		k := mustLoad(t, makePackage(t, splitting()...))
		for _, c := range []struct {
			keys            int
			blocks, cluster uint32
		}{{4096, 64, 16}, {100, 4, 1}} {
			if err := k.Forward(7, forwardArgs(shape{1, 64, c.keys, 4, 2, 128})); err != nil {
				t.Fatal(err)
			}
			r := fake.Take()
			if len(r) != 1 || r[0].Name() != kernelName(ForwardSplit, SM90, 64, 128) || r[0].Blocks != c.blocks || r[0].Cluster != c.cluster || r[0].Stream != 7 {
				t.Errorf("%d keys: %d launches, %s, %d blocks in clusters of %d", c.keys, len(r), r[0].Name(), r[0].Blocks, r[0].Cluster)
			}
			// Of 64 queries of 4 heads, by two: heads before the sequence, and 32 queries of two heads in a box.
			if q := forwardTensorParams(&r[0]).QMap.Words; q[3] != 4 || q[4] != 64 || q[8] != 2 || q[9] != 32 {
				t.Errorf("%d keys: the map of Q has dimensions %v and boxes %v", c.keys, q[2:7], q[7:12])
			}
		}
	})
}

func TestFailedMap(t *testing.T) {
	fakecuda.Run(t, func(fake *fakecuda.Driver) {
		makeCurrent(t)
		s := on(h100)
		fake.Set(s)
		k := mustLoad(t, makePackage(t, bothForward()...))
		s.FailOp, s.FailCode = "cuTensorMapEncodeTiled", driver.CodeInvalidValue
		fake.Set(s)
		var e *CUDAError
		err := k.Forward(0, forwardArgs(usual))
		if !errors.As(err, &e) || e.Op != s.FailOp || !strings.Contains(err.Error(), k.Info().Images[0].Name) || len(fake.Take()) != 0 {
			t.Errorf("got %v, want the failure of %s", err, s.FailOp)
		}
	})
}

// Where the driver has no use for machine code, PTX of the same kernel serves.
func TestLoadTakesPTXForRefusedCubins(t *testing.T) {
	fakecuda.Run(t, func(fake *fakecuda.Driver) {
		makeCurrent(t)
		s := on(h100)
		s.FailOp, s.FailCode = "cubin", driver.CodeNoBinaryForGPU
		fake.Set(s)
		k := mustLoad(t, makePackage(t, bothForward()...))
		for _, i := range k.Info().Images {
			if !i.PTX {
				t.Errorf("%s is machine code", i.Name)
			}
		}
		p := makePackage(t, bothForward()[0])
		p.Archive = makeArchive(t, entriesOf(t, p.Kernels, func(image string) bool { return strings.HasSuffix(image, cubinSuffix) }))
		var e *CUDAError
		if _, err := Load(p); !errors.As(err, &e) || e.Code != driver.CodeNoBinaryForGPU {
			t.Errorf("without PTX: %v", err)
		}
		s.FailCode = driver.CodeInvalidValue
		fake.Set(s)
		if _, err := Load(makePackage(t, bothForward()[0])); !errors.As(err, &e) || e.Code != driver.CodeInvalidValue {
			t.Errorf("another failure: %v", err)
		}
	})
}

// Goroutines that launch at once do not mix up their maps.
func TestMapsFromManyGoroutines(t *testing.T) {
	fakecuda.Run(t, func(fake *fakecuda.Driver) {
		c := makeCurrent(t)
		fake.Set(on(h100))
		k := mustLoad(t, makePackage(t, bothForward()...))
		const goroutines, calls = 8, 100
		base := forwardArgs(usual)
		var wg sync.WaitGroup
		for g := range goroutines {
			wg.Go(func() {
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				if err := c.SetCurrent(); err != nil {
					t.Error(err)
				}
				args := base
				for _, x := range []*Tensor{&args.Q, &args.K, &args.V, &args.O} {
					x.Data += DevicePtr(g) << 40
				}
				for range calls {
					if err := k.Forward(Stream(1+g), args); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		records := fake.Take()
		if len(records) != goroutines*calls {
			t.Fatalf("%d launches", len(records))
		}
		for _, r := range records {
			p, move := forwardTensorParams(&r), uint64(r.Stream-1)<<40
			for i, x := range []struct {
				m  abi.TensorMap
				of *Tensor
			}{{p.QMap, &base.Q}, {p.KMap, &base.K}, {p.VMap, &base.V}, {p.OMap, &base.O}} {
				if x.m.Words[1] != uint64(x.of.Data)+move {
					t.Fatalf("map %d of stream %d is of another goroutine's tensor", i, r.Stream)
				}
			}
		}
	})
}
