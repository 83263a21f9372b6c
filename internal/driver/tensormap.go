package driver

import (
	"fmt"
	"runtime"
	"sync"
	"unsafe"
)

// TensorMap is a CUtensorMap: what a kernel's asynchronous tensor copies take, as a parameter at a multiple of 64 bytes. What
// it holds is the driver's own.
type TensorMap [16]uint64

const tensorMapAlign = 64

// TensorType is a CUtensorMapDataType.
type TensorType int32

// Tensor types.
const (
	TensorUint8    TensorType = 0
	TensorFloat16  TensorType = 6
	TensorFloat32  TensorType = 7
	TensorBFloat16 TensorType = 9
)

// TensorSwizzle is a CUtensorMapSwizzle: how far the 16-byte chunks of rows are permuted in shared memory.
type TensorSwizzle int32

// Swizzles.
const (
	SwizzleNone TensorSwizzle = iota
	Swizzle32
	Swizzle64
	Swizzle128
)

// TensorPromotion is a CUtensorMapL2promotion: how much the L2 cache fetches at a time.
type TensorPromotion int32

// Promotions.
const (
	PromoteNone TensorPromotion = iota
	Promote64
	Promote128
	Promote256
)

// MaxTensorRank is the most dimensions that a TensorTile has.
const MaxTensorRank = 5

// TensorTile is a tensor in device memory and a box of it that copies move. Dimensions go from the innermost outwards; what
// lies outside the tensor reads as zero.
type TensorTile struct {
	Type      TensorType
	Rank      int
	Address   DevicePtr                 // a multiple of 16
	Dims      [MaxTensorRank]uint64     // in elements
	Strides   [MaxTensorRank - 1]uint64 // of the dimensions from the second on, in bytes: multiples of 16
	Box       [MaxTensorRank]uint32     // in elements, at most 256 each; its rows are multiples of 16 bytes
	Swizzle   TensorSwizzle             // the rows of the box are no longer
	Promotion TensorPromotion
}

// tensorFrame is what one call hands to C; see frame.
type tensorFrame struct {
	args  [12]uintptr
	tile  TensorTile
	steps [MaxTensorRank]uint32 // of elements
	room  [(128 + tensorMapAlign) / 8]uint64
}

var tensorFrames = sync.Pool{New: func() any { return &tensorFrame{steps: [...]uint32{1, 1, 1, 1, 1}} }}

// EncodeTiled makes the tensor map of a tile. It allocates nothing and needs no device memory. A driver older than CUDA 12
// gives an error with CodeNotSupported.
func EncodeTiled(m *TensorMap, t *TensorTile) error {
	if err := open(); err != nil {
		return err
	}
	const op = symTensorMapEncodeTiled
	if !served(op) {
		return notServed(op)
	}
	if t.Rank < 1 || t.Rank > MaxTensorRank {
		return &Error{Op: symbolNames[op], Code: CodeInvalidValue, Name: "CUDA_ERROR_INVALID_VALUE", Detail: fmt.Sprintf("%d dimensions, want 1 to %d", t.Rank, MaxTensorRank)}
	}
	f := tensorFrames.Get().(*tensorFrame)
	f.tile = *t
	skip := -uintptr(unsafe.Pointer(&f.room)) % tensorMapAlign
	made := (*TensorMap)(unsafe.Add(unsafe.Pointer(&f.room), skip))
	f.args = [...]uintptr{
		uintptr(unsafe.Pointer(made)), uintptr(t.Type), uintptr(t.Rank), uintptr(t.Address),
		uintptr(unsafe.Pointer(&f.tile.Dims)), uintptr(unsafe.Pointer(&f.tile.Strides)), uintptr(unsafe.Pointer(&f.tile.Box)),
		uintptr(unsafe.Pointer(&f.steps)), 0, uintptr(t.Swizzle), uintptr(t.Promotion), 0,
	}
	code := call(op, f.args[:]...)
	*m = *made
	runtime.KeepAlive(f)
	tensorFrames.Put(f)
	if code != 0 {
		return newError(op, code)
	}
	return nil
}
