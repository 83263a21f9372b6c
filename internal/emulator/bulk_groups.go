package emulator

import (
	"fmt"

	"github.com/sigattn/sigattn/internal/emulator/ptx"
)

// bulkGroups are a warp's bulk copies from shared memory.
type bulkGroups struct {
	pending []*bulkStore
	commits vec32 // groups that each lane has closed
}

// bulkStore is one bulk copy from shared to global memory.
type bulkStore struct {
	step  int
	lane  int
	group uint32 // of the lane
	epoch uint32 // of the copies' agent
	read  bool   // the lane knows that the source was read
	place placement
	to    []tensorRow
	adds  bool
	data  []uint32            // dense; nil until the source is read
	write func(data []uint32) // to global memory; nil when that was done
}

func (g *bulkGroups) reset() { *g = bulkGroups{} }

// store starts a bulk copy from the own shared memory to rows of global memory, or adds to them.
func (w *warp) store(lane int, place placement, to []tensorRow, adds bool, write func(data []uint32)) {
	c := w.block.cluster
	agent := c.agents.ofBulk(w)
	x := &bulkStore{step: w.at, lane: lane, group: w.bulk.commits[lane], epoch: c.nextEpoch(agent), place: place, to: to, adds: adds, write: write}
	if !w.block.options.NoChecks {
		w.checkOverlap(x)
	}
	if s := &w.block.shared; s.checked() {
		place.chunks(func(word, _ int) { w.noteAgentRead(s, agent, x.epoch, word, chunkBytes/4) })
	}
	if !w.lateCompletion() {
		x.fetch(w)
		if !w.lateCompletion() {
			x.finish(w)
		}
	}
	w.bulk.pending = append(w.bulk.pending, x)
}

// checkOverlap reports a copy to bytes of global memory that an earlier one of the block may still write: without a wait
// for it, either can be the last. Sums may be added to in any order.
func (w *warp) checkOverlap(x *bulkStore) {
	for _, other := range w.block.warps {
		for _, y := range other.bulk.pending {
			if x.adds && y.adds {
				continue
			}
			if at, ok := commonByte(x.to, y.to); ok {
				w.report(Report{Kind: Race, Space: ptx.Global, Address: at, Detail: fmt.Sprintf("the bulk copy of thread %d at %v to the same bytes is not waited for",
					other.index*lanes+y.lane, w.block.kernel.sites[y.step])}, 1<<x.lane)
				return
			}
		}
	}
}

// commonByte is the address of a byte that rows of both have.
func commonByte(a, b []tensorRow) (at uint64, ok bool) {
	for _, x := range a {
		for _, y := range b {
			if from := max(x.address, y.address); from < min(x.end(), y.end()) {
				return from, true
			}
		}
	}
	return 0, false
}

// fetch reads the source.
func (x *bulkStore) fetch(w *warp) {
	if x.data != nil {
		return
	}
	words := w.block.shared.words
	x.data = make([]uint32, x.place.row*x.place.rows/4)
	x.place.chunks(func(word, dense int) { copy(x.data[dense:dense+chunkBytes/4], words[word:]) })
}

// finish writes the destination.
func (x *bulkStore) finish(w *warp) {
	x.fetch(w)
	if x.write != nil {
		x.write(x.data)
		x.write = nil
	}
}

// commitBulk closes the active lanes' group.
func (w *warp) commitBulk() { each(w.active, func(lane int) { w.bulk.commits[lane]++ }) }

// waitBulk completes the active lanes' groups but the last ones, which may stay pending, or with reads only their reading of
// shared memory.
func (w *warp) waitBulk(pending uint32, reads bool) {
	agent := w.block.cluster.agents.ofBulk(w)
	left := w.bulk.pending[:0]
	for _, x := range w.bulk.pending {
		if w.active>>x.lane&1 == 0 || x.group+pending >= w.bulk.commits[x.lane] {
			left = append(left, x)
			continue
		}
		x.fetch(w)
		x.read = true
		w.clock[agent] = max(w.clock[agent], x.epoch)
		if !reads {
			x.finish(w)
		} else {
			left = append(left, x)
		}
	}
	w.bulk.pending = left
}

// checkLeakedBulk reports copies whose source may go away before they have read it, and completes all.
func (w *warp) checkLeakedBulk() {
	for _, x := range w.bulk.pending {
		if !x.read {
			w.block.report(Report{Kind: LeakedCopy, Detail: "the thread ends before this copy is waited for", Thread: w.index*lanes + x.lane}, x.step)
		}
		x.finish(w)
	}
	w.bulk.pending = nil
}
