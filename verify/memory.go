package verify

import (
	"fmt"
	"slices"
	"sort"

	"github.com/sigattn/sigattn"
)

// poison fills what a launch must overwrite or leave alone. It is a NaN in both storage types and, twice, in float32,
// and none that arithmetic yields.
const (
	poison     = 0x7fa5
	poisonWord = poison<<16 | poison
)

// memory is a buffer on a device and what the host knows to be in it.
type memory struct {
	extent
	on      Device
	base    sigattn.DevicePtr
	starts  []int64  // of the windows in contents
	content []uint16 // of all windows, as last written
	scratch []uint16 // as last read
	kept    []uint16 // as read before, where it was kept
}

// memoryError is a buffer that the device has no room for.
type memoryError struct{ need, free int64 }

func (e *memoryError) Error() string {
	return fmt.Sprintf("needs %.1f GB of device memory at once, %.1f GB are free", float64(e.need)/1e9, float64(e.free)/1e9)
}

// largeBuffer is from how many bytes on the room for a buffer is looked at first.
const largeBuffer = 1 << 28

// newMemory is a buffer that is not allocated yet; the host's side is full of poison.
func newMemory(on Device, e extent) *memory {
	m := &memory{extent: e, on: on}
	var n int64
	for _, w := range e.windows {
		m.starts = append(m.starts, n)
		n += w.length
	}
	m.content = slices.Repeat([]uint16{poison}, int(n))
	return m
}

// alloc allocates the buffer on the device.
func (m *memory) alloc() error {
	bytes := 2 * m.length
	if bytes >= largeBuffer {
		free, err := m.on.FreeMemory()
		if err != nil {
			return err
		}
		if bytes > free {
			return &memoryError{bytes, free}
		}
	}
	base, err := m.on.Alloc(max(bytes, 256))
	if err != nil {
		return fmt.Errorf("allocating %d bytes for %s: %w", bytes, m.name, err)
	}
	m.base = base
	return nil
}

// free releases the buffer where it was allocated.
func (m *memory) free() error {
	if m.base == 0 {
		return nil
	}
	return m.on.Free(m.base)
}

// at is where n elements from an offset of the buffer lie in content and scratch; one window holds them.
func (m *memory) at(offset, n int64) (from, to int64) {
	i := sort.Search(len(m.windows), func(i int) bool { return m.windows[i].from > offset }) - 1
	from = m.starts[i] + offset - m.windows[i].from
	return from, from + n
}

// offset is where an element of content lies in the buffer.
func (m *memory) offset(at int64) int64 {
	i := sort.Search(len(m.starts), func(i int) bool { return m.starts[i] > at }) - 1
	return m.windows[i].from + at - m.starts[i]
}

// upload writes every window.
func (m *memory) upload() error {
	for i, w := range m.windows {
		at := m.starts[i]
		if err := m.on.Write(m.base+sigattn.DevicePtr(2*w.from), m.content[at:at+w.length]); err != nil {
			return err
		}
	}
	return nil
}

// download reads every window.
func (m *memory) download() error {
	if m.scratch == nil {
		m.scratch = make([]uint16, len(m.content))
	}
	for i, w := range m.windows {
		at := m.starts[i]
		if err := m.on.Read(m.scratch[at:at+w.length], m.base+sigattn.DevicePtr(2*w.from)); err != nil {
			return err
		}
	}
	return nil
}

// poison fills every window with poison, as newMemory filled content.
func (m *memory) poison() error {
	for _, w := range m.windows {
		if err := m.on.Fill(m.base+sigattn.DevicePtr(2*w.from), poisonWord, w.length/2); err != nil {
			return err
		}
	}
	return nil
}

// put stores n elements in content, for upload.
func (m *memory) put(offset int64, x []uint16) {
	from, to := m.at(offset, int64(len(x)))
	copy(m.content[from:to], x)
}

// take moves elements out of what was read and puts what was there before in their place, so that changed finds only
// what should not have changed. It returns how many still hold the poison that they were given.
func (m *memory) take(x []uint16, offset int64) (unwritten int) {
	from, to := m.at(offset, int64(len(x)))
	copy(x, m.scratch[from:to])
	copy(m.scratch[from:to], m.content[from:to])
	for _, b := range x {
		if b == poison {
			unwritten++
		}
	}
	return unwritten
}

// read is n elements of what was read.
func (m *memory) read(offset, n int64) []uint16 {
	from, to := m.at(offset, n)
	return m.scratch[from:to]
}

// changed reports how many elements of what was read differ from what was written, and the buffer's offset of the first.
func (m *memory) changed() (count int, first int64) { return m.unlike(m.content) }

// keep keeps a copy of what was read.
func (m *memory) keep() { m.kept = slices.Clone(m.scratch) }

// unlikeKept is changed, against what was kept.
func (m *memory) unlikeKept() (count int, first int64) { return m.unlike(m.kept) }

func (m *memory) unlike(want []uint16) (count int, first int64) {
	if slices.Equal(m.scratch, want) {
		return 0, 0
	}
	for i, x := range m.scratch {
		if x != want[i] {
			if count == 0 {
				first = m.offset(int64(i))
			}
			count++
		}
	}
	return count, first
}
