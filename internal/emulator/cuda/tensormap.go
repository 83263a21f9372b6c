package cuda

import (
	"slices"
	"unsafe"

	"github.com/sigattn/sigattn/internal/emulator"
)

// tensorMapEncodeTiled makes the emulator's form of a tensor map.
func tensorMapEncodeTiled(_ *Driver, a []uintptr) result {
	rank := int(int32(a[2]))
	const most = 5
	if a[0]%emulator.TensorMapAlign != 0 || rank < 1 || rank > most || slices.Contains([]uintptr{a[0], a[4], a[6], a[7]}, 0) || rank > 1 && a[5] == 0 {
		return invalidValue
	}
	t := emulator.TensorMap{
		Type: emulator.TensorType(a[1]), Address: uint64(a[3]),
		Dims: slices.Clone(unsafe.Slice(at[uint64](a[4]), rank)), Box: slices.Clone(unsafe.Slice(at[uint32](a[6]), rank)),
		ElementStrides: slices.Clone(unsafe.Slice(at[uint32](a[7]), rank)),
		Interleave:     uint32(a[8]), Swizzle: emulator.Swizzle(a[9]), L2Promotion: uint32(a[10]), FillNaN: a[11] != 0,
	}
	if rank > 1 {
		t.Strides = slices.Clone(unsafe.Slice(at[uint64](a[5]), rank-1))
	}
	encoded, err := t.Encode()
	if err != nil {
		return invalidValue
	}
	return put(a[0], encoded)
}
