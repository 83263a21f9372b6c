package emulator

import (
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// tileProduct is what NVRTC made of testdata/tile_product.cu.
//
//go:embed testdata/tile_product.ptx
var tileProduct string

// chainedProduct is what NVRTC made of testdata/chained_product.cu.
//
//go:embed testdata/chained_product.ptx
var chainedProduct string

// bfloat16s is a matrix in a memory.
type bfloat16s struct {
	rows, columns int
	base          uint64
	values        []float64
}

func newBfloat16s(t *testing.T, memory *Memory, seed uint64, rows, columns int) bfloat16s {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 2))
	m := bfloat16s{rows: rows, columns: columns, values: make([]float64, rows*columns)}
	var bytes []byte
	for i := range m.values {
		x := toBF16(float32(random.NormFloat64()))
		m.values[i] = float64(fromBF16(x))
		bytes = binary.LittleEndian.AppendUint16(bytes, x)
	}
	var err error
	if m.base, err = memory.Alloc(int64(len(bytes)), true); err != nil {
		t.Fatal(err)
	}
	if err := memory.Write(m.base, bytes); err != nil {
		t.Fatal(err)
	}
	return m
}

// tensorMap is one of boxes of so many rows by 64 columns.
func (m bfloat16s) tensorMap(t *testing.T, rows uint32) []byte {
	t.Helper()
	of := TensorMap{
		Type: TensorBFloat16, Address: m.base, Dims: []uint64{uint64(m.columns), uint64(m.rows)}, Strides: []uint64{uint64(2 * m.columns)},
		Box: []uint32{64, rows}, ElementStrides: []uint32{1, 1}, Swizzle: Swizzle128,
	}
	encoded, err := of.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return encoded[:]
}

// TestCompiledKernel runs a kernel with TMA, mbarriers, wgmma and warp roles as NVRTC compiles it.
func TestCompiledKernel(t *testing.T) {
	p, err := Load(tileProduct)
	if err != nil {
		t.Fatal(err)
	}
	k := p.Kernel("tile_product")
	for _, size := range []struct{ m, n, k int }{{64, 64, 64}, {128, 64, 320}, {72, 104, 200}} {
		memory := NewMemory(1 << 24)
		a, b, c := newBfloat16s(t, memory, 1, size.m, size.k), newBfloat16s(t, memory, 2, size.n, size.k), newBfloat16s(t, memory, 3, size.m, size.n)
		params := append(append(a.tensorMap(t, 64), b.tensorMap(t, 64)...), c.tensorMap(t, 64)...)
		params = binary.LittleEndian.AppendUint32(params, uint32((size.k+63)/64))
		for _, o := range orders(3) {
			t.Run(fmt.Sprint(size, o.Copies, o.Seed), func(t *testing.T) {
				if err := memory.Fill(c.base, []byte{0xff}, int64(2*size.m*size.n)); err != nil {
					t.Fatal(err)
				}
				l := Launch{Grid: [3]int{(size.m + 63) / 64, (size.n + 63) / 64, 1}, Block: [3]int{256, 1, 1}, SharedBytes: 1024 + 5*8192, Params: params}
				if err := k.Run(memory, l, o); err != nil {
					t.Fatal(err)
				}
				got := make([]byte, 2*size.m*size.n)
				if err := memory.Read(got, c.base); err != nil {
					t.Fatal(err)
				}
				for i := range size.m {
					for j := range size.n {
						var want float64
						for x := range size.k {
							want += a.values[i*size.k+x] * b.values[j*size.k+x]
						}
						have := float64(fromBF16(binary.LittleEndian.Uint16(got[2*(i*size.n+j):])))
						if math.Abs(have-want) > 0x1p-8*math.Abs(want)+1e-4 {
							t.Fatalf("(%d,%d) is %v, want %v", i, j, have, want)
						}
					}
				}
			})
		}
	}
}

