package emulator

import (
	"fmt"
	"slices"
	"sort"
	"sync"
	"unsafe"
)

// Memory is a device's global memory: allocations with room between them. Its methods may be called at once; what they
// read and write is the caller's to order.
type Memory struct {
	mu    sync.RWMutex
	all   []*allocation // by address
	next  uint64
	used  int64
	limit int64
}

// allocation is one buffer.
type allocation struct {
	base    uint64
	data    []byte
	written []byte // for each byte, whether it was written; nil where that is not tracked
}

const (
	firstAddress = 1 << 36
	allocAlign   = 256
	allocGap     = 1 << 20 // so that what misses a buffer by little hits no other
)

// NewMemory is a memory of so many bytes. Where tracked, it remembers which bytes were written.
func NewMemory(bytes int64) *Memory { return &Memory{next: firstAddress, limit: bytes} }

// ErrMemory is wrapped by errors of Memory.
var ErrMemory = fmt.Errorf("%w: device memory", ErrLaunch)

// Size is the memory's size in bytes, and how much of it is not allocated.
func (m *Memory) Size() (free, total int64) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.limit - m.used, m.limit
}

// Alloc allocates n > 0 bytes at a multiple of 256. What they hold is undefined; track makes reads of it known to
// Options.CheckGlobal.
func (m *Memory) Alloc(n int64, track bool) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n <= 0 || n > m.limit-m.used {
		return 0, fmt.Errorf("%w: %d bytes asked for, %d are free", ErrMemory, n, m.limit-m.used)
	}
	words := make([]uint64, (n+7)/8) // so that 8 bytes are aligned for the host too
	a := &allocation{base: m.next, data: unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), n)}
	if track {
		a.written = make([]byte, n)
	}
	m.all = append(m.all, a)
	m.used += n
	m.next += (uint64(n) + allocGap + allocAlign - 1) / allocAlign * allocAlign
	return a.base, nil
}

// Free releases what Alloc returned.
func (m *Memory) Free(base uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.IndexFunc(m.all, func(a *allocation) bool { return a.base == base })
	if i < 0 {
		return fmt.Errorf("%w: nothing is allocated at %#x", ErrMemory, base)
	}
	m.used -= int64(len(m.all[i].data))
	m.all = slices.Delete(m.all, i, i+1)
	return nil
}

// Write copies bytes to an address.
func (m *Memory) Write(to uint64, bytes []byte) error {
	data, err := m.span(to, int64(len(bytes)), true)
	copy(data, bytes)
	return err
}

// Read copies bytes from an address.
func (m *Memory) Read(bytes []byte, from uint64) error {
	data, err := m.span(from, int64(len(bytes)), false)
	copy(bytes, data)
	return err
}

// Fill repeats a pattern over n bytes.
func (m *Memory) Fill(to uint64, pattern []byte, n int64) error {
	data, err := m.span(to, n, true)
	if err != nil || n == 0 {
		return err
	}
	done := copy(data, pattern)
	for done < len(data) {
		done += copy(data[done:], data[:done])
	}
	return nil
}

// span is n bytes of one allocation, which count as written where they will be.
func (m *Memory) span(at uint64, n int64, write bool) ([]byte, error) {
	if n == 0 {
		return nil, nil
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	a := find(m.all, at)
	if a == nil || !a.holds(at, n) {
		return nil, fmt.Errorf("%w: %s", ErrMemory, describeMiss(m.all, at, n))
	}
	from := at - a.base
	if write && a.written != nil {
		for i := range a.written[from : from+uint64(n)] {
			a.written[from+uint64(i)] = 1
		}
	}
	return a.data[from : from+uint64(n)], nil
}

// snapshot lists the allocations for a launch.
func (m *Memory) snapshot() []*allocation {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return slices.Clone(m.all)
}

func (a *allocation) holds(at uint64, n int64) bool {
	return at >= a.base && n <= int64(len(a.data)) && at-a.base <= uint64(int64(len(a.data))-n)
}

// find is the last allocation that starts at or before an address, or nil.
func find(all []*allocation, at uint64) *allocation {
	i := sort.Search(len(all), func(i int) bool { return all[i].base > at })
	if i == 0 {
		return nil
	}
	return all[i-1]
}

// describeMiss says by how much n bytes miss the nearest allocation.
func describeMiss(all []*allocation, at uint64, n int64) string {
	var best string
	least := ^uint64(0)
	for i, a := range all {
		end := a.base + uint64(len(a.data))
		where := fmt.Sprintf("buffer %d of %d bytes at %#x", i+1, len(a.data), a.base)
		switch {
		case at < a.base && a.base-at < least:
			least = a.base - at
			best = fmt.Sprintf("%d bytes start %d before %s", n, least, where)
		case at >= end && at-end < least:
			least = at - end
			best = fmt.Sprintf("%d bytes start %d past the end of %s", n, least, where)
		case at >= a.base && at < end:
			return fmt.Sprintf("%d bytes reach %d past the end of %s", n, at+uint64(n)-end, where)
		}
	}
	if best == "" || least > allocGap {
		return fmt.Sprintf("%d bytes lie near no buffer", n)
	}
	return best
}
