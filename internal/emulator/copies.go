package emulator

import (
	"encoding/binary"
	"fmt"

	"github.com/sigattn/sigattn/internal/emulator/ptx"
)

// copies are a warp's cp.async that were not waited for.
type copies struct {
	flying  []*asyncCopy
	spare   []*asyncCopy
	commits vec32 // groups that each lane has closed
}

// asyncCopy is one cp.async of a warp. Its source is read when it is issued.
type asyncCopy struct {
	step   int
	lanes  uint32 // that still wait
	landed bool   // the data is in shared memory already
	words  int    // of each lane
	to     [lanes]int
	group  vec32 // of each lane
	data   [lanes][4]uint32
}

func (c *copies) reset() {
	c.drop()
	c.commits = vec32{}
}

// drop forgets everything in flight.
func (c *copies) drop() {
	c.spare = append(c.spare, c.flying...)
	c.flying = c.flying[:0]
}

func (c *copies) fresh() *asyncCopy {
	if n := len(c.spare); n > 0 {
		x := c.spare[n-1]
		c.spare = c.spare[:n-1]
		return x
	}
	return new(asyncCopy)
}

// issue starts copies of n bytes from global to shared memory, of which the bytes behind size are zero.
func (w *warp) issue(to, from *vec64, n int, size *vec32) {
	x := w.copies.fresh()
	x.step, x.lanes, x.words, x.group = w.at, 0, n/4, w.copies.commits
	check := w.block.shared.checked()
	each(w.active, func(lane int) {
		offset, ok := w.sharedAt(lane, to[lane], n)
		if !ok {
			return
		}
		data := &x.data[lane]
		*data = [4]uint32{}
		if !w.fetch(lane, data, from[lane], n, size) {
			return
		}
		x.lanes |= 1 << lane
		x.to[lane] = offset / 4
		if check {
			w.noteWrite(lane, offset/4, data[:x.words], wholeWord, inFlight)
		}
	})
	x.landed = false
	switch w.block.options.Copies {
	case Eager:
		x.landed = true
	case Random:
		x.landed = w.order.IntN(2) == 0
	}
	if x.landed {
		w.deliver(x, x.lanes)
	}
	w.copies.flying = append(w.copies.flying, x)
}

// fetch reads what one lane copies.
func (w *warp) fetch(lane int, data *[4]uint32, from uint64, n int, size *vec32) bool {
	valid := n
	if size != nil {
		if valid = int(size[lane]); valid < 0 || valid > n {
			w.report(Report{Kind: OutOfBounds, Space: ptx.Global, Address: from, Detail: fmt.Sprintf("a copy of %d bytes of which %d are read", n, size[lane])}, 1<<lane)
			return false
		}
	}
	if valid == 0 {
		return true
	}
	if from%uint64(n) != 0 {
		w.report(Report{Kind: Misaligned, Space: ptx.Global, Address: from, Detail: fmt.Sprintf("%d bytes need an address that is a multiple of %d", n, n)}, 1<<lane)
		return false
	}
	if valid == n {
		buffer, offset := w.globalAt(lane, from, n)
		if buffer == nil {
			return false
		}
		w.noteGlobalRead(lane, buffer, offset, n)
		for i := range n / 4 {
			data[i] = binary.LittleEndian.Uint32(buffer.data[offset+uint64(4*i):])
		}
		return true
	}
	for i := range valid {
		buffer, offset := w.globalAt(lane, from+uint64(i), 1)
		if buffer == nil {
			return false
		}
		w.noteGlobalRead(lane, buffer, offset, 1)
		data[i/4] |= uint32(buffer.data[offset]) << (8 * (i % 4))
	}
	return true
}

// deliver puts some lanes' data into shared memory.
func (w *warp) deliver(x *asyncCopy, of uint32) {
	words := w.block.shared.words
	each(of, func(lane int) { copy(words[x.to[lane]:x.to[lane]+x.words], x.data[lane][:]) })
}

// waitCopies completes the copies of the active lanes but those of their last groups that may stay pending.
func (w *warp) waitCopies(pending uint32) {
	c := &w.copies
	w.completeCopies(func(x *asyncCopy, lane int) bool { return x.group[lane]+pending < c.commits[lane] })
}

// completeCopies completes the copies of the active lanes that are wanted.
func (w *warp) completeCopies(wanted func(x *asyncCopy, lane int) bool) {
	c := &w.copies
	check := w.block.shared.checked()
	left := c.flying[:0]
	for _, x := range c.flying {
		var complete uint32
		each(x.lanes&w.active, func(lane int) {
			if wanted(x, lane) {
				complete |= 1 << lane
			}
		})
		if !x.landed {
			w.deliver(x, complete)
		}
		if check {
			each(complete, func(lane int) { w.land(x.step, lane, x.to[lane], x.words) })
		}
		if x.lanes &^= complete; x.lanes == 0 {
			c.spare = append(c.spare, x)
		} else {
			left = append(left, x)
		}
	}
	c.flying = left
}

// commit closes the active lanes' group.
func (w *warp) commit() { each(w.active, func(lane int) { w.copies.commits[lane]++ }) }

// waitAllCopies completes every copy of the active lanes, in closed groups or not.
func (w *warp) waitAllCopies() {
	w.commit()
	w.waitCopies(0)
}

// checkLeakedCopies reports copies that nothing waited for.
func (w *warp) checkLeakedCopies() {
	for _, x := range w.copies.flying {
		r := Report{Kind: LeakedCopy, Detail: "the thread ends before this copy is waited for", Thread: w.index*lanes + firstLane(x.lanes)}
		w.block.report(r, x.step)
	}
	w.copies.drop()
}
