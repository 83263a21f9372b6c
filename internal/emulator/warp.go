package emulator

import (
	"math/bits"
	"math/rand/v2"

	"github.com/sigattn/sigattn/internal/emulator/ptx"
)

const (
	lanes    = 32
	allLanes = ^uint32(0)
)

// vec32 and vec64 are one register of a warp: a value for each lane.
type (
	vec32 [lanes]uint32
	vec64 [lanes]uint64
)

// warpState is what a warp can do next.
type warpState uint8

const (
	ready   warpState = iota
	waiting           // at a barrier, or for asynchronous work
	yielded           // can run, and would rather that others did
	done              // every lane has exited
)

// warp is 32 threads that run together, each of them active or not.
type warp struct {
	block *block
	index int // in the block
	id    int // among the agents of the cluster
	state warpState

	r []vec32  // registers of 32 and 16 bits, then constants
	d []vec64  // of 64 bits, then constants
	p []uint32 // predicates: a bit for each lane

	at     int         // the next step
	active uint32      // lanes that run it
	rejoin int32       // where this path meets others
	paths  []suspended // that wait until this one gets to where it rejoins
	live   uint32      // lanes that have not exited
	exists uint32      // lanes that were launched

	steps  int64 // that were run
	clock  clocks
	copies copies
	waits  suspension // where it waits for other than a barrier of the block
	bulk   bulkGroups
	matrix products
	limits registerLimits
	fenced map[uint32]uint32 // by epoch, the lanes that have fenced what they wrote in it, where not all have
	polls  int               // tests of mbarriers in a row that failed

	readFences vec32 // by lane, the last epoch whose reads it has fenced while not all lanes did
	order      *rand.Rand
	recent     *allocation // that the last access to global memory hit
}

// suspended is lanes that will run on from a step.
type suspended struct {
	at     int
	lanes  uint32
	rejoin int32
}

// maxPaths bounds a warp's waiting paths. Reconvergence keeps them to two for each nested branch.
const maxPaths = 1 << 12

// run executes until the warp waits or exits, or for at most so many steps.
func (w *warp) run(budget int) {
	steps := w.block.kernel.steps
	for ; budget > 0 && w.state == ready; budget-- {
		s := &steps[w.at]
		if s.opens && w.meet() {
			continue
		}
		w.steps++
		switch s.control {
		case plain:
			if s.guard < 0 && w.active == allLanes {
				s.run(w)
			} else {
				w.runMasked(s)
			}
			w.at++
		case jumps:
			w.jump(s)
		case leaves:
			w.leave(s)
		case waits:
			at := w.at
			w.runMasked(s)
			w.at = at + 1
		}
	}
}

// meet ends a path that has come to where it rejoins others, and reports whether it did.
func (w *warp) meet() bool {
	if int32(w.at) != w.rejoin {
		return false
	}
	w.resume()
	return true
}

// resume takes up the path that waits last.
func (w *warp) resume() {
	for len(w.paths) > 0 {
		top := w.paths[len(w.paths)-1]
		w.paths = w.paths[:len(w.paths)-1]
		if top.lanes &= w.live; top.lanes != 0 {
			w.at, w.active, w.rejoin = top.at, top.lanes, top.rejoin
			return
		}
	}
	w.active = 0
	w.exit()
}

// guarded is the active lanes for which a step's guard holds.
func (w *warp) guarded(s *step) uint32 {
	if s.guard < 0 {
		return w.active
	}
	return w.active & (w.p[s.guard] ^ s.inverts)
}

// runMasked runs a step for some lanes.
func (w *warp) runMasked(s *step) {
	on := w.guarded(s)
	if on == 0 {
		return
	}
	active := w.active
	w.active = on
	off := ^on
	switch s.keeps.file {
	case ptx.W32:
		old := w.r[s.keeps.slot]
		s.run(w)
		for d := &w.r[s.keeps.slot]; off != 0; off &= off - 1 {
			i := bits.TrailingZeros32(off) % lanes
			d[i] = old[i]
		}
	case ptx.W64:
		old := w.d[s.keeps.slot]
		s.run(w)
		for d := &w.d[s.keeps.slot]; off != 0; off &= off - 1 {
			i := bits.TrailingZeros32(off) % lanes
			d[i] = old[i]
		}
	case ptx.W1:
		old := w.p[s.keeps.slot]
		s.run(w)
		w.p[s.keeps.slot] = w.p[s.keeps.slot]&on | old&off
	default:
		s.run(w)
	}
	w.active = active
}

// jump sends the lanes whose guard holds to the step's target.
func (w *warp) jump(s *step) {
	taken := w.guarded(s)
	next := w.at + 1
	switch taken {
	case w.active:
		w.at = int(s.target)
		return
	case 0:
		w.at = next
		return
	}
	if len(w.paths) >= maxPaths {
		w.report(Report{Kind: UnboundedStack, Detail: "branches nest without end"}, w.active)
		w.stop()
		return
	}
	if w.rejoin != s.rejoin { // else the path that waits for this rejoining takes these lanes along
		if s.rejoin != exitStep {
			w.paths = append(w.paths, suspended{int(s.rejoin), w.active, w.rejoin})
		}
		w.rejoin = s.rejoin
	}
	if int32(next) != s.rejoin {
		w.paths = append(w.paths, suspended{next, w.active &^ taken, s.rejoin})
	}
	if s.target == s.rejoin {
		w.resume()
		return
	}
	w.at, w.active = int(s.target), taken
}

// leave ends the lanes whose guard holds.
func (w *warp) leave(s *step) {
	gone := w.guarded(s)
	w.live &^= gone
	if w.active &^= gone; w.active == 0 {
		w.resume()
		return
	}
	w.at++
}

// exit ends the warp.
func (w *warp) exit() {
	w.state = done
	w.block.cluster.stall = 0
	w.checkLeakedCopies()
	w.leaveAgents()
}

// stop ends the warp after a fault from which it cannot go on.
func (w *warp) stop() {
	w.live, w.active, w.paths = 0, 0, w.paths[:0]
	w.state = done
	w.copies.drop()
	w.block.cluster.cut = true
}

// collective reports lanes that are missing from an instruction that all of some lanes must execute together. Lanes that
// are on another path count as missing, although hardware would wait for those of shfl, vote and bar.warp.sync to come or
// to exit.
func (w *warp) collective(named uint32) bool {
	if missing := named & w.live &^ w.active; missing != 0 {
		w.report(Report{Kind: Divergent, Detail: describeLanes(missing) + " of the warp do not take part"}, w.active)
		return false
	}
	return true
}

// report completes a report by the current step and the first of some lanes, and files it.
func (w *warp) report(r Report, of uint32) {
	r.Thread = w.index*lanes + bits.TrailingZeros32(of)%lanes
	w.block.report(r, w.at)
}
