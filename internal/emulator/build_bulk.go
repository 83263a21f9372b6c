package emulator

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"strings"

	"github.com/sigattn/sigattn/internal/emulator/ptx"
)

func init() {
	for _, f := range ptx.Forms() {
		name := f.Name
		has := func(part string) bool { return strings.Contains(name, part) }
		switch {
		case name == "cp.async.bulk.commit_group":
			defineMasked(func(*compiler, *ptx.Instruction) func(*warp) { return (*warp).commitBulk }, name)
		case strings.HasPrefix(name, "cp.async.bulk.wait_group"):
			defineMasked(buildBulkWait, name)
		case strings.HasPrefix(name, "cp.async.bulk.prefetch"):
			defineMasked(buildNothing, name)
		case strings.HasPrefix(name, "cp.async.bulk.tensor") && has("mbarrier"):
			defineMasked(buildTensorLoad, name)
		case strings.HasPrefix(name, "cp.async.bulk.tensor"), strings.HasPrefix(name, "cp.reduce.async.bulk.tensor"):
			defineMasked(buildTensorStore, name)
		case strings.HasPrefix(name, "cp.async.bulk") && has("mbarrier"):
			defineMasked(buildBulkLoad, name)
		case strings.HasPrefix(name, "cp.async.bulk"), strings.HasPrefix(name, "cp.reduce.async.bulk"):
			defineMasked(buildBulkStore, name)
		case strings.HasPrefix(name, "st.async"):
			defineMasked(buildStoreAsync, name)
		}
	}
}

// buildNothing makes what only makes things faster, or what needs no doing here.
func buildNothing(*compiler, *ptx.Instruction) func(*warp) { return func(*warp) {} }

func buildBulkWait(_ *compiler, in *ptx.Instruction) func(*warp) {
	pending, reads := uint32(in.Operands[0].Immediate), strings.HasSuffix(in.Form.Name, ".read")
	return func(w *warp) { w.waitBulk(pending, reads) }
}

// bulkBytes reads a bulk copy's size; ok is false where it cannot be, which was reported.
func (w *warp) bulkBytes(lane int, n uint32) (bytes int, ok bool) {
	if n == 0 || n%chunkBytes != 0 || n > maxSharedBytes {
		w.report(Report{Kind: Misaligned, Detail: fmt.Sprintf("a bulk copy of %d bytes, want a multiple of %d", n, chunkBytes)}, 1<<lane)
		return 0, false
	}
	return int(n), true
}

// destinations lists the ranks of the blocks that a copy goes to; ok is false where the mask names others.
func (w *warp) destinations(lane int, mask uint32) (ranks []int, ok bool) {
	n := len(w.block.cluster.blocks)
	if mask == 0 || mask>>n != 0 {
		w.report(Report{Kind: OutOfBounds, Detail: fmt.Sprintf("a copy to the blocks %#x of a cluster of %d", mask, n)}, 1<<lane)
		return nil, false
	}
	for ; mask != 0; mask &= mask - 1 {
		ranks = append(ranks, bits.TrailingZeros32(mask))
	}
	return ranks, true
}

// loadTarget is where copies to shared memory go.
type loadTarget struct {
	to, bar address
	mask    int32 // -1 without multicast
}

// loadTarget reads the operands of a copy whose mbarrier is operand number bar, which a mask may follow.
func (c *compiler) loadTarget(in *ptx.Instruction, bar int) loadTarget {
	t := loadTarget{c.addressOperand(0), c.addressOperand(bar), -1}
	if strings.Contains(in.Form.Name, ".multicast::cluster") {
		t.mask = c.slot(bar + 1)
	}
	return t
}

// send starts one lane's copy to the places that it names. rows says how the data lie there; all but its offset.
func (t *loadTarget) send(w *warp, lane int, to, bar uint64, align int, rows placement, data []uint32) {
	if t.mask < 0 {
		t.sendTo(w, lane, to, bar, align, rows, data)
		return
	}
	ranks, ok := w.destinations(lane, w.r[t.mask][lane]&0xffff)
	if !ok {
		return
	}
	for _, rank := range ranks {
		t.sendTo(w, lane, mapped(to, rank), mapped(bar, rank), align, rows, data)
	}
}

func (t *loadTarget) sendTo(w *warp, lane int, to, bar uint64, align int, rows placement, data []uint32) {
	b, offset, ok := w.clusterAt(lane, to, rows.bytes(), align)
	if !ok {
		return
	}
	m := w.mbarrierAt(lane, bar)
	if m == nil {
		return
	}
	if m.block != b {
		w.reportMbarrier(lane, bar, BadMbarrier, "the mbarrier and the destination lie in different blocks")
		return
	}
	rows.offset = offset
	w.fly(lane, b, rows, data, m)
}

// buildBulkLoad makes cp.async.bulk to shared memory, from global memory or that of the own block.
func buildBulkLoad(c *compiler, in *ptx.Instruction) func(*warp) {
	t := c.loadTarget(in, 3)
	from, size := c.addressOperand(1), c.slot(2)
	shared := in.Form.Operands[1].Space == ptx.Shared
	return func(w *warp) {
		var to, source, bar vec64
		t.to.lanes(w, &to)
		from.lanes(w, &source)
		t.bar.lanes(w, &bar)
		each(w.active, func(lane int) {
			n, ok := w.bulkBytes(lane, w.r[size][lane])
			if !ok {
				return
			}
			data := make([]uint32, n/4)
			if shared {
				ok = w.fetchShared(lane, data, source[lane])
			} else {
				ok = w.fetchGlobal(lane, data, source[lane])
			}
			if ok {
				t.send(w, lane, to[lane], bar[lane], chunkBytes, placement{row: n, rows: 1}, data)
			}
		})
	}
}

