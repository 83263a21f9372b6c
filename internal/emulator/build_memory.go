package emulator

import (
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync/atomic"
	"unsafe"

	"github.com/sigattn/sigattn/internal/emulator/ptx"
)

// failedLoad is what a load gives that may not be made.
const failedLoad = ^uint64(0)

// accessOf reads an access's shape off its name, such as ld.shared.v4.f32.
func accessOf(name string) (count int, e element) {
	words := strings.Split(name, ".")
	count = 1
	if v := words[len(words)-2]; v == "v2" || v == "v4" {
		count = int(v[1] - '0')
	}
	return count, elementOf(words[len(words)-1])
}

// set writes a loaded element to a register.
func (w *warp) set(slot int32, wide bool, lane int, x uint64) {
	if wide {
		w.d[slot][lane] = x
	} else {
		w.r[slot][lane] = uint32(x)
	}
}

// get reads an element that is stored from a register.
func (w *warp) get(slot int32, wide bool, lane int) uint64 {
	if wide {
		return w.d[slot][lane]
	}
	return uint64(w.r[slot][lane])
}

// buildLoad makes ld from any space.
func buildLoad(c *compiler, in *ptx.Instruction) func(*warp) {
	count, e := accessOf(in.Form.Name)
	slots, wide := c.elements(0)
	at := c.addressOperand(1)
	switch in.Form.Operands[1].Space {
	case ptx.Param:
		return c.loadParam(at, slots, wide, e)
	case ptx.Global:
		return loadGlobal(at, slots, wide, count, e)
	}
	return loadShared(at, slots, wide, count, e)
}

func (c *compiler) loadParam(at address, slots []int32, wide []bool, e element) func(*warp) {
	size := uint64(c.kernel.paramBytes)
	total := uint64(e.bytes * len(slots))
	return func(w *warp) {
		var a vec64
		at.lanes(w, &a)
		each(w.active, func(lane int) {
			from := a[lane]
			if from > size || total > size-from || from%total != 0 {
				w.report(Report{Kind: OutOfBounds, Space: ptx.Param, Address: from,
					Detail: fmt.Sprintf("%d bytes of %d bytes of parameters", total, size)}, 1<<lane)
				for i := range slots {
					w.set(slots[i], wide[i], lane, failedLoad)
				}
				return
			}
			for i := range slots {
				w.set(slots[i], wide[i], lane, e.extend(w.block.param(from+uint64(i*e.bytes), e.bytes)))
			}
		})
	}
}

func loadGlobal(at address, slots []int32, wide []bool, count int, e element) func(*warp) {
	n := count * e.bytes
	return func(w *warp) {
		var a vec64
		at.lanes(w, &a)
		each(w.active, func(lane int) {
			buffer, offset := w.globalAt(lane, a[lane], n)
			if buffer == nil {
				for i := range slots {
					w.set(slots[i], wide[i], lane, failedLoad)
				}
				return
			}
			w.noteGlobalRead(lane, buffer, offset, n)
			data := buffer.data[offset:]
			for i := range slots {
				w.set(slots[i], wide[i], lane, e.extend(littleEndian(data[i*e.bytes:], e.bytes)))
			}
		})
	}
}

func loadShared(at address, slots []int32, wide []bool, count int, e element) func(*warp) {
	n := count * e.bytes
	return func(w *warp) {
		var a vec64
		at.lanes(w, &a)
		s := &w.block.shared
		check := s.checked()
		each(w.active, func(lane int) {
			offset, ok := w.sharedAt(lane, a[lane], n)
			if !ok {
				for i := range slots {
					w.set(slots[i], wide[i], lane, failedLoad)
				}
				return
			}
			w.loadFrom(s, check, lane, offset, slots, wide, e)
		})
	}
}

// loadFrom loads a lane's elements from a block's shared memory.
func (w *warp) loadFrom(s *shared, check bool, lane, offset int, slots []int32, wide []bool, e element) {
	if check {
		n := len(slots) * e.bytes
		w.noteReadOf(s, lane, lane, offset/4, (n+3)/4, bytesOf(offset, n))
	}
	for i := range slots {
		w.set(slots[i], wide[i], lane, e.extend(s.load(offset+i*e.bytes, e.bytes)))
	}
}

// buildStore makes st to any space.
func buildStore(c *compiler, in *ptx.Instruction) func(*warp) {
	count, e := accessOf(in.Form.Name)
	at := c.addressOperand(0)
	slots, wide := c.elements(1)
	n := count * e.bytes
	if in.Form.Operands[0].Space == ptx.Global {
		return func(w *warp) {
			var a vec64
			at.lanes(w, &a)
			each(w.active, func(lane int) {
				buffer, offset := w.globalAt(lane, a[lane], n)
				if buffer == nil {
					return
				}
				noteGlobalWrite(buffer, offset, n)
				data := buffer.data[offset:]
				for i := range slots {
					putLittleEndian(data[i*e.bytes:], e.bytes, w.get(slots[i], wide[i], lane))
				}
			})
		}
	}
	return func(w *warp) {
		var a vec64
		at.lanes(w, &a)
		s := &w.block.shared
		check := s.checked()
		each(w.active, func(lane int) {
			offset, ok := w.sharedAt(lane, a[lane], n)
			if !ok {
				return
			}
			w.storeTo(s, check, lane, offset, slots, wide, e)
		})
	}
}