// chained runs the kernel of two chains of wgmma over so many tiles, and compares its results where it finds no fault.
func chained(t *testing.T, text string, tiles int, o Options) error {
	t.Helper()
	p, err := Load(text)
	if err != nil {
		t.Fatal(err)
	}
	const blocks, width = 4, 64
	memory := NewMemory(1 << 24)
	a, b, c := newBfloat16s(t, memory, 1, 64*blocks, width), newBfloat16s(t, memory, 2, 64*tiles, width), newBfloat16s(t, memory, 3, 64*tiles, width)
	d, err := memory.Alloc(4*64*blocks*width, true)
	if err != nil {
		t.Fatal(err)
	}
	params := append(append(a.tensorMap(t, 64), b.tensorMap(t, 32)...), c.tensorMap(t, 32)...)
	params = binary.LittleEndian.AppendUint64(params, d)
	params = binary.LittleEndian.AppendUint32(params, uint32(tiles))
	l := Launch{Grid: [3]int{blocks, 1, 1}, Block: [3]int{256, 1, 1}, SharedBytes: 1024 + 5*8192, Params: params}
	if err := p.Kernel("chained_product").Run(memory, l, o); err != nil {
		return err
	}
	got := make([]byte, 4*64*blocks*width)
	if err := memory.Read(got, d); err != nil {
		t.Fatal(err)
	}
	for i := range 64 * blocks {
		var want, size [width]float64
		for x := range b.rows {
			var sum float64
			for j := range width {
				sum += a.values[i*width+j] * b.values[x*width+j]
			}
			rounded := float64(fromBF16(toBF16(float32(sum))))
			for j := range width {
				want[j] += rounded * c.values[x*width+j]
				size[j] += math.Abs(rounded * c.values[x*width+j])
			}
		}
		for j := range width {
			have := float64(math.Float32frombits(binary.LittleEndian.Uint32(got[4*(i*width+j):])))
			if math.Abs(have-want[j]) > 1e-4*size[j] {
				t.Fatalf("(%d,%d) is %v, want %v", i, j, have, want[j])
			}
		}
	}
	return nil
}

// TestCompiledChain runs a kernel whose wgmma overlap, in clusters that share their loads.
func TestCompiledChain(t *testing.T) {
	for _, tiles := range []int{1, 2, 5} {
		for _, o := range orders(3) {
			if err := chained(t, chainedProduct, tiles, o); err != nil {
				t.Fatalf("%d tiles, %+v: %v", tiles, o, err)
			}
		}
	}
}

// TestCompiledFaults plants faults in what NVRTC made of the kernel: each must be found in every order.
func TestCompiledFaults(t *testing.T) {
	nth := func(text, what string, n int, instead string) string {
		at := -1
		for range n {
			next := strings.Index(text[at+1:], what)
			if next < 0 {
				t.Fatalf("fewer than %d times %q", n, what)
			}
			at += 1 + next
		}
		return text[:at] + instead + text[at+len(what):]
	}
	const fence, wait, tryWait = "wgmma.fence.sync.aligned;", "wgmma.wait_group.sync.aligned ", "mbarrier.try_wait.parity.shared::cta.b64 done"
	for name, change := range map[string]func(string) string{
		"the first fence":          func(s string) string { return nth(s, fence, 1, "") },
		"the loop's fence":         func(s string) string { return nth(s, fence, 2, "") },
		"the last fence":           func(s string) string { return nth(s, fence, 3, "") },
		"the first wait":           func(s string) string { return nth(s, wait+"0", 1, wait+"1") },
		"the wait for all":         func(s string) string { return nth(s, wait+"0", 2, wait+"1") },
		"a commit":                 func(s string) string { return nth(s, "wgmma.commit_group.sync.aligned;", 3, "") },
		"the barriers' fence":      func(s string) string { return nth(s, "fence.mbarrier_init.release.cluster;", 1, "") },
		"the cluster's barrier":    func(s string) string { return nth(s, "barrier.cluster.arrive.release.aligned;", 1, "bar.sync 0;") },
		"a block of a multicast":   func(s string) string { return nth(s, "mov.u16 \t%rs8, 3;", 1, "mov.u16 \t%rs8, 1;") },
		"bytes of one expectation": func(s string) string { return nth(s, "mov.u32 \t%r299, 8192", 1, "mov.u32 \t%r299, 8176") },
		"the wait for a stage": func(s string) string {
			return nth(s, tryWait, strings.Count(s, tryWait), "setp.eq.s32 done, 0, 0; // ")
		},
		"an arrival of the cluster": func(s string) string { return nth(s, "mbarrier.arrive.release.cluster", 2, "// ") },
	} {
		t.Run(name, func(t *testing.T) {
			for _, o := range orders(2) {
				if err := chained(t, change(chainedProduct), 5, o); !errors.Is(err, ErrFault) {
					t.Errorf("%+v: %v", o, err)
				}
			}
		})
	}
}

// orders are options with every Completion, so many seeds each, and warps that are interleaved.
func orders(seeds uint64) (all []Options) {
	for _, c := range []Completion{Eager, Latest, Random} {
		for seed := range seeds {
			all = append(all, Options{Copies: c, Seed: seed, Preempt: seed > 0, CheckGlobal: true})
		}
	}
	return all
}
