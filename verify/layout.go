package verify

import (
	"math/rand/v2"

	"github.com/sigattn/sigattn"
)

// Layout is where the tensors of a case lie in device memory.
type Layout string

// Layouts.
const (
	BSHD      Layout = "bshd"      // dense [batch, sequence, heads, head dim]
	BHSD      Layout = "bhsd"      // dense [batch, heads, sequence, head dim]
	Packed    Layout = "packed"    // Q, K, V side by side in one [batch, sequence, heads of all, head dim], dQ, dK, dV in another
	Padded    Layout = "padded"    // dimensions in random order, random gaps between rows, heads and batch entries
	Reversed  Layout = "reversed"  // [batch, sequence, heads, head dim] with sequence and heads running backwards
	Broadcast Layout = "broadcast" // K and V repeated along the batch by a stride of 0
	WideBatch Layout = "widebatch" // one buffer, batch entries more than 2^31 elements apart
	WideSeq   Layout = "wideseq"   // one buffer, rows 2^24 elements apart
	WideHead  Layout = "widehead"  // one buffer, heads more than 2^31 elements apart
)

// wide reports whether a layout spreads over gigabytes.
func (l Layout) wide() bool { return l == WideBatch || l == WideSeq || l == WideHead }

// Strides of the wide layouts in elements.
const (
	wideStride    = 1<<31 + 1<<10
	wideSeqStride = 1<<24 + 1<<6
)

// role is a tensor of a case.
type role int

const (
	roleQ role = iota
	roleK
	roleV
	roleDO
	roleO
	roleDQ
	roleDK
	roleDV
	roles
)

var roleNames = [roles]string{"Q", "K", "V", "dO", "O", "dQ", "dK", "dV"}

// extents of a role: batch, sequence, heads.
func (r role) extents(s Shape) [3]int {
	switch r {
	case roleK, roleV, roleDK, roleDV:
		return [3]int{s.Batch, s.SeqLenK, s.HeadsKV}
	}
	return [3]int{s.Batch, s.SeqLenQ, s.HeadsQ}
}

// view places a tensor in a buffer: element offsets of its first row and strides.
type view struct {
	buffer           int
	origin           int64
	batch, seq, head int64
}

// offset is where a row starts in the buffer.
func (v view) offset(x rowIndex) int64 {
	return v.origin + int64(x.batch)*v.batch + int64(x.seq)*v.seq + int64(x.head)*v.head
}

// tensor is the view as kernels take it.
func (v view) tensor(r role, s Shape, base sigattn.DevicePtr) sigattn.Tensor {
	e := r.extents(s)
	return sigattn.Tensor{
		Data: base + sigattn.DevicePtr(2*v.origin), Batch: e[0], SeqLen: e[1], Heads: e[2], HeadDim: s.HeadDim,
		StrideBatch: v.batch, StrideSeq: v.seq, StrideHead: v.head,
	}
}

// window is a part of a buffer that the host knows the contents of, in elements.
type window struct{ from, length int64 }

// extent is a buffer before it is allocated.
type extent struct {
	name    string
	length  int64 // elements
	windows []window
}

// whole is an extent that is one window.
func whole(name string, length int64) extent {
	return extent{name, length, []window{{0, length}}}
}

// arrangement is where everything of a case lies.
type arrangement struct {
	views   [roles]view
	buffers []extent
}

// Guard bands hold at least as many elements as maxBand allows of bandRows rows, so that a tile that overshoots lands
// in them.
const (
	bandRows = 128
	minBand  = 1 << 11
	maxBand  = 1 << 19
	rowUnit  = 8 // elements: strides and offsets are multiples of 16 bytes
)

// band is the guard band of a tensor whose rows lie so far apart; none in bare memory.
func band(rowStride int64, bare bool) int64 {
	if bare {
		return 0
	}
	return min(max(bandRows*rowStride, minBand), maxBand) / rowUnit * rowUnit
}

// arrange places the tensors of shape s. Bare memory has no guard bands.
func arrange(l Layout, s Shape, seed uint64, bare bool) arrangement {
	r := rand.New(rand.NewPCG(seed<<3|seedPlaces, 1))
	switch {
	case l.wide():
		return arrangeWide(l, s)
	case l == Packed:
		return arrangePacked(s, bare)
	}
	var a arrangement
	for role := range roles {
		v := &a.views[role]
		v.buffer = int(role)
		size := v.order(role.extents(s), int64(s.HeadDim), l, role, r)
		guard := band(max(v.seq, -v.seq), bare)
		if l == Padded && !bare {
			guard += rowUnit * int64(r.IntN(16)) // a base that is aligned to 16 bytes and no more
		}
		v.origin += guard
		a.buffers = append(a.buffers, whole(roleNames[role], guard+size+guard))
	}
	return a
}

// order gives v strides for a tensor of its own and returns its size.
func (v *view) order(n [3]int, dim int64, l Layout, of role, r *rand.Rand) int64 {
	strides := [3]*int64{&v.batch, &v.seq, &v.head}
	order := []int{2, 1, 0} // innermost first
	switch l {
	case BHSD:
		order = []int{1, 2, 0}
	case Padded:
		order = r.Perm(3)
	}
	step := dim
	for _, d := range order {
		if l == Padded {
			step += rowUnit * int64(r.IntN(5))
		}
		*strides[d] = step
		step *= int64(n[d])
	}
	switch {
	case l == Reversed && step > 0:
		v.origin = int64(n[1]-1)*v.seq + int64(n[2]-1)*v.head
		v.seq, v.head = -v.seq, -v.head
	case l == Broadcast && (of == roleK || of == roleV):
		v.batch = 0
	}
	return step
}

// arrangePacked interleaves Q, K, V in one buffer and dQ, dK, dV in another, for as many queries as keys; O and dO are
// dense.
func arrangePacked(s Shape, bare bool) arrangement {
	var a arrangement
	d := int64(s.HeadDim)
	for i, group := range [][]role{{roleQ, roleK, roleV}, {roleDQ, roleDK, roleDV}, {roleDO}, {roleO}} {
		var heads int64
		name := ""
		for _, r := range group {
			heads += int64(r.extents(s)[2])
			name += roleNames[r]
		}
		guard := band(heads*d, bare)
		at := guard
		for _, r := range group {
			a.views[r] = view{i, at, int64(s.SeqLenQ) * heads * d, heads * d, d}
			at += int64(r.extents(s)[2]) * d
		}
		a.buffers = append(a.buffers, whole(name, guard+int64(s.Batch*s.SeqLenQ)*heads*d+guard))
	}
	return a
}

// arrangeWide puts every tensor into one buffer whose windows lie a wide stride apart; within a window the tensors are
// dense and have guard bands between them.
func arrangeWide(l Layout, s Shape) arrangement {
	var a arrangement
	dim := map[Layout]int{WideBatch: 0, WideSeq: 1, WideHead: 2}[l]
	stride := int64(wideStride)
	if l == WideSeq {
		stride = wideSeqStride
	}
	guard := int64(minBand)
	at, count := guard, 0
	for role := range roles {
		n := role.extents(s)
		count = max(count, n[dim])
		n[dim] = 1
		v := &a.views[role]
		size := v.order(n, int64(s.HeadDim), BSHD, role, nil)
		*[3]*int64{&v.batch, &v.seq, &v.head}[dim] = stride
		v.origin = at
		at += size + guard
	}
	buffer := extent{name: "all tensors", length: int64(count-1)*stride + at}
	for i := range count {
		buffer.windows = append(buffer.windows, window{int64(i) * stride, at})
	}
	a.buffers = []extent{buffer}
	return a
}
