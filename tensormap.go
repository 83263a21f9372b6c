package sigattn

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/sigattn/sigattn/internal/abi"
	"github.com/sigattn/sigattn/internal/driver"
)

// Tensor maps, through which the kernels of sm_90 copy boxes of tensors to and from shared memory. They are made at each
// launch, which takes the driver a fraction of a microsecond, and travel in its parameters.

const (
	mapColumns = 64      // of a box: the 128 bytes that a swizzle permutes
	mapRows    = 64      // of a box of Q or O: those that a warpgroup owns
	maxMapStep = 1 << 40 // bytes; strides are below
)

// tensorTypes are the driver's names of storage types.
var tensorTypes = map[DType]driver.TensorType{BF16: driver.TensorBFloat16, FP16: driver.TensorFloat16}

// mapped reports whether the kernel takes its tensors through tensor maps.
func (i KernelInfo) mapped() bool { return i.Arch == SM90 }

// hasMap reports whether a tensor map can describe a legal tensor.
func hasMap(t *Tensor) bool {
	return t.Batch > 0 && t.SeqLen > 0 && steps(t.StrideBatch, t.Batch) && steps(t.StrideSeq, t.SeqLen) && steps(t.StrideHead, t.Heads)
}

// steps reports whether a map can step through a dimension of n indices, stride elements apart.
func steps(stride int64, n int) bool { return n == 1 || stride > 0 && stride < maxMapStep/elementBytes }

// noMap says why t, of some batch entries, has no tensor map.
func (c checker) noMap(name string, t *Tensor) error {
	const since = "since the package has no image beside that for sm_90"
	for _, d := range [...]struct {
		name   string
		stride int64
		n      int
	}{
		{"Batch", t.StrideBatch, t.Batch}, {"Seq", t.StrideSeq, t.SeqLen}, {"Head", t.StrideHead, t.Heads},
	} {
		if t.SeqLen > 0 && !steps(d.stride, d.n) {
			return c.fail(ErrStride, name+".Stride"+d.name, strconv.FormatInt(d.stride, 10),
				fmt.Sprintf("from 1 to %d, %s", int64(maxMapStep/elementBytes-1), since))
		}
	}
	return c.fail(ErrShape, name+".SeqLen", strconv.Itoa(t.SeqLen), "at least 1, "+since)
}

// withoutMap is the index of the first tensor that has no map, or -1.
func withoutMap(tensors []*Tensor) int {
	return slices.IndexFunc(tensors, func(t *Tensor) bool { return !hasMap(t) })
}

// mapping is one tensor map of a launch, for boxes of so many rows.
type mapping struct {
	to   *abi.TensorMap
	of   *Tensor
	rows uint32
}

// launchMapped makes the tensor maps in params and submits the kernel that takes them.
func launchMapped[P any](k *Kernel, i *image, s Stream, blocks uint32, params *P, maps []mapping) error {
	for _, m := range maps {
		if err := k.encodeMap(m.to, m.of, m.rows); err != nil {
			return fmt.Errorf("sigattn: %s: %w", i.Name, err)
		}
	}
	return launch(i, s, blocks, params)
}

// encodeMap makes the map of a tensor that has one, for boxes of so many rows of one head.
func (k *Kernel) encodeMap(m *abi.TensorMap, t *Tensor, rows uint32) error {
	row := uint64(t.HeadDim) * elementBytes
	step := func(stride int64, n int) uint64 {
		if n == 1 {
			return row // never taken, but it must be legal
		}
		return uint64(stride) * elementBytes
	}
	return driver.EncodeTiled((*driver.TensorMap)(&m.Words), &driver.TensorTile{
		Type: k.elements, Rank: 4, Address: driver.DevicePtr(t.Data),
		Dims:    [...]uint64{uint64(t.HeadDim), uint64(t.SeqLen), uint64(t.Heads), uint64(t.Batch), 0},
		Strides: [...]uint64{step(t.StrideSeq, t.SeqLen), step(t.StrideHead, t.Heads), step(t.StrideBatch, t.Batch), 0},
		Box:     [...]uint32{mapColumns, rows, 1, 1, 0},
		Swizzle: driver.Swizzle128, Promotion: driver.Promote256,
	})
}
