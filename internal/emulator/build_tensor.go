package emulator

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"strings"

	"github.com/sigattn/sigattn/internal/emulator/ptx"
)

// paramBase is the generic address of the first byte of parameters.
const paramBase = firstAddress / 2

// tensorOperand is a tensor map's address with coordinates.
type tensorOperand struct {
	at          address
	coordinates []int32 // slots
}

func (c *compiler) tensorOperand(i int) tensorOperand {
	t := tensorOperand{at: c.addressOperand(i)}
	x := &c.in.Operands[i]
	if x.Symbol != nil && x.Symbol.Space == ptx.Param {
		t.at.offset += paramBase
	}
	for j := range x.Vector {
		t.coordinates = append(t.coordinates, c.place(&x.Vector[j], ptx.W32))
	}
	return t
}

// boxAlign is what the start of a box's rows needs within the tensor's rows, in bytes. Hardware takes a copy from elsewhere for
// an illegal instruction, though cuda.h asks for nothing where it describes tensor maps.
const boxAlign = 16

// of reads a lane's map, and where its box is; nil where there is none, which was reported.
func (t *tensorOperand) of(w *warp, lane int, at uint64) (*TensorMap, []tensorRow) {
	report := func(kind Kind, detail string) {
		w.report(Report{Kind: kind, Space: ptx.Global, Address: at, Detail: detail}, 1<<lane)
	}
	if at%TensorMapAlign != 0 {
		report(Misaligned, fmt.Sprintf("a tensor map needs an address that is a multiple of %d", TensorMapAlign))
		return nil, nil
	}
	var encoded []byte
	if l := w.block.launch; at >= paramBase && at-paramBase < uint64(len(l.Params)) {
		if encoded = l.Params[at-paramBase:]; len(encoded) < TensorMapBytes {
			report(OutOfBounds, fmt.Sprintf("%d bytes of parameters are left, a tensor map has %d", len(encoded), TensorMapBytes))
			return nil, nil
		}
	} else {
		buffer, offset := w.globalSpan(lane, at, TensorMapBytes)
		if buffer == nil {
			return nil, nil
		}
		encoded = buffer.data[offset:]
	}
	m, ok := decodeTensorMap(encoded)
	switch {
	case !ok:
		report(BadTensorMap, "the bytes there are no tensor map")
		return nil, nil
	case len(m.Dims) != len(t.coordinates):
		report(BadTensorMap, fmt.Sprintf("%d coordinates for a tensor map of %d dimensions", len(t.coordinates), len(m.Dims)))
		return nil, nil
	}
	if place := m.placement(); place.bytes() > maxSharedBytes {
		report(BadTensorMap, fmt.Sprintf("a box of %d bytes, more than shared memory can be", place.bytes()))
		return nil, nil
	}
	where := make([]int32, len(t.coordinates))
	for i, slot := range t.coordinates {
		where[i] = int32(w.r[slot][lane])
	}
	if from := int64(where[0]) * int64(m.ElementBytes()); from%boxAlign != 0 {
		report(Misaligned, fmt.Sprintf("the innermost coordinate %d is %d bytes from the row's start, want a multiple of %d", where[0], from, boxAlign))
		return nil, nil
	}
	return m, m.rows(where)
}

// tensorAlign is what a box needs in shared memory; the pattern of a swizzle lies at multiples of its own size, which is that
// of 8 rows, and hardware takes it by address.
const tensorAlign = 128

func (t *TensorMap) placement() placement {
	return placement{row: t.rowBytes(), rows: t.boxBytes() / t.rowBytes(), swizzle: t.Swizzle}
}

// buildTensorLoad makes cp.async.bulk.tensor to shared memory.
func buildTensorLoad(c *compiler, in *ptx.Instruction) func(*warp) {
	target := c.loadTarget(in, 2)
	tensor := c.tensorOperand(1)
	return func(w *warp) {
		var to, at, bar vec64
		target.to.lanes(w, &to)
		tensor.at.lanes(w, &at)
		target.bar.lanes(w, &bar)
		each(w.active, func(lane int) {
			m, rows := tensor.of(w, lane, at[lane])
			if m == nil {
				return
			}
			data, ok := w.fetchBox(lane, m, rows)
			if ok {
				target.send(w, lane, to[lane], bar[lane], tensorAlign, m.placement(), data)
			}
		})
	}
}

