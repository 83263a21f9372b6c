//go:build linux && !android && (amd64 || arm64)

package driver_test

import (
	"errors"
	"testing"

	"github.com/sigattn/sigattn/internal/driver"
	"github.com/sigattn/sigattn/internal/driver/fakecuda"
	"github.com/sigattn/sigattn/internal/emulator"
	"github.com/sigattn/sigattn/internal/emulator/cuda"
)

var tile = driver.TensorTile{
	Type: driver.TensorBFloat16, Rank: 3, Address: 1 << 20,
	Dims: [5]uint64{64, 100, 8}, Strides: [4]uint64{1024, 128}, Box: [5]uint32{64, 128, 1},
	Swizzle: driver.Swizzle128, Promotion: driver.Promote256,
}

func TestEncodeTiledPassesTheTile(t *testing.T) {
	fakecuda.Run(t, func(fake *fakecuda.Driver) {
		var m driver.TensorMap
		if err := driver.EncodeTiled(&m, &tile); err != nil {
			t.Fatal(err)
		}
		want := driver.TensorMap{9 | 3<<8 | 3<<16 | 3<<24, 1 << 20, 64, 100, 8, 0, 0, 64, 128, 1, 0, 0, 1024, 128}
		if m != want {
			t.Errorf("%v, want %v", m, want)
		}
		wrong := tile
		wrong.Rank = 6
		var e *driver.Error
		if err := driver.EncodeTiled(&m, &wrong); !errors.As(err, &e) || e.Code != driver.CodeInvalidValue {
			t.Errorf("rank 6: %v", err)
		}
		wrong = tile
		wrong.Address++
		if err := driver.EncodeTiled(&m, &wrong); !errors.As(err, &e) || e.Op != "cuTensorMapEncodeTiled" || e.Code != driver.CodeInvalidValue {
			t.Errorf("a misaligned address: %v", err)
		}
	})
}

func TestEncodeTiledEmulated(t *testing.T) {
	err := driver.WithStandIn(cuda.New(emulator.Options{}), func() error {
		var m, other driver.TensorMap
		if err := driver.EncodeTiled(&m, &tile); err != nil {
			return err
		}
		moved := tile
		moved.Address += 256
		if err := driver.EncodeTiled(&other, &moved); err != nil {
			return err
		}
		if m == other || m == (driver.TensorMap{}) {
			t.Errorf("%v and %v", m, other)
		}
		wrong := tile
		wrong.Box[0] = 128 // rows of 256 bytes, of which 128 can be swizzled
		if err := driver.EncodeTiled(&m, &wrong); !errors.Is(err, driver.ErrCUDA) {
			t.Errorf("rows longer than the swizzle: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// loadBox copies a box of 8 rows by 64 bytes to shared memory and on to the address behind the map.
const loadBox = `.version 9.0
.target sm_90a
.address_size 64
.visible .entry k(.param .align 64 .b8 k_param_0[192])
{
	.reg .pred %p<3>; .reg .b32 %r<9>; .reg .b64 %d<4>;
	.shared .align 128 .b8 box[512];
	.shared .align 8 .b64 bar;
	mov.u32 %r1, %tid.x; mov.u32 %r2, bar; mov.u32 %r3, box;
	setp.ne.s32 %p1, %r1, 0; @%p1 bra READY;
	mbarrier.init.shared::cta.b64 [%r2], 1;
	fence.mbarrier_init.release.cluster;
	mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r2], 512;
	mov.b64 %d1, k_param_0; cvta.param.u64 %d1, %d1;
	cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%r3], [%d1, {0, 1}], [%r2];
READY:
	bar.sync 0;
WAIT:
	mbarrier.try_wait.parity.shared::cta.b64 %p2, [%r2], 0; @!%p2 bra WAIT;
	ld.param.u64 %d2, [k_param_0+128]; shl.b32 %r4, %r1, 4; add.s32 %r5, %r3, %r4; cvt.u64.u32 %d3, %r4; add.s64 %d2, %d2, %d3;
	ld.shared.v4.u32 {%r4, %r6, %r7, %r8}, [%r5];
	st.global.v4.u32 [%d2], {%r4, %r6, %r7, %r8};
	ret;
}
`

func TestTensorMapReachesTheKernel(t *testing.T) {
	d := cuda.New(emulator.Options{CheckGlobal: true})
	err := driver.WithStandIn(d, func() error {
		module, err := driver.LoadPTX([]byte(loadBox))
		if err != nil {
			return err
		}
		k, err := module.Function("k")
		if err != nil {
			return err
		}
		in, err := driver.Alloc(64 * 8)
		if err != nil {
			return err
		}
		out, err := driver.Alloc(512)
		if err != nil {
			return err
		}
		source := make([]uint32, 16*8)
		for i := range source {
			source[i] = uint32(i + 1)
		}
		if err := driver.CopyToDevice(in, source); err != nil {
			return err
		}
		var params struct {
			m   driver.TensorMap
			out driver.DevicePtr
			_   [7]uint64
		}
		params.out = out
		if err := driver.EncodeTiled(&params.m, &driver.TensorTile{
			Type: driver.TensorFloat32, Rank: 2, Address: in, Dims: [5]uint64{16, 8}, Strides: [4]uint64{64}, Box: [5]uint32{16, 8},
		}); err != nil {
			return err
		}
		if err := driver.LaunchKernel(k, driver.Launch{Blocks: 1, Threads: 32}, &params); err != nil {
			return err
		}
		got := make([]uint32, 16*8)
		if err := driver.CopyToHost(got, out); err != nil {
			return err
		}
		for i, x := range got {
			want := uint32(i + 17)
			if i >= 16*7 {
				want = 0 // beyond the tensor
			}
			if x != want {
				t.Fatalf("word %d is %d, want %d", i, x, want)
			}
		}
		return errors.Join(d.TakeFaults()...)
	})
	if err != nil {
		t.Fatal(err)
	}
}
