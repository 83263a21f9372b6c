package sigattn

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
)

// occupied lists a tensor's bytes the slow way, counting how often each is reached by index vectors that differ in a
// dimension whose stride is not 0.
func occupied(t *Tensor) map[int64]int {
	repeats := func(n int, stride int64) int {
		if stride == 0 {
			return 1
		}
		return n
	}
	bytes := make(map[int64]int)
	for b := range repeats(t.Batch, t.StrideBatch) {
		for s := range repeats(t.SeqLen, t.StrideSeq) {
			for h := range repeats(t.Heads, t.StrideHead) {
				row := int64(t.Data) + elementBytes*(int64(b)*t.StrideBatch+int64(s)*t.StrideSeq+int64(h)*t.StrideHead)
				for i := range int64(t.HeadDim * elementBytes) {
					bytes[row+i]++
				}
			}
		}
	}
	return bytes
}

func mustPlace(t *testing.T, x *Tensor) span {
	t.Helper()
	var s span
	if err := (checker{"Test", 256}).place(&s, "X", x, false); err != nil {
		t.Fatalf("place(%+v): %v", *x, err)
	}
	return s
}

func share(a, b map[int64]int) bool {
	for p := range a {
		if b[p] > 0 {
			return true
		}
	}
	return false
}

// randomTensor is a small tensor with any strides, negative and repeating ones among them, or with those of a packed
// layout, near address 1<<20.
func randomTensor(r *rand.Rand) Tensor {
	t := Tensor{
		Data:  DevicePtr(1<<20 + 16*r.IntN(64)),
		Batch: 1 + r.IntN(3), SeqLen: 1 + r.IntN(6), Heads: 1 + r.IntN(4), HeadDim: 8 * (1 + r.IntN(3)),
	}
	if r.IntN(2) == 0 {
		stride := func() int64 { return 8 * int64(r.IntN(40)-8) }
		t.StrideBatch, t.StrideSeq, t.StrideHead = stride(), stride(), stride()
		return t
	}
	gap := func() int64 { return 1 + int64(r.IntN(3)) }
	t.StrideHead = int64(t.HeadDim) * gap()
	t.StrideSeq = t.StrideHead * int64(t.Heads) * gap()
	t.StrideBatch = t.StrideSeq * int64(t.SeqLen) * gap()
	return t
}

func TestOverlapAgainstBruteForce(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var seen [3]int
	for range 20000 {
		a, b := randomTensor(r), randomTensor(r)
		if r.IntN(2) == 0 { // the same strides at another place
			b.StrideBatch, b.StrideSeq, b.StrideHead = a.StrideBatch, a.StrideSeq, a.StrideHead
		}
		x, y := mustPlace(t, &a), mustPlace(t, &b)
		bytesA, bytesB := occupied(&a), occupied(&b)
		want := apart
		if share(bytesA, bytesB) {
			want = overlapping
		}
		if got := overlap(&x, &y); got != want {
			t.Fatalf("overlap(%+v, %+v) = %d, want %d", a, b, got, want)
		}
		if got := overlap(&y, &x); got != want {
			t.Fatalf("overlap(%+v, %+v) = %d, want %d", b, a, got, want)
		}
		seen[want]++

		want = apart
		for _, n := range bytesA {
			if n > 1 {
				want = overlapping
			}
		}
		if got := overlapsItself(&x); got != want {
			t.Fatalf("overlapsItself(%+v) = %d, want %d", a, got, want)
		}
	}
	if seen[apart] < 2000 || seen[overlapping] < 2000 {
		t.Errorf("the inputs are one-sided: %d apart, %d overlapping", seen[apart], seen[overlapping])
	}
}

