package emulator

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc64"
)

// TensorMap describes a tensor in global memory and a box of it that copies move, as cuTensorMapEncodeTiled takes it.
// Dimensions go from the innermost outwards.
type TensorMap struct {
	Type           TensorType
	Address        uint64
	Dims           []uint64 // in elements, one to five of them
	Strides        []uint64 // in bytes, from the second dimension on
	Box            []uint32 // in elements
	ElementStrides []uint32 // all 1
	Interleave     uint32   // 0
	Swizzle        Swizzle
	L2Promotion    uint32 // 0 to 3
	FillNaN        bool   // what lies outside the tensor reads as NaN, else as zero
}

// TensorType is a CUtensorMapDataType.
type TensorType uint32

// Types that reductions tell apart.
const (
	TensorUint32   TensorType = 2
	TensorInt32    TensorType = 3
	TensorFloat16  TensorType = 6
	TensorFloat32  TensorType = 7
	TensorBFloat16 TensorType = 9
)

// tensorTypeBytes are the elements' sizes by type: UINT8, UINT16, UINT32, INT32, UINT64, INT64, FLOAT16, FLOAT32, FLOAT64,
// BFLOAT16, FLOAT32_FTZ, TFLOAT32, TFLOAT32_FTZ.
var tensorTypeBytes = [...]int{1, 2, 4, 4, 8, 8, 2, 4, 8, 2, 4, 4, 4}

// Swizzle is a CUtensorMapSwizzle: how the 16-byte chunks of rows are permuted in shared memory.
type Swizzle uint32

// Swizzles.
const (
	SwizzleNone Swizzle = iota
	Swizzle32
	Swizzle64
	Swizzle128
)

// span is the length of the rows that are swizzled, in bytes; 0 without a swizzle.
func (s Swizzle) span() int { return [...]int{0, 32, 64, 128}[s] }

// apply gives where in shared memory the chunk at an address lies: the chunk's number is xored with that of the 128-byte
// line, as far as the span goes.
func (s Swizzle) apply(at int) int {
	mask := [...]int{0, 1, 3, 7}[s]
	return at ^ at>>7&mask<<4
}

// ErrTensorMap is wrapped where a tensor map cannot be.
var ErrTensorMap = errors.New("a tensor map that cannot be")

// TensorMapBytes is the size of an encoded TensorMap, TensorMapAlign its alignment.
const (
	TensorMapBytes = 128
	TensorMapAlign = 64
)

const (
	maxTensorRank  = 5
	maxBox         = 256
	maxTensorDim   = 1 << 32
	tensorMapMagic = 0x656c69745f786d74 // in the place of the encoding of NVIDIA, which is not documented
)

// ElementBytes is the size of an element.
func (t *TensorMap) ElementBytes() int {
	if int(t.Type) >= len(tensorTypeBytes) {
		return 0
	}
	return tensorTypeBytes[t.Type]
}

// check says what is wrong with the map.
func (t *TensorMap) check() error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrTensorMap, fmt.Sprintf(format, args...))
	}
	rank := len(t.Dims)
	switch {
	case t.ElementBytes() == 0:
		return fail("the type %d", t.Type)
	case rank < 1 || rank > maxTensorRank:
		return fail("%d dimensions, want 1 to %d", rank, maxTensorRank)
	case len(t.Strides) != rank-1 || len(t.Box) != rank || len(t.ElementStrides) != rank:
		return fail("%d strides, %d sides of the box and %d strides of elements for %d dimensions", len(t.Strides), len(t.Box), len(t.ElementStrides), rank)
	case t.Address%16 != 0:
		return fail("the address %#x, want a multiple of 16", t.Address)
	case t.Interleave != 0:
		return fail("the interleave %d is not supported", t.Interleave)
	case t.Swizzle > Swizzle128:
		return fail("the swizzle %d", t.Swizzle)
	case t.L2Promotion > 3:
		return fail("the L2 promotion %d", t.L2Promotion)
	}
	for i := range t.Dims {
		switch {
		case t.Dims[i] < 1 || t.Dims[i] > maxTensorDim:
			return fail("dimension %d of %d elements", i, t.Dims[i])
		case t.Box[i] < 1 || t.Box[i] > maxBox:
			return fail("side %d of the box of %d elements, want 1 to %d", i, t.Box[i], maxBox)
		case t.ElementStrides[i] != 1:
			return fail("a stride of %d elements in dimension %d is not supported", t.ElementStrides[i], i)
		case i > 0 && (t.Strides[i-1]%16 != 0 || t.Strides[i-1] >= 1<<40):
			return fail("the stride %d of dimension %d, want a multiple of 16 below 2^40", t.Strides[i-1], i)
		}
	}
	inner := int(t.Box[0]) * t.ElementBytes()
	switch span := t.Swizzle.span(); {
	case inner%16 != 0:
		return fail("rows of %d bytes in the box, want a multiple of 16", inner)
	case span > 0 && inner > span:
		return fail("rows of %d bytes in the box, of which %d are swizzled", inner, span)
	}
	return nil
}

