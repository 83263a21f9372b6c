package emulator

import (
	"fmt"
	"math/bits"

	"github.com/sigattn/sigattn/internal/emulator/ptx"
)

func init() {
	// Each gives the lane to read and whether it lies within the segment of lanes from low to high.
	defineMasked(buildShuffle(func(lane, b int, s segment) (int, bool) { return lane ^ b, lane^b <= s.high }), "shfl.sync.bfly.b32")
	defineMasked(buildShuffle(func(_, b int, s segment) (int, bool) { return s.low | b&^s.mask, s.low|b&^s.mask <= s.high }), "shfl.sync.idx.b32")
	defineMasked(buildShuffle(func(lane, b int, s segment) (int, bool) { return lane - b, lane-b >= s.high }), "shfl.sync.up.b32")
	defineMasked(buildShuffle(func(lane, b int, s segment) (int, bool) { return lane + b, lane+b <= s.high }), "shfl.sync.down.b32")

	defineMasked(buildVote(func(votes, members uint32) bool { return votes&members == members }), "vote.sync.all.pred")
	defineMasked(buildVote(func(votes, members uint32) bool { return votes&members != 0 }), "vote.sync.any.pred")
	defineMasked(buildBallot, "vote.sync.ballot.b32")

	defineMasked(buildSyncWarp, "bar.warp.sync")
	defineMasked(buildBarrier(true), "bar.sync", "barrier.sync")
	defineMasked(buildBarrier(false), "bar.arrive")
	defineMasked(buildBarrierVote(func(votes, threads int) bool { return votes > 0 }), "bar.red.or.pred")
	defineMasked(buildBarrierVote(func(votes, threads int) bool { return votes == threads }), "bar.red.and.pred")
	defineMasked(buildBarrierCount, "bar.red.popc.u32")

	defineMasked(buildCopy, "cp.async.cg.shared.global", "cp.async.cg.shared.global.L2::128B", "cp.async.ca.shared.global", "cp.async.ca.shared.global.L2::128B")
	defineMasked(func(*compiler, *ptx.Instruction) func(*warp) { return (*warp).commit }, "cp.async.commit_group")
	defineMasked(func(_ *compiler, in *ptx.Instruction) func(*warp) {
		pending := uint32(in.Operands[0].Immediate)
		return func(w *warp) { w.waitCopies(pending) }
	}, "cp.async.wait_group")
	defineMasked(func(*compiler, *ptx.Instruction) func(*warp) { return (*warp).waitAllCopies }, "cp.async.wait_all")

	for _, f := range ptx.Forms() {
		switch op := f.Name[:3]; {
		case builders[f.Name] != nil: // has one of its own
		case op == "ld.":
			defineMasked(buildLoad, f.Name)
		case op == "st.":
			defineMasked(buildStore, f.Name)
		case op == "red" || op == "ato":
			defineMasked(buildReduce, f.Name)
		}
	}
}

// members reads a warp's mask of lanes that take part, and reports where it cannot be.
func (w *warp) members(mask *vec32) (uint32, bool) {
	named := mask[firstLane(w.active)]
	ok := w.collective(named)
	each(w.active, func(lane int) {
		switch {
		case !ok:
		case mask[lane] != named:
			w.report(Report{Kind: Divergent, Detail: fmt.Sprintf("lanes name different sets of lanes, %#x and %#x", named, mask[lane])}, 1<<lane)
			ok = false
		case named>>lane&1 == 0:
			w.report(Report{Kind: Divergent, Detail: fmt.Sprintf("lane %d is not among those named, %#x", lane, named)}, 1<<lane)
			ok = false
		}
	})
	return named, ok
}

// segment is the lanes that a lane may read, from shfl's operand: a clamp in bits 4:0 and a mask in bits 12:8.
type segment struct{ low, high, mask int }

func segmentOf(lane int, c uint32) segment {
	mask := int(c >> 8 & 31)
	return segment{lane & mask, lane&mask | int(c&31)&^mask, mask}
}

