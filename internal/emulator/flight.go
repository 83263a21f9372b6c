package emulator

import (
	"fmt"
	"maps"
	"slices"

	"github.com/sigattn/sigattn/internal/emulator/ptx"
)

// flight is an asynchronous copy to shared memory that completes on an mbarrier. Its source was read when it was issued.
type flight struct {
	by    *warp
	step  int
	to    *block
	place placement
	data  []uint32 // dense
	bar   *mbarrier
	phase int // of bar, when the copy was issued
	bytes int // that it adds
}

// placement is how rows of bytes lie in shared memory.
type placement struct {
	offset  int
	row     int // bytes
	rows    int
	swizzle Swizzle
}

// chunkBytes is what asynchronous copies are made of.
const chunkBytes = 16

// pitch is from row to row: where rows are shorter than what is swizzled, room is left behind them.
func (p *placement) pitch() int { return max(p.row, p.swizzle.span()) }

// bytes is the room that the rows take.
func (p *placement) bytes() int { return p.pitch() * p.rows }

// chunks calls f with each chunk's word in shared memory and its word among dense rows.
func (p *placement) chunks(f func(word, dense int)) {
	dense := 0
	for r := range p.rows {
		at := sharedBase + p.offset + r*p.pitch()
		for c := 0; c < p.row; c += chunkBytes {
			f((p.swizzle.apply(at+c)-sharedBase)/4, dense)
			dense += chunkBytes / 4
		}
	}
}

// randomLanding is how often a copy lands while warps could run, with Random.
const randomLanding = 4

// fly starts a copy to a block's shared memory.
func (w *warp) fly(lane int, to *block, place placement, data []uint32, bar *mbarrier) {
	f := &flight{by: w, step: w.at, to: to, place: place, data: data, bar: bar, phase: bar.phase, bytes: 4 * len(data)}
	at := uint64(sharedBase + place.offset)
	for _, offset := range slices.Sorted(maps.Keys(to.mbarriers)) {
		if offset < place.offset+place.bytes() && offset+mbarrierBytes > place.offset {
			w.reportMbarrier(lane, at, BadMbarrier, fmt.Sprintf("the copy overwrites the mbarrier at %#x", sharedBase+offset))
		}
	}
	if !bar.fenced {
		w.reportMbarrier(lane, uint64(sharedBase+bar.offset), MissingFence, "no fence.mbarrier_init or fence.proxy.async lies between the initialisation of the mbarrier and its use by an asynchronous copy")
		bar.fenced = true
	}
	if to.shared.checked() {
		if place.row == place.pitch() {
			w.noteCopy(&to.shared, bar, place.offset/4, len(data))
		} else {
			place.chunks(func(word, _ int) { w.noteCopy(&to.shared, bar, word, chunkBytes/4) })
		}
	}
	bar.last, bar.lastStep, bar.lastWarp = max(bar.last, bar.phase), w.at, w
	if w.lateCompletion() {
		w.block.cluster.flights = append(w.block.cluster.flights, f)
		return
	}
	f.land()
}

// noteCopy checks that a copy which completes on an mbarrier may write words from one on, and notes that it does.
func (w *warp) noteCopy(s *shared, bar *mbarrier, word, n int) {
	w.noteAgentWrite(s, bar.agent, bar.epoch, word, n)
	w.checkReadFences(s, word, n)
}

// lateCompletion says whether asynchronous work that starts now completes as late as it may.
func (w *warp) lateCompletion() bool {
	switch w.block.options.Copies {
	case Eager:
		return false
	case Latest:
		return true
	}
	return w.order.IntN(2) == 0
}

// land completes one of the copies in flight, by the seed; false where there is none.
func (c *cluster) land() bool {
	n := len(c.flights)
	if n == 0 {
		return false
	}
	i := c.order.IntN(n)
	f := c.flights[i]
	c.flights[i] = c.flights[n-1]
	c.flights = c.flights[:n-1]
	f.land()
	return true
}

func (f *flight) land() {
	words := f.to.shared.words
	f.place.chunks(func(word, dense int) { copy(words[word:word+chunkBytes/4], f.data[dense:]) })
	f.bar.transact(f.bytes, f.phase, f.by, f.step)
}

// bulkGlobal finds n bytes of global memory, at a multiple of a chunk.
func (w *warp) bulkGlobal(lane int, at uint64, n int) (a *allocation, offset uint64) {
	if at%chunkBytes != 0 {
		w.report(Report{Kind: Misaligned, Space: ptx.Global, Address: at, Detail: fmt.Sprintf("bulk copies need an address that is a multiple of %d", chunkBytes)}, 1<<lane)
		return nil, 0
	}
	return w.globalSpan(lane, at, n)
}

// globalSpan finds n bytes of one allocation.
func (w *warp) globalSpan(lane int, at uint64, n int) (a *allocation, offset uint64) {
	a = find(w.block.buffers, at)
	if a == nil || !a.holds(at, int64(n)) {
		w.report(Report{Kind: OutOfBounds, Space: ptx.Global, Address: at, Detail: describeMiss(w.block.buffers, at, int64(n))}, 1<<lane)
		return nil, 0
	}
	return a, at - a.base
}
