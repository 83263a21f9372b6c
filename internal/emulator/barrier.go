package emulator

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
)

// barrierCount is how many barriers a block has.
const barrierCount = 16

// barrier is one of a block's barriers, between two of its completions.
type barrier struct {
	expected int // threads
	arrived  int
	known    clocks // to those that have arrived
	waiters  []waiter
	votes    int // threads of bar.red whose predicate holds
}

// waiter is a warp at a barrier, and what it gets when it goes on.
type waiter struct {
	warp    *warp
	deliver func(votes, threads int) // nil where nothing
}

// arrive brings a warp to a barrier, to wait there unless only arrives. Where id or count differ between lanes or
// cannot be, it is reported and the warp ends.
func (w *warp) arrive(id, count *vec32, wait *waiter, votes int) {
	number, threads, ok := w.namedBarrier(id, count)
	if !ok || !w.collective(w.exists) {
		w.stop()
		return
	}
	b := &w.block.barriers[number]
	if b.arrived == 0 {
		*b = barrier{expected: threads, known: b.known, waiters: b.waiters[:0]}
		if b.known == nil {
			b.known = make(clocks, len(w.clock))
		}
		clear(b.known)
	}
	if b.expected != threads {
		w.report(Report{Kind: BadBarrier, Detail: fmt.Sprintf("barrier %d of %d threads, which %d others take to be of %d", number, threads, b.arrived, b.expected)}, w.active)
		w.stop()
		return
	}
	b.arrived += lanes // the hardware counts whole warps
	b.votes += votes
	b.known.join(w.clock)
	w.clock.advance(w.id)
	if wait != nil {
		b.waiters = append(b.waiters, *wait)
		w.state = waiting
	}
	if b.arrived >= b.expected {
		b.complete()
	}
}

// complete lets the waiting warps go on.
func (b *barrier) complete() {
	for _, x := range b.waiters {
		x.warp.clock.join(b.known)
		x.warp.state = ready
		if x.deliver != nil {
			x.deliver(b.votes, b.expected)
		}
	}
	b.arrived = 0
}

// namedBarrier reads a barrier's number and count of threads. A nil count is the whole block.
func (w *warp) namedBarrier(id, count *vec32) (number, threads int, ok bool) {
	first := bits.TrailingZeros32(w.active) % lanes
	threads = len(w.block.warps) * lanes
	number = int(id[first])
	if count != nil {
		threads = int(count[first])
	}
	detail := ""
	switch most := len(w.block.warps) * lanes; {
	case number >= barrierCount:
		detail = fmt.Sprintf("barrier %d of %d", number, barrierCount)
	case threads <= 0 || threads%lanes != 0 || threads > most:
		detail = fmt.Sprintf("a barrier of %d threads in a block of %d", threads, most)
	}
	each(w.active, func(lane int) {
		if int(id[lane]) != number || count != nil && int(count[lane]) != threads {
			detail = fmt.Sprintf("lanes %d and %d name different barriers", first, lane)
		}
	})
	if detail != "" {
		w.report(Report{Kind: BadBarrier, Detail: detail}, w.active)
	}
	return number, threads, detail == ""
}

// syncWarp is bar.warp.sync. Where lanes are left out, what they do stays in the epoch of those that take part: races
// between the ones within and the ones without may be missed.
func (w *warp) syncWarp(members uint32) {
	if w.collective(members) {
		w.clock.advance(w.id)
	}
}

// checkDeadlock reports what waits where nothing can go on. Where a warp was ended for a fault, others that wait for it are
// none of their own.
func (b *block) checkDeadlock() {
	if b.cluster.cut {
		return
	}
	for number := range b.barriers {
		x := &b.barriers[number]
		if x.arrived == 0 {
			continue
		}
		var waiting, away []string
		for _, w := range x.waiters {
			waiting = append(waiting, fmt.Sprint(w.warp.index))
		}
		slices.Sort(waiting)
		for _, w := range b.warps {
			if w.state == done {
				away = append(away, fmt.Sprint(w.index))
			}
		}
		detail := fmt.Sprintf("at barrier %d, %d of %d threads have arrived", number, x.arrived, x.expected)
		if len(away) > 0 {
			detail += ", warps " + strings.Join(away, ",") + " have ended"
		}
		if len(waiting) == 0 {
			continue // arrivals that nobody waits for do not keep the block from ending
		}
		w := x.waiters[0].warp
		w.at-- // the step that it waits in
		w.report(Report{Kind: Deadlock, Detail: "warps " + strings.Join(waiting, ",") + " wait " + detail}, w.active)
	}
}