// buildShuffle makes shfl.sync; from gives the lane that one reads. A lane that would leave its segment keeps its own value.
func buildShuffle(from func(lane, b int, s segment) (int, bool)) builder {
	return func(c *compiler, in *ptx.Instruction) func(*warp) {
		d, a, b, clamp, mask := c.slot(0), c.slot(1), c.slot(2), c.slot(3), c.slot(4)
		pair := int32(-1)
		if in.Operands[0].HasPair {
			pair = c.slots.of[in.Operands[0].Pair]
		}
		return func(w *warp) {
			named, ok := w.members(&w.r[mask])
			source, shift, limit := w.r[a], w.r[b], w.r[clamp]
			each(w.active, func(lane int) {
				j, within := from(lane, int(shift[lane]&31), segmentOf(lane, limit[lane]))
				if !within {
					j = lane
				} else if ok && named>>j&1 == 0 {
					w.report(Report{Kind: Divergent, Detail: fmt.Sprintf("reads lane %d, which is not among those named, %#x", j, named)}, 1<<lane)
				}
				w.r[d][lane] = source[j]
				if pair >= 0 {
					w.setPredicate(pair, lane, within)
				}
			})
		}
	}
}

func (w *warp) setPredicate(slot int32, lane int, holds bool) {
	w.p[slot] &^= 1 << lane
	if holds {
		w.p[slot] |= 1 << lane
	}
}

func buildVote(decide func(votes, members uint32) bool) builder {
	return func(c *compiler, _ *ptx.Instruction) func(*warp) {
		d, a, mask := c.slot(0), c.predicate(1), c.slot(2)
		return func(w *warp) {
			named, _ := w.members(&w.r[mask])
			holds := decide(a.of(w), named&w.active)
			w.p[d] &^= w.active
			if holds {
				w.p[d] |= w.active
			}
		}
	}
}

func buildBallot(c *compiler, _ *ptx.Instruction) func(*warp) {
	d, a, mask := c.slot(0), c.predicate(1), c.slot(2)
	return func(w *warp) {
		named, _ := w.members(&w.r[mask])
		votes := a.of(w) & named & w.active
		each(w.active, func(lane int) { w.r[d][lane] = votes })
	}
}

func buildSyncWarp(c *compiler, _ *ptx.Instruction) func(*warp) {
	mask := c.slot(0)
	return func(w *warp) {
		if named, ok := w.members(&w.r[mask]); ok {
			w.syncWarp(named)
		}
	}
}

// barrierOperands reads a barrier's number and, where it is given, its count of threads.
func (c *compiler) barrierOperands(in *ptx.Instruction, first int, given bool) (id, count int32) {
	id, count = c.slot(first), -1
	if given {
		count = c.slot(first + 1)
	}
	return id, count
}

func (w *warp) optional(slot int32) *vec32 {
	if slot < 0 {
		return nil
	}
	return &w.r[slot]
}

// buildBarrier makes bar.sync and, where it does not wait, bar.arrive.
func buildBarrier(waits bool) builder {
	return func(c *compiler, in *ptx.Instruction) func(*warp) {
		id, count := c.barrierOperands(in, 0, len(in.Operands) == 2)
		return func(w *warp) {
			var wait *waiter
			if waits {
				wait = &waiter{warp: w}
			}
			w.arrive(&w.r[id], w.optional(count), wait, 0)
		}
	}
}

// buildBarrierVote makes bar.red, which gives every thread a function of all their predicates.
func buildBarrierVote(decide func(votes, threads int) bool) builder {
	return func(c *compiler, in *ptx.Instruction) func(*warp) {
		d, id, a := c.slot(0), c.slot(1), c.predicate(2)
		return func(w *warp) {
			active := w.active
			w.arrive(&w.r[id], nil, &waiter{w, func(votes, threads int) {
				each(active, func(lane int) { w.setPredicate(d, lane, decide(votes, threads)) })
			}}, bits.OnesCount32(a.of(w)&active))
		}
	}
}

func buildBarrierCount(c *compiler, in *ptx.Instruction) func(*warp) {
	d, id, a := c.slot(0), c.slot(1), c.predicate(2)
	return func(w *warp) {
		active := w.active
		w.arrive(&w.r[id], nil, &waiter{w, func(votes, _ int) {
			each(active, func(lane int) { w.r[d][lane] = uint32(votes) })
		}}, bits.OnesCount32(a.of(w)&active))
	}
}

// buildCopy makes cp.async.
func buildCopy(c *compiler, in *ptx.Instruction) func(*warp) {
	to, from := c.addressOperand(0), c.addressOperand(1)
	n := int(in.Operands[2].Immediate)
	if n != 4 && n != 8 && n != 16 || n != 16 && in.Form.Name[:11] == "cp.async.cg" {
		c.fail("%s of %d bytes", in.Form.Name, n)
		return nil
	}
	size := int32(-1)
	if len(in.Operands) == 4 {
		size = c.slot(3)
	}
	return func(w *warp) {
		var t, f vec64
		to.lanes(w, &t)
		from.lanes(w, &f)
		w.issue(&t, &f, n, w.optional(size))
	}
}
