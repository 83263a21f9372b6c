package emulator

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/sigattn/sigattn/internal/emulator/ptx"
)

// address is how an instruction makes the addresses that its lanes access.
type address struct {
	file   ptx.Width // of the base register; 0 without one
	slot   int32
	offset uint64
}

// addressOperand reads operand i, an address.
func (c *compiler) addressOperand(i int) address {
	x := &c.in.Operands[i]
	a := address{offset: x.Immediate}
	if x.HasBase {
		a.file, a.slot = fileOf(c.entry.Registers[x.Register].Width), c.slots.of[x.Register]
	}
	if x.Symbol != nil {
		a.offset += c.address(x.Symbol)
	}
	return a
}

// lanes computes the address of every lane.
func (a address) lanes(w *warp, to *vec64) {
	switch a.file {
	case ptx.W32: // 32-bit addresses wrap as such
		base, offset := &w.r[a.slot], uint32(a.offset)
		for i := range to {
			to[i] = uint64(base[i] + offset)
		}
	case ptx.W64:
		base := &w.d[a.slot]
		for i := range to {
			to[i] = base[i] + a.offset
		}
	default:
		for i := range to {
			to[i] = a.offset
		}
	}
}

// sharedAt is where an access of n bytes at an address lies in shared memory; ok is false where it may not be made,
// which was reported.
func (w *warp) sharedAt(lane int, at uint64, n int) (offset int, ok bool) {
	if at>>rankShift == w.block.prefix>>rankShift {
		at &= rankOffset
	}
	size := uint64(4 * len(w.block.shared.words))
	offset = int(at - sharedBase)
	switch {
	case at < sharedBase || at-sharedBase > size || uint64(n) > size-(at-sharedBase):
		w.report(Report{Kind: OutOfBounds, Space: ptx.Shared, Address: at,
			Detail: fmt.Sprintf("%d bytes, shared memory is [%#x, %#x)", n, sharedBase, sharedBase+size)}, 1<<lane)
	case at%uint64(n) != 0:
		w.report(Report{Kind: Misaligned, Space: ptx.Shared, Address: at, Detail: fmt.Sprintf("%d bytes need an address that is a multiple of %d", n, n)}, 1<<lane)
	default:
		return offset, true
	}
	return 0, false
}

// globalAt finds n bytes of global memory; nil where they may not be accessed, which was reported.
func (w *warp) globalAt(lane int, at uint64, n int) (a *allocation, offset uint64) {
	a = w.recent
	if a == nil || !a.holds(at, int64(n)) {
		a = find(w.block.buffers, at)
		if a == nil || !a.holds(at, int64(n)) {
			w.report(Report{Kind: OutOfBounds, Space: ptx.Global, Address: at, Detail: describeMiss(w.block.buffers, at, int64(n))}, 1<<lane)
			return nil, 0
		}
		w.recent = a
	}
	if at%uint64(n) != 0 {
		w.report(Report{Kind: Misaligned, Space: ptx.Global, Address: at, Detail: fmt.Sprintf("%d bytes need an address that is a multiple of %d", n, n)}, 1<<lane)
		return nil, 0
	}
	return a, at - a.base
}

// noteGlobalRead reports a read of bytes that were never written.
func (w *warp) noteGlobalRead(lane int, a *allocation, offset uint64, n int) {
	if a.written == nil || !w.block.options.CheckGlobal {
		return
	}
	for i, written := range a.written[offset : offset+uint64(n)] {
		if written == 0 {
			w.report(Report{Kind: Uninitialised, Space: ptx.Global, Address: a.base + offset + uint64(i),
				Detail: fmt.Sprintf("nothing has written byte %d of its buffer", offset+uint64(i))}, 1<<lane)
			return
		}
	}
}

// noteGlobalWrite remembers that bytes were written.
func noteGlobalWrite(a *allocation, offset uint64, n int) {
	if a.written == nil {
		return
	}
	for i := range a.written[offset : offset+uint64(n)] {
		a.written[offset+uint64(i)] = 1
	}
}

// element is the type of an access's elements.
type element struct {
	bytes  int
	signed bool
}

// elementOf reads a type's name, such as s32.
func elementOf(name string) element {
	bits := map[string]int{"8": 1, "16": 2, "32": 4, "64": 8}[name[1:]]
	return element{bits, name[0] == 's'}
}

// extend widens an element as loads do.
func (e element) extend(x uint64) uint64 {
	if !e.signed {
		return x
	}
	shift := 64 - 8*e.bytes
	return uint64(int64(x<<shift) >> shift)
}

// elements lists the slots of an operand's elements, and the file that each lies in.
func (c *compiler) elements(i int) (slots []int32, wide []bool) {
	x := &c.in.Operands[i]
	width := c.in.Form.Operands[i].Width
	one := func(x *ptx.Operand) {
		w := width
		if x.Kind == ptx.RegisterOperand {
			w = c.entry.Registers[x.Register].Width
		}
		slots = append(slots, c.place(x, w))
		wide = append(wide, w == ptx.W64)
	}
	if x.Kind == ptx.VectorOperand {
		for j := range x.Vector {
			one(&x.Vector[j])
		}
	} else {
		one(x)
	}
	return slots, wide
}

func littleEndian(b []byte, n int) uint64 {
	switch n {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(binary.LittleEndian.Uint16(b))
	case 4:
		return uint64(binary.LittleEndian.Uint32(b))
	}
	return binary.LittleEndian.Uint64(b)
}

func putLittleEndian(b []byte, n int, x uint64) {
	switch n {
	case 1:
		b[0] = byte(x)
	case 2:
		binary.LittleEndian.PutUint16(b, uint16(x))
	case 4:
		binary.LittleEndian.PutUint32(b, uint32(x))
	default:
		binary.LittleEndian.PutUint64(b, x)
	}
}

// firstLane is the first of some lanes.
func firstLane(set uint32) int { return bits.TrailingZeros32(set) % lanes }
