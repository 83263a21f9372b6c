package sigattn

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/sigattn/sigattn/internal/abi"
	"github.com/sigattn/sigattn/internal/driver"
)

// Tensor maps, through which the kernels of sm_90 copy boxes of tensors to and from shared memory. The driver makes them; they
// travel in a launch's parameters.

const (
	mapColumns = 64      // of a box: the 128 bytes that a swizzle permutes
	mapRows    = 64      // of a box whose rows are those that a warpgroup owns
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

// mapping is one tensor map of a launch.
type mapping struct {
	to  *abi.TensorMap
	of  *Tensor
	box mapBox
}

// mapBox is what copies through a map take of a tensor: so many rows of one head or, where it has heads, that many rows of each.
// With heads these are the map's second dimension and the sequence its third; else it is the other way round.
type mapBox struct{ rows, heads uint32 }

// rowsOf is a box of rows of one head.
func rowsOf(rows uint32) mapBox { return mapBox{rows: rows} }

// launchMapped submits a kernel that takes tensor maps, which it puts into params.
func launchMapped[P any](k *Kernel, i *image, s Stream, g geometry, params *P, maps []mapping) error {
	if err := k.maps.fill(maps); err != nil {
		return fmt.Errorf("sigattn: %s: %w", i.Name, err)
	}
	return launch(i, s, g, params)
}
