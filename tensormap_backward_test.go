//go:build linux && !android && (amd64 || arm64)

package sigattn

import (
	"errors"
	"testing"
	"unsafe"

	"github.com/sigattn/sigattn/internal/abi"
	"github.com/sigattn/sigattn/internal/driver"
	"github.com/sigattn/sigattn/internal/driver/fakecuda"
)

func TestMappedBackward(t *testing.T) {
	fakecuda.Run(t, func(fake *fakecuda.Driver) {
		makeCurrent(t)
		fake.Set(on(h100))
		k := mustLoad(t, makePackage(t, bothFused()...)) // sm_90's 128×96
		args := backwardArgs(usual)
		args.DV = BHSD(args.DV.Data, 2, 2, 500, 64)
		if err := k.Backward(7, args); err != nil {
			t.Fatal(err)
		}
		r := fake.Take()
		if len(r) != 3 || r[0].Op() != "memset" || r[1].Name() != k.mapped[BackwardFused].Name || r[2].Name() != k.mapped[BackwardFinish].Name {
			t.Fatalf("%d launches: %+v", len(r), r)
		}
		plan, err := k.backwardPlan("Backward", &args)
		if err != nil || plan.accumBytes != 2*8*3*128*128*4 || plan.biasTiles != 6*6 {
			t.Errorf("plan %+v, %v", plan, err)
		}
		plain, err := checkBackward(k.headDim, &plan, &args)
		if err != nil {
			t.Fatal(err)
		}
		const element = driver.TensorBFloat16
		want := abi.BackwardTensorParams{
			QMap:  fakeMap(element, &args.Q, 128, 8*128, 128, 300*8*128),
			KMap:  fakeMap(element, &args.K, 96, 2*128, 128, 500*2*128),
			VMap:  fakeMap(element, &args.V, 96, 2*128, 128, 500*2*128),
			DOMap: fakeMap(element, &args.DO, 128, 8*128, 128, 300*8*128),
			Plain: plain,
		}
		if got := *(*abi.BackwardTensorParams)(unsafe.Pointer(&r[1].Params)); got != want {
			t.Errorf("parameters %+v\nwant %+v", got, want)
		}
		if got := *(*abi.BackwardParams)(unsafe.Pointer(&r[2].Params)); got != plain {
			t.Errorf("the finish kernel's parameters %+v\nwant %+v", got, plain)
		}
		if r[1].Blocks != uint32(h100.processors) || r[2].Blocks != 3*8*2+8 || r[1].Stream != 7 || r[1].SharedBytes != 200000 {
			t.Errorf("%+v\n%+v", r[1], r[2])
		}
	})
}

// Of the workspace only the counters are zeroed: the first to come stores its sums.
func TestOrderedBackward(t *testing.T) {
	fakecuda.Run(t, func(fake *fakecuda.Driver) {
		makeCurrent(t)
		fake.Set(on(h100))
		k := mustLoad(t, makePackage(t, ordered()...)) // 64×128
		args := backwardArgs(usual)
		args.Deterministic = true
		if err := k.Backward(7, args); err != nil {
			t.Fatal(err)
		}
		r := fake.Take()
		if len(r) != 3 || r[0].Op() != "memset" || r[1].Name() != k.mapped[BackwardOrdered].Name || r[2].Name() != k.mapped[BackwardFinish].Name {
			t.Fatalf("%d launches: %+v", len(r), r)
		}
		const words = 4 + 2*8*5
		if counters := uint64(args.Workspace) + 2*8*5*64*128*4; r[0].Address != counters || r[0].Count != words || r[0].Value != 0 {
			t.Errorf("memset of %d words at %#x to %d, want %d at %#x", r[0].Count, r[0].Address, r[0].Value, words, counters)
		}
		plan, err := k.backwardPlan("Backward", &args)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := checkBackward(k.headDim, &plan, &args)
		if got := *(*abi.BackwardTensorParams)(unsafe.Pointer(&r[1].Params)); err != nil || got.Plain != plain || got.KMap != fakeMap(driver.TensorBFloat16, &args.K, 128, 2*128, 128, 500*2*128) {
			t.Errorf("parameters %+v\nwant %+v, %v", got, plain, err)
		}
		if r[1].Blocks != uint32(h100.processors) || r[2].Blocks != 5*8*2+8 {
			t.Errorf("%d and %d blocks", r[1].Blocks, r[2].Blocks)
		}
	})
}