// fetchBox reads a box; what lies outside the tensor is filled.
func (w *warp) fetchBox(lane int, m *TensorMap, rows []tensorRow) ([]uint32, bool) {
	n := m.rowBytes()
	bytes := make([]byte, n*len(rows))
	if m.FillNaN {
		for i := range bytes {
			bytes[i] = 0xff
		}
	}
	for i, r := range rows {
		if r.from == r.to {
			continue
		}
		buffer, offset := w.globalSpan(lane, r.address, r.to-r.from)
		if buffer == nil {
			return nil, false
		}
		w.noteGlobalRead(lane, buffer, offset, r.to-r.from)
		copy(bytes[i*n+r.from:i*n+r.to], buffer.data[offset:])
	}
	data := make([]uint32, len(bytes)/4)
	for i := range data {
		data[i] = binary.LittleEndian.Uint32(bytes[4*i:])
	}
	return data, true
}

// buildTensorStore makes cp.async.bulk.tensor and cp.reduce.async.bulk.tensor to global memory.
func buildTensorStore(c *compiler, in *ptx.Instruction) func(*warp) {
	tensor, from := c.tensorOperand(0), c.addressOperand(1)
	reduces := strings.HasPrefix(in.Form.Name, "cp.reduce")
	return func(w *warp) {
		var at, source vec64
		tensor.at.lanes(w, &at)
		from.lanes(w, &source)
		each(w.active, func(lane int) {
			m, rows := tensor.of(w, lane, at[lane])
			if m == nil {
				return
			}
			add := additions[tensorAdditions[m.Type]]
			if reduces && add == nil {
				w.report(Report{Kind: BadTensorMap, Detail: fmt.Sprintf("a reduction of elements of the type %d", m.Type)}, 1<<lane)
				return
			}
			for i := range rows {
				rows[i] = rows[i].stored()
			}
			place := m.placement()
			offset, ok := w.ownSpan(lane, source[lane], place.bytes(), tensorAlign)
			if !ok || !w.reaches(lane, rows) {
				return
			}
			place.offset = offset
			if !reduces {
				add = nil
			}
			w.store(lane, place, rows, reduces, func(data []uint32) { writeBox(w.block.buffers, m, rows, data, add) })
		})
	}
}

// reaches checks that all rows lie in buffers.
func (w *warp) reaches(lane int, rows []tensorRow) bool {
	for _, r := range rows {
		if r.from < r.to {
			if buffer, _ := w.globalSpan(lane, r.address, r.to-r.from); buffer == nil {
				return false
			}
		}
	}
	return true
}

// writeBox stores rows of a box, or adds them where add is given.
func writeBox(buffers []*allocation, m *TensorMap, rows []tensorRow, data []uint32, add func(a, b uint32) uint32) {
	bytes := make([]byte, 4*len(data))
	for i, x := range data {
		binary.LittleEndian.PutUint32(bytes[4*i:], x)
	}
	n, size := m.rowBytes(), m.ElementBytes()
	for i, r := range rows {
		if r.from == r.to {
			continue
		}
		buffer := find(buffers, r.address)
		at := r.address - buffer.base
		noteGlobalWrite(buffer, at, r.to-r.from)
		from := bytes[i*n+r.from : i*n+r.to]
		if add == nil {
			copy(buffer.data[at:], from)
			continue
		}
		for j := 0; j < len(from); j += size {
			addElement(buffer.data, at+uint64(j), from[j:j+size], add)
		}
	}
}

// addElement adds one element of 2 or 4 bytes to memory among blocks that run at once.
func addElement(data []byte, at uint64, x []byte, add func(a, b uint32) uint32) {
	value := uint32(littleEndian(x, len(x)))
	if len(x) == 4 {
		addAtomically(data[at:at+4], value, add)
		return
	}
	shift := 16 * (at / 2 % 2) // a word's other half must keep its bits, which adding a zero might not
	word := data[at&^3:]
	if len(word) < 4 { // the buffer ends with half a word, which is nobody else's
		old := binary.LittleEndian.Uint16(data[at:])
		binary.LittleEndian.PutUint16(data[at:], uint16(add(uint32(old), value)))
		return
	}
	half := uint32(0xffff) << shift
	addAtomically(word[:4], value, func(a, b uint32) uint32 {
		return a&^half | bits.RotateLeft32(add(a>>shift&0xffff, b)&0xffff, int(shift))
	})
}