// Encode gives the emulator's form of the map. Its error wraps ErrTensorMap.
func (t *TensorMap) Encode() (encoded [TensorMapBytes]byte, err error) {
	if err := t.check(); err != nil {
		return encoded, err
	}
	put := func(word int, x uint64) { binary.LittleEndian.PutUint64(encoded[8*word:], x) }
	fill := uint64(0)
	if t.FillNaN {
		fill = 1
	}
	put(0, tensorMapMagic)
	put(1, uint64(t.Type)|uint64(len(t.Dims))<<8|uint64(t.Swizzle)<<16|uint64(t.L2Promotion)<<24|fill<<32)
	put(2, t.Address)
	var box uint64
	for i := range t.Dims {
		put(3+i, t.Dims[i])
		if i > 0 {
			put(7+i, t.Strides[i-1])
		}
		box |= uint64(t.Box[i]) << (12 * i)
	}
	put(12, box)
	put(15, tensorMapSum(encoded[:120]))
	return encoded, nil
}

var tensorMapTable = crc64.MakeTable(crc64.ECMA)

func tensorMapSum(bytes []byte) uint64 { return crc64.Checksum(bytes, tensorMapTable) }

// decodeTensorMap reads what Encode made; ok is false where the bytes are not that.
func decodeTensorMap(encoded []byte) (t *TensorMap, ok bool) {
	get := func(word int) uint64 { return binary.LittleEndian.Uint64(encoded[8*word:]) }
	if get(0) != tensorMapMagic || get(15) != tensorMapSum(encoded[:120]) {
		return nil, false
	}
	settings := get(1)
	rank := int(settings >> 8 & 0xff)
	t = &TensorMap{Type: TensorType(settings & 0xff), Swizzle: Swizzle(settings >> 16 & 0xff), FillNaN: settings>>32 != 0, Address: get(2)}
	for i := range rank {
		t.Dims = append(t.Dims, get(3+i))
		if i > 0 {
			t.Strides = append(t.Strides, get(7+i))
		}
		t.Box = append(t.Box, uint32(get(12)>>(12*i)&0xfff))
	}
	return t, true
}

// boxBytes is what a copy moves, and what it adds to an mbarrier, whether it lies within the tensor or not.
func (t *TensorMap) boxBytes() int {
	n := t.ElementBytes()
	for _, side := range t.Box {
		n *= int(side)
	}
	return n
}

// rowBytes is the length of the box's innermost rows.
func (t *TensorMap) rowBytes() int { return int(t.Box[0]) * t.ElementBytes() }

// tensorRow is a row of a box: which of its bytes lie within the tensor, and the address of the first of these.
type tensorRow struct {
	from, to int
	address  uint64
}

// end is where the bytes end that the row has.
func (r tensorRow) end() uint64 { return r.address + uint64(r.to-r.from) }

// storeUnit is what stores to a tensor write whole, in bytes: a chip writes the rest of the box's last such chunk too where the
// tensor's row ends within it.
const storeUnit = 16

// stored is the row as a store writes it. Boxes start at multiples of storeUnit and their rows have such lengths.
func (r tensorRow) stored() tensorRow {
	r.to = (r.to + storeUnit - 1) / storeUnit * storeUnit
	return r
}

// rows lists the rows of the box at some coordinates, in the order in which they lie in shared memory.
func (t *TensorMap) rows(at []int32) []tensorRow {
	n := 1
	for _, side := range t.Box[1:] {
		n *= int(side)
	}
	size := int64(t.ElementBytes())
	first := int64(at[0])
	low, high := max(0, -first), min(int64(t.Box[0]), int64(t.Dims[0])-first)
	rows := make([]tensorRow, n)
	for i := range rows {
		within := low < high
		address := t.Address + uint64((first+low)*size)
		rest := i
		for d := 1; d < len(t.Box); d++ {
			side := int(t.Box[d])
			x := int64(at[d]) + int64(rest%side)
			rest /= side
			within = within && x >= 0 && x < int64(t.Dims[d])
			address += uint64(x) * t.Strides[d-1]
		}
		if within {
			rows[i] = tensorRow{int(low * size), int(high * size), address}
		}
	}
	return rows
}
