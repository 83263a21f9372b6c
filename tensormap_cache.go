package sigattn

import (
	"sync"

	"github.com/sigattn/sigattn/internal/abi"
	"github.com/sigattn/sigattn/internal/driver"
)

// mapCache keeps the tensor maps of a kernel's launches, since calls tend to come back with the tensors of an earlier one and
// the driver takes a third of a microsecond for a map. A map tells of addresses and strides, not of what memory holds, so it
// never goes stale. A new one takes the place of the one that was kept where its hash points.
//
// One launch at a time uses the cache. One that comes meanwhile does not wait, but has its maps made.
type mapCache struct {
	elements driver.TensorType
	use      sync.Mutex
	slots    [1 << mapSlotBits]mapSlot
}

// mapSlotBits makes room for the layers of a large model, whose forward and backward calls have some ten tensors each.
const mapSlotBits = 10

// mapSlot is the map of a tensor for a box; one of 0 rows is none.
type mapSlot struct {
	of   Tensor
	box  mapBox
	made abi.TensorMap
}

// slot is where the map of a tensor is kept. What else a tensor is beside its address seldom differs: of a cache of keys that
// grows, the map of an earlier length is no longer needed.
func (c *mapCache) slot(t *Tensor, box mapBox) *mapSlot {
	const golden = 0x9e3779b97f4a7c15 // 2⁶⁴ over the golden ratio: multiples of it spread over the upper bits
	return &c.slots[(uint64(t.Data)^uint64(box.rows)<<52)*golden>>(64-mapSlotBits)]
}

// fill puts maps where they belong. It allocates nothing.
func (c *mapCache) fill(maps []mapping) error {
	if !c.use.TryLock() {
		for _, m := range maps {
			if err := c.encode(m.to, m.of, m.box); err != nil {
				return err
			}
		}
		return nil
	}
	defer c.use.Unlock()
	for _, m := range maps {
		s := c.slot(m.of, m.box)
		if s.box != m.box || s.of != *m.of {
			if err := c.encode(&s.made, m.of, m.box); err != nil {
				s.box = mapBox{}
				return err
			}
			s.of, s.box = *m.of, m.box
		}
		*m.to = s.made
	}
	return nil
}

// encode makes the map of a tensor that has one.
func (c *mapCache) encode(m *abi.TensorMap, t *Tensor, box mapBox) error {
	row := uint64(t.HeadDim) * elementBytes
	step := func(stride int64, n int) uint64 {
		if n == 1 {
			return row // never taken, but it must be legal
		}
		return uint64(stride) * elementBytes
	}
	tile := driver.TensorTile{
		Type: c.elements, Rank: 4, Address: driver.DevicePtr(t.Data),
		Dims:    [...]uint64{uint64(t.HeadDim), uint64(t.SeqLen), uint64(t.Heads), uint64(t.Batch), 0},
		Strides: [...]uint64{step(t.StrideSeq, t.SeqLen), step(t.StrideHead, t.Heads), step(t.StrideBatch, t.Batch), 0},
		Box:     [...]uint32{mapColumns, box.rows, max(box.heads, 1), 1, 0},
		Swizzle: driver.Swizzle128, Promotion: driver.Promote256,
	}
	if box.heads > 0 {
		tile.Dims[1], tile.Dims[2] = tile.Dims[2], tile.Dims[1]
		tile.Strides[0], tile.Strides[1] = tile.Strides[1], tile.Strides[0]
		tile.Box[1], tile.Box[2] = tile.Box[2], tile.Box[1]
	}
	return driver.EncodeTiled((*driver.TensorMap)(&m.Words), &tile)
}