// Layouts in one buffer whose extremes intersect although no byte is shared, at sizes that brute force cannot reach.
func TestOverlapOfInterleavedLayouts(t *testing.T) {
	const b, n, h, d = 4, 8192, 16, 128
	at := func(i int64) DevicePtr { return DevicePtr(1<<32 + elementBytes*i) }
	packed := func(slot, slots int64) Tensor { // [B, T, slots, H, D]
		return Tensor{at(slot * h * d), b, n, h, d, n * slots * h * d, slots * h * d, d}
	}
	perHead := func(slot, slots int64) Tensor { // [B, T, H, slots, D]
		return Tensor{at(slot * d), b, n, h, d, n * slots * h * d, slots * h * d, slots * d}
	}
	headMajor := func(slot, slots int64) Tensor { // [B, H, T, slots, D]
		return Tensor{at(slot * d), b, n, h, d, n * slots * h * d, slots * d, n * slots * d}
	}
	columns := func(first, heads, width int64) Tensor { // [B, T, width] with heads side by side from a column on
		return Tensor{at(first), b, n, int(heads), d, n * width, width, d}
	}
	backwards := packed(1, 4)
	backwards.Data += elementBytes * (n - 1) * 4 * h * d
	backwards.StrideSeq = -backwards.StrideSeq
	cases := []struct {
		name string
		a, b Tensor
		want verdict
	}{
		{"Q and K of [B,T,4,H,D]", packed(0, 4), packed(1, 4), apart},
		{"Q and O of [B,T,4,H,D]", packed(0, 4), packed(3, 4), apart},
		{"the same slot", packed(2, 4), packed(2, 4), overlapping},
		{"Q and V of [B,T,H,3,D]", perHead(0, 3), perHead(2, 3), apart},
		{"[B,T,4,H,D] walked in two directions", packed(0, 4), backwards, apart},
		{"the same slot walked in two directions", packed(1, 4), backwards, overlapping},
		{"[B,T,H,3,D] and the columns beside it", columns(0, 8, 8*d+3*h*d), Tensor{at(8 * d), b, n, h, d, n * (8*d + 3*h*d), 8*d + 3*h*d, 3 * d}, apart},
		{"columns one element row too wide", columns(0, 9, 8*d+3*h*d), Tensor{at(8 * d), b, n, h, d, n * (8*d + 3*h*d), 8*d + 3*h*d, 3 * d}, overlapping},
		{"GQA in one buffer", columns(0, 16, 24*d), columns(16*d, 4, 24*d), apart},
		{"even and odd slots in different orders", headMajor(0, 2), perHead(1, 2), apart},
		{"even slots in different orders", headMajor(0, 2), perHead(0, 2), overlapping},
		{"one element row off", packed(0, 4), Tensor{at(h*d - 8), b, n, h, d, n * 4 * h * d, 4 * h * d, d}, overlapping},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			x, y := mustPlace(t, &c.a), mustPlace(t, &c.b)
			if x.end <= y.base || y.end <= x.base {
				t.Fatal("the extremes do not intersect: the case tests nothing")
			}
			if got := overlap(&x, &y); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
			if got := overlap(&y, &x); got != c.want {
				t.Errorf("the other way round: got %d, want %d", got, c.want)
			}
		})
	}
}

// Strides without any nesting exhaust the search; what it cannot decide is refused.
func TestUndecidedOverlapIsRefused(t *testing.T) {
	q := Tensor{1 << 40, 97, 89, 83, 8, 8 * 1000003, 8 * 999983, 8 * 999979}
	o := Tensor{1<<40 + 16*12345, 97, 89, 83, 8, 8 * 1000033, 8 * 999961, 8 * 999959}
	x, y := mustPlace(t, &q), mustPlace(t, &o)
	if got := overlap(&x, &y); got != undecided {
		t.Fatalf("got %d, want undecided", got)
	}
	kv := BSHD(1<<20, 97, 1, 83, 8)
	_, _, err := checkForward(128, 64, &ForwardArgs{Q: q, K: kv, V: kv, O: o})
	if !errors.Is(err, ErrOverlap) {
		t.Errorf("got %v, want ErrOverlap", err)
	}
}

func BenchmarkOverlap(b *testing.B) {
	const n, h, d = 8192, 16, 128
	slot := func(i int64) span {
		x := Tensor{DevicePtr(1<<32 + elementBytes*i*h*d), 4, n, h, d, n * 4 * h * d, 4 * h * d, d}
		var s span
		_ = checker{"Test", 256}.place(&s, "X", &x, false)
		return s
	}
	x, y := slot(0), slot(1)
	for b.Loop() {
		if overlap(&x, &y) != apart {
			b.Fatal(fmt.Sprint(x, y))
		}
	}
}