// storeTo stores a lane's elements to a block's shared memory.
func (w *warp) storeTo(s *shared, check bool, lane, offset int, slots []int32, wide []bool, e element) {
	n := len(slots) * e.bytes
	words := s.words[offset/4:][:(n+3)/4]
	var values [4]uint32 // of the words, as they will be
	for i := range slots {
		x := w.get(slots[i], wide[i], lane)
		switch e.bytes {
		case 4:
			values[i] = uint32(x)
		case 8:
			values[2*i], values[2*i+1] = uint32(x), uint32(x>>32)
		default:
			values[0] = merge(words[0], uint32(x), offset, e.bytes)
		}
	}
	if check {
		w.noteWriteOf(s, lane, offset/4, values[:len(words)], bytesOf(offset, n), 0)
	}
	copy(words, values[:])
}

// addFlushing is what red and atom do to floats in global memory: subnormals are flushed.
var addFlushing = flushing(func(a, b float64) float64 { return a + b })

// buildReduce makes red, of one word or a vector, and atom, which also returns what was there. Lanes act in their order, and
// each word is added by itself.
func buildReduce(c *compiler, in *ptx.Instruction) func(*warp) {
	result := int32(-1)
	first := 0
	if in.Form.Destinations > 0 {
		result = c.slot(0)
		first = 1
	}
	at := c.addressOperand(first)
	values, _ := c.elements(first + 1)
	n := 4 * len(values)
	add := func(a, b uint32) uint32 { return a + b }
	if strings.HasSuffix(in.Form.Name, ".f32") {
		add = addFlushing
	}
	return func(w *warp) {
		var a vec64
		at.lanes(w, &a)
		each(w.active, func(lane int) {
			buffer, offset := w.globalAt(lane, a[lane], n)
			if buffer == nil {
				return
			}
			w.noteGlobalRead(lane, buffer, offset, n)
			noteGlobalWrite(buffer, offset, n)
			for i, value := range values {
				old := addAtomically(buffer.data[offset+uint64(4*i):][:4], w.r[value][lane], add)
				if result >= 0 {
					w.r[result][lane] = old
				}
			}
		})
	}
}

// atomicWord is the aligned word at the start of bytes, for blocks that run at once: allocations are aligned, and emulated addresses
// with them.
func atomicWord(at []byte) *uint32 { return (*uint32)(unsafe.Pointer(&at[0])) }

// addAtomically adds to an aligned word among blocks that run at once.
func addAtomically(at []byte, x uint32, add func(a, b uint32) uint32) (old uint32) {
	p := atomicWord(at)
	for {
		old = atomic.LoadUint32(p)
		if atomic.CompareAndSwapUint32(p, old, add(old, x)) {
			return old
		}
	}
}

// buildAcquire makes ld.acquire of a word that another block, which may run at once, stores with st.release. It is a test that may
// be made again and again, so that others run first. Where no block that runs does anything else, they wait for one that a device
// need not have begun.
func buildAcquire(c *compiler, _ *ptx.Instruction) func(*warp) {
	d, at := c.slot(0), c.addressOperand(1)
	return func(w *warp) {
		l, c := w.block.launch, w.block.cluster
		released := l.releases.Load()
		if released != c.released {
			c.released, c.stall = released, 0
		}
		var a vec64
		at.lanes(w, &a)
		each(w.active, func(lane int) {
			buffer, offset := w.globalAt(lane, a[lane], 4)
			if buffer == nil {
				w.r[d][lane] = uint32(failedLoad & math.MaxUint32)
				return
			}
			w.noteGlobalRead(lane, buffer, offset, 4)
			w.r[d][lane] = atomic.LoadUint32(atomicWord(buffer.data[offset:]))
		})
		w.yield()
		runtime.Gosched()
		if !w.stalls() {
			return
		}
		c.worker.stalled.Store(released + 1)
		if l.allStalled() {
			w.report(Report{Kind: Deadlock, Detail: fmt.Sprintf("warp %d loads again and again what no block that runs will store", w.index)}, w.active)
			w.stop()
		}
	}
}

// allStalled reports whether every cluster that runs only tests what another one would have to release, since the last release.
func (l *launch) allStalled() bool {
	now := l.releases.Load() + 1
	for i := range l.workers {
		if w := &l.workers[i]; !w.done.Load() && w.stalled.Load() != now {
			return false
		}
	}
	return true
}

// buildRelease makes st.release: what the thread wrote before, and knows of others', is there for who acquires the word.
func buildRelease(c *compiler, _ *ptx.Instruction) func(*warp) {
	at, value := c.addressOperand(0), c.slot(1)
	return func(w *warp) {
		var a vec64
		at.lanes(w, &a)
		each(w.active, func(lane int) {
			buffer, offset := w.globalAt(lane, a[lane], 4)
			if buffer == nil {
				return
			}
			noteGlobalWrite(buffer, offset, 4)
			atomic.StoreUint32(atomicWord(buffer.data[offset:]), w.r[value][lane])
		})
		w.block.launch.releases.Add(1)
	}
}
