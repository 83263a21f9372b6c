package sigattn

import "math/bits"

// elementBytes is the size of every storage type.
const elementBytes = 2

// maxReach bounds the bytes between a dimension's first and last index; no address space of a GPU is as large, and sums
// of several stay far from overflow.
const maxReach = 1 << 54

// span is the device memory that a tensor or a buffer occupies: runs of row bytes, one for each index vector, at
// base + Σ index·stride. Strides are positive and in descending order; dimensions of extent 1 and repeats are dropped,
// so that equal sets of bytes mostly have equal spans.
type span struct {
	base, end uint64 // the first byte and the one past the last
	row       int64  // bytes
	dims      int
	stride    [3]int64 // bytes
	count     [3]int64 // extents, ≥ 2
}

// set makes s the span of n contiguous bytes, n ≤ maxReach. It reports false where they leave the address space.
func (s *span) set(p DevicePtr, n int64) bool {
	end, carry := bits.Add64(uint64(p), uint64(n), 0)
	s.base, s.end, s.row = uint64(p), end, n
	return carry == 0
}

// empty reports a span without a byte.
func (s *span) empty() bool { return s.base == s.end }

// add gives s another dimension of n ≥ 2 indices, stride elements apart. It reports false where the span would leave
// the address space.
func (s *span) add(stride, n int64) bool {
	if stride == 0 {
		return true
	}
	distance := uint64(stride)
	if stride < 0 {
		distance = -distance
	}
	high, reach := bits.Mul64(distance, elementBytes*uint64(n-1))
	if high != 0 || reach > maxReach {
		return false
	}
	if stride < 0 { // walk the same rows upwards
		if reach > s.base {
			return false
		}
		s.base -= reach
	} else {
		var carry uint64
		if s.end, carry = bits.Add64(s.end, reach, 0); carry != 0 {
			return false
		}
	}
	i := s.dims
	for ; i > 0 && s.stride[i-1] < int64(distance*elementBytes); i-- {
		s.stride[i], s.count[i] = s.stride[i-1], s.count[i-1]
	}
	s.stride[i], s.count[i] = int64(distance*elementBytes), n
	s.dims++
	return true
}