func (w *warp) fetchGlobal(lane int, data []uint32, from uint64) bool {
	buffer, offset := w.bulkGlobal(lane, from, 4*len(data))
	if buffer == nil {
		return false
	}
	w.noteGlobalRead(lane, buffer, offset, 4*len(data))
	for i := range data {
		data[i] = binary.LittleEndian.Uint32(buffer.data[offset+uint64(4*i):])
	}
	return true
}

// fetchShared reads the own shared memory for a copy to that of another block.
func (w *warp) fetchShared(lane int, data []uint32, from uint64) bool {
	b, offset, ok := w.clusterAt(lane, from, 4*len(data), chunkBytes)
	if !ok {
		return false
	}
	if s := &b.shared; s.checked() {
		c := b.cluster
		agent := c.agents.ofBulk(w)
		w.noteAgentRead(s, agent, c.nextEpoch(agent), offset/4, len(data))
	}
	copy(data, b.shared.words[offset/4:])
	return true
}

// buildBulkStore makes cp.async.bulk and cp.reduce.async.bulk to global memory.
func buildBulkStore(c *compiler, in *ptx.Instruction) func(*warp) {
	to, from, size := c.addressOperand(0), c.addressOperand(1), c.slot(2)
	add := additions[in.Form.Name[strings.LastIndexByte(in.Form.Name, '.')+1:]]
	if !strings.HasPrefix(in.Form.Name, "cp.reduce") {
		add = nil
	}
	return func(w *warp) {
		var target, source vec64
		to.lanes(w, &target)
		from.lanes(w, &source)
		each(w.active, func(lane int) {
			n, ok := w.bulkBytes(lane, w.r[size][lane])
			if !ok {
				return
			}
			offset, ok := w.ownSpan(lane, source[lane], n, chunkBytes)
			if !ok {
				return
			}
			buffer, at := w.bulkGlobal(lane, target[lane], n)
			if buffer == nil {
				return
			}
			w.store(lane, placement{offset: offset, row: n, rows: 1}, []tensorRow{{0, n, target[lane]}}, add != nil, func(data []uint32) { writeWords(buffer, at, data, add) })
		})
	}
}

// ownSpan is where n bytes lie in the own block's shared memory.
func (w *warp) ownSpan(lane int, at uint64, n, align int) (offset int, ok bool) {
	b, offset, ok := w.clusterAt(lane, at, n, align)
	if ok && b != w.block {
		w.report(Report{Kind: OutOfBounds, Space: ptx.Shared, Address: at, Detail: "the source lies in another block"}, 1<<lane)
		return 0, false
	}
	return offset, ok
}

// additions are what bulk reductions do to a word of memory, by the type of their elements. Unlike red they keep subnormals.
var additions = map[string]func(a, b uint32) uint32{
	"u32": func(a, b uint32) uint32 { return a + b },
	"s32": func(a, b uint32) uint32 { return a + b },
	"f32": func(a, b uint32) uint32 { return canonical(math.Float32frombits(a) + math.Float32frombits(b)) },
	"f16": func(a, b uint32) uint32 {
		sum := func(a, b uint16) uint32 { return uint32(toFP16(fromFP16(a) + fromFP16(b))) }
		return sum(uint16(a), uint16(b)) | sum(uint16(a>>16), uint16(b>>16))<<16
	},
	"bf16": func(a, b uint32) uint32 {
		sum := func(a, b uint16) uint32 { return uint32(toBF16(fromBF16(a) + fromBF16(b))) }
		return sum(uint16(a), uint16(b)) | sum(uint16(a>>16), uint16(b>>16))<<16
	},
}

// tensorAdditions are the additions by the type of a tensor map.
var tensorAdditions = map[TensorType]string{
	TensorUint32: "u32", TensorInt32: "s32", TensorFloat32: "f32", TensorFloat16: "f16", TensorBFloat16: "bf16",
}

// writeWords stores words, or adds them where add is given.
func writeWords(to *allocation, at uint64, data []uint32, add func(a, b uint32) uint32) {
	noteGlobalWrite(to, at, 4*len(data))
	for i, x := range data {
		bytes := to.data[at+uint64(4*i):][:4]
		if add == nil {
			binary.LittleEndian.PutUint32(bytes, x)
		} else {
			addAtomically(bytes, x, add)
		}
	}
}

// buildStoreAsync makes st.async: a store to another block's shared memory that completes on an mbarrier there.
func buildStoreAsync(c *compiler, in *ptx.Instruction) func(*warp) {
	count, e := accessOf(in.Form.Name)
	t := loadTarget{c.addressOperand(0), c.addressOperand(2), -1}
	slots, wide := c.elements(1)
	n := count * e.bytes
	return func(w *warp) {
		var to, bar vec64
		t.to.lanes(w, &to)
		t.bar.lanes(w, &bar)
		each(w.active, func(lane int) {
			b, offset, ok := w.clusterAt(lane, to[lane], n, n)
			m := w.mbarrierAt(lane, bar[lane])
			if !ok || m == nil {
				return
			}
			var bytes [16]byte
			for i := range slots {
				putLittleEndian(bytes[i*e.bytes:], e.bytes, w.get(slots[i], wide[i], lane))
			}
			words := b.shared.words[offset/4:][:n/4]
			if b.shared.checked() {
				w.noteAgentWrite(&b.shared, m.agent, m.epoch, offset/4, n/4)
			}
			for i := range words {
				words[i] = binary.LittleEndian.Uint32(bytes[4*i:])
			}
			m.transact(n, m.phase, w, w.at)
		})
	}
}
