//go:build linux && !android && (amd64 || arm64)

package sigattn

import (
	"errors"
	"reflect"
	"sync"
	"testing"

	"github.com/sigattn/sigattn/internal/abi"
	"github.com/sigattn/sigattn/internal/driver"
	"github.com/sigattn/sigattn/internal/driver/fakecuda"
)

// one is the map that the cache gives of a tensor.
func (c *mapCache) one(t *Tensor, rows uint32) (m abi.TensorMap, err error) {
	err = c.fill([]mapping{{&m, t, rowsOf(rows)}})
	return m, err
}

// likeTensors are tensors whose maps share a slot of a cache, or nearly do: each differs from the first in one field.
func likeTensors() []Tensor {
	first := forwardArgs(usual).Q
	tensors := []Tensor{first}
	for i := range reflect.TypeFor[Tensor]().NumField() {
		t := first
		switch f := reflect.ValueOf(&t).Elem().Field(i); {
		case f.CanInt():
			f.SetInt(f.Int() + 8)
		default:
			f.SetUint(f.Uint() + 16)
		}
		tensors = append(tensors, t)
	}
	return tensors
}

// A map is made when a tensor comes that is like none that is kept, whatever it differs in.
func TestMapsAreKept(t *testing.T) {
	fakecuda.Run(t, func(fake *fakecuda.Driver) {
		working, failing := on(h100), on(h100)
		failing.FailOp, failing.FailCode = "cuTensorMapEncodeTiled", driver.CodeInvalidValue
		c := &mapCache{elements: driver.TensorBFloat16}
		check := func(x *Tensor, rows uint32, kept bool) {
			t.Helper()
			fake.Set(failing)
			if _, err := c.one(x, rows); kept != (err == nil) {
				t.Errorf("%+v, boxes of %d rows: %v, kept: %v", *x, rows, err, kept)
			}
			fake.Set(working)
			want := fakeMap(c.elements, x, uint64(rows), 2*x.StrideSeq, 2*x.StrideHead, 2*x.StrideBatch)
			if got, err := c.one(x, rows); err != nil || got != want {
				t.Errorf("%+v, boxes of %d rows: %+v, %v, want %+v", *x, rows, got, err, want)
			}
		}
		tensors := likeTensors()
		first := &tensors[0]
		for i := range tensors {
			check(&tensors[i], 64, false)
			check(&tensors[i], 64, true)
			check(&tensors[i], 128, false)
		}
		check(first, 64, false) // the last of those that share its slot is kept
		check(first, 64, true)

		c.use.Lock()
		check(first, 64, false)
		c.use.Unlock()
		check(first, 64, true)
	})
}

// What one map cannot be made for leaves nothing behind.
func TestFailedMapIsNotKept(t *testing.T) {
	fakecuda.Run(t, func(fake *fakecuda.Driver) {
		fake.Set(on(h100))
		c := &mapCache{elements: driver.TensorFloat16}
		tensors := likeTensors()
		bad := tensors[0]
		bad.Data++ // not aligned
		for range 2 {
			var e *CUDAError
			if _, err := c.one(&bad, 64); !errors.As(err, &e) {
				t.Errorf("got %v, want an error of the driver", err)
			}
		}
	})
}

// Goroutines that share a slot get each its own map.
func TestCacheOfManyGoroutines(t *testing.T) {
	fakecuda.Run(t, func(fake *fakecuda.Driver) {
		fake.Set(on(h100))
		c := &mapCache{elements: driver.TensorBFloat16}
		var wg sync.WaitGroup
		for _, x := range likeTensors() {
			wg.Go(func() {
				want := fakeMap(c.elements, &x, 64, 2*x.StrideSeq, 2*x.StrideHead, 2*x.StrideBatch)
				for range 2000 {
					if got, err := c.one(&x, 64); err != nil || got != want {
						t.Errorf("%+v, %v, want %+v", got, err, want)
						return
					}
				}
			})
		}
		wg.Wait()
	})
}

// keep puts a map into the cache that no driver has made.
func (c *mapCache) keep(t *Tensor, box mapBox, made abi.TensorMap) {
	*c.slot(t, box) = mapSlot{*t, box, made}
}

func BenchmarkCachedMaps(b *testing.B) {
	args := forwardArgs(usual)
	var c mapCache
	var params abi.ForwardTensorParams
	maps := [...]mapping{
		{&params.QMap, &args.Q, rowsOf(64)}, {&params.KMap, &args.K, rowsOf(128)}, {&params.VMap, &args.V, rowsOf(128)}, {&params.OMap, &args.O, rowsOf(64)},
	}
	for i, m := range maps {
		c.keep(m.of, m.box, abi.TensorMap{Words: [16]uint64{uint64(1 + i)}})
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := c.fill(maps[:]); err != nil {
			b.Fatal(err)
		}
	}
	if params.OMap.Words[0] != 4 {
		b.Error("the maps were made anew")
	}
}