func TestMappedPair(t *testing.T) {
	fakecuda.Run(t, func(fake *fakecuda.Driver) {
		makeCurrent(t)
		fake.Set(on(h100))
		k := mustLoad(t, makePackage(t, bothPairs()...)) // sm_90's 64×96 and 128×32
		args := backwardArgs(usual)
		args.Deterministic = true
		args.DQ = BHSD(args.DQ.Data, 2, 8, 300, 64)
		if err := k.Backward(7, args); err != nil {
			t.Fatal(err)
		}
		r := fake.Take()
		if len(r) != 3 || r[0].Name() != k.mapped[BackwardDKV].Name || r[1].Name() != k.mapped[BackwardDQ].Name || r[2].Name() != k.images[BackwardFinish].Name {
			t.Fatalf("%d launches: %+v", len(r), r)
		}
		plan, err := k.backwardPlan("Backward", &args)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := checkBackward(k.headDim, &plan, &args)
		if err != nil || plain.DBiasTiles != 3*128/16 || plain.ConvertTiles != 0 {
			t.Errorf("plan %+v, %v", plan, err)
		}
		const element = driver.TensorBFloat16
		keys := abi.BackwardDKVTensorParams{
			QMap:  fakeMap(element, &args.Q, 64, 8*128, 128, 300*8*128),
			KMap:  fakeMap(element, &args.K, 96, 2*128, 128, 500*2*128),
			VMap:  fakeMap(element, &args.V, 96, 2*128, 128, 500*2*128),
			DOMap: fakeMap(element, &args.DO, 64, 8*128, 128, 300*8*128),
			DKMap: fakeMap(element, &args.DK, 64, 2*128, 128, 500*2*128),
			DVMap: fakeMap(element, &args.DV, 64, 2*128, 128, 500*2*128),
			Plain: plain,
		}
		if got := *(*abi.BackwardDKVTensorParams)(unsafe.Pointer(&r[0].Params)); got != keys {
			t.Errorf("parameters %+v\nwant %+v", got, keys)
		}
		queries := abi.BackwardDQTensorParams{
			QMap:  fakeMap(element, &args.Q, 64, 8*128, 128, 300*8*128),
			KMap:  fakeMap(element, &args.K, 32, 2*128, 128, 500*2*128),
			VMap:  fakeMap(element, &args.V, 32, 2*128, 128, 500*2*128),
			DOMap: fakeMap(element, &args.DO, 64, 8*128, 128, 300*8*128),
			DQMap: fakeMap(element, &args.DQ, 64, 128, 300*128, 8*300*128),
			Plain: plain,
		}
		if got := *(*abi.BackwardDQTensorParams)(unsafe.Pointer(&r[1].Params)); got != queries {
			t.Errorf("parameters %+v\nwant %+v", got, queries)
		}
		if got := *(*abi.BackwardParams)(unsafe.Pointer(&r[2].Params)); got != plain {
			t.Errorf("the finish kernel's parameters %+v\nwant %+v", got, plain)
		}
		if r[0].Blocks != 6*2*2 || r[1].Blocks != 3*8*2 || r[2].Blocks != 8 || r[1].Stream != 7 || r[1].SharedBytes != 200000 {
			t.Errorf("%+v\n%+v\n%+v", r[0], r[1], r[2])
		}
	})
}

// Every call launches what BackwardImage names, and WorkspaceSize is enough for either image.
func TestBackwardImage(t *testing.T) {
	fakecuda.Run(t, func(fake *fakecuda.Driver) {
		makeCurrent(t)
		fake.Set(on(h100))
		k := mustLoad(t, makePackage(t, append(bothFused(), bothPairs()[:4]...)...))
		for name, c := range map[string]struct {
			change func(*BackwardArgs)
			want   *image
		}{
			"usual": {func(*BackwardArgs) {}, k.mapped[BackwardFused]},
			"dQ needs none": {func(a *BackwardArgs) {
				a.DQ.Data -= DevicePtr(8*a.DQ.StrideSeq*elementBytes) - 1<<43
				a.DQ.StrideSeq *= -1
			}, k.mapped[BackwardFused]},
			"dK needs none":              {func(a *BackwardArgs) { a.DK.Data += 1 << 43; a.DK.StrideSeq *= -1 }, k.mapped[BackwardFused]},
			"no map of K":                {func(a *BackwardArgs) { a.K.StrideBatch = 0 }, k.images[BackwardFused]},
			"deterministic":              {func(a *BackwardArgs) { a.Deterministic = true }, k.mapped[BackwardDKV]},
			"deterministic, no map of V": {func(a *BackwardArgs) { a.Deterministic = true; a.V.StrideBatch = 0 }, k.images[BackwardDKV]},
		} {
			args := backwardArgs(usual)
			c.change(&args)
			size, err := k.WorkspaceSize(args)
			if err != nil {
				t.Fatal(err)
			}
			args.WorkspaceBytes = size
			got, err := k.BackwardImage(args)
			if err := errors.Join(err, k.Backward(0, args)); err != nil || got.Name != c.want.Name {
				t.Errorf("%s: %s, %v; want %s", name, got.Name, err, c.want.Name)
			}
			ran := false
			for _, r := range fake.Take() {
				ran = ran || r.Op() != "memset" && r.Name() == c.want.Name
			}
			if !ran {
				t.Errorf("%s: %s was not launched", name, c.want.Name)
			}
		}
		alone := mustLoad(t, makePackage(t, bothFused()[:2]...))
		args := backwardArgs(usual)
		args.V.StrideHead *= -1
		if err := alone.Backward(0, args); !errors.Is(err, ErrStride) || len(fake.Take()) != 0 {
			t.Errorf("no map and no image for such tensors: %v", err)
		}
	})
}
