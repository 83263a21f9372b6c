package emulator

import (
	"fmt"
	"strings"

	"github.com/sigattn/sigattn/internal/emulator/ptx"
)

func init() {
	for _, f := range ptx.Forms() {
		words := strings.Split(f.Name, ".")
		switch {
		case words[0] != "mbarrier":
		case words[1] == "init":
			defineMasked(buildMbarrierInit, f.Name)
		case words[1] == "inval":
			defineMasked(buildMbarrierInvalidate, f.Name)
		case words[1] == "arrive":
			defineMasked(buildMbarrierArrive, f.Name)
		case words[1] == "expect_tx" || words[1] == "complete_tx":
			defineMasked(buildMbarrierBytes, f.Name)
		default: // test_wait and try_wait
			defineMasked(buildMbarrierWait, f.Name)
			defineControl(waits, f.Name)
		}
	}
}

func buildMbarrierInit(c *compiler, _ *ptx.Instruction) func(*warp) {
	at, count := c.addressOperand(0), c.slot(1)
	return func(w *warp) {
		var a vec64
		at.lanes(w, &a)
		each(w.active, func(lane int) { w.initMbarrier(lane, a[lane], w.r[count][lane]) })
	}
}

func buildMbarrierInvalidate(c *compiler, _ *ptx.Instruction) func(*warp) {
	at := c.addressOperand(0)
	return func(w *warp) {
		var a vec64
		at.lanes(w, &a)
		each(w.active, func(lane int) { w.invalidateMbarrier(lane, a[lane]) })
	}
}

// sink is a destination's slot; -1 where it is not wanted.
func (c *compiler) sink(i int) int32 {
	if c.in.Operands[i].Kind == ptx.SinkOperand {
		return -1
	}
	return c.slot(i)
}

// buildMbarrierArrive makes arrive, with or without expect_tx.
func buildMbarrierArrive(c *compiler, in *ptx.Instruction) func(*warp) {
	state, at := c.sink(0), c.addressOperand(1)
	value := int32(-1)
	if len(in.Operands) == 3 {
		value = c.slot(2)
	}
	expects := strings.Contains(in.Form.Name, ".expect_tx")
	release := !strings.Contains(in.Form.Name, ".relaxed")
	return func(w *warp) {
		var a vec64
		at.lanes(w, &a)
		each(w.active, func(lane int) {
			m := w.mbarrierAt(lane, a[lane])
			if m == nil {
				return
			}
			if state >= 0 {
				w.d[state][lane] = m.token()
			}
			count := uint32(1)
			switch {
			case expects:
				w.expectMbarrier(lane, a[lane], m, w.r[value][lane])
			case value >= 0:
				count = w.r[value][lane]
			}
			w.arriveMbarrier(lane, a[lane], m, count, release)
		})
		w.clock.advance(w.id)
	}
}

// buildMbarrierBytes makes expect_tx and complete_tx.
func buildMbarrierBytes(c *compiler, in *ptx.Instruction) func(*warp) {
	at, bytes := c.addressOperand(0), c.slot(1)
	completes := strings.HasPrefix(in.Form.Name, "mbarrier.complete_tx")
	return func(w *warp) {
		var a vec64
		at.lanes(w, &a)
		each(w.active, func(lane int) {
			m := w.mbarrierAt(lane, a[lane])
			switch {
			case m == nil:
			case completes:
				m.transact(int(w.r[bytes][lane]), m.phase, w, w.at)
			default:
				w.expectMbarrier(lane, a[lane], m, w.r[bytes][lane])
			}
		})
	}
}

// pollsToLand is after how many tests in vain an asynchronous copy lands, so that a loop of tests comes to an end.
const pollsToLand = 8

// spuriousWaits is how often a try_wait gives up at once, with Random.
const spuriousWaits = 4

// givesUp reports whether a try_wait that would wait does not, as it may: with Latest at its first attempt.
func (w *warp) givesUp() bool {
	switch w.block.options.Copies {
	case Latest:
		return w.polls == 0
	case Random:
		return w.order.IntN(spuriousWaits) == 0
	}
	return false
}

// buildMbarrierWait makes test_wait and try_wait. A try_wait whose lanes all wait for phases that are not complete suspends
// the warp, which hardware does for a while.
func buildMbarrierWait(c *compiler, in *ptx.Instruction) func(*warp) {
	d, at := c.sink(0), c.addressOperand(1)
	parity := strings.Contains(in.Form.Name, ".parity")
	value := c.slot(2)
	suspends := strings.HasPrefix(in.Form.Name, "mbarrier.try_wait")
	acquire := !strings.Contains(in.Form.Name, ".relaxed")
	return func(w *warp) {
		var a vec64
		at.lanes(w, &a)
		var passed uint32
		var waited []*mbarrier
		each(w.active, func(lane int) {
			m := w.mbarrierAt(lane, a[lane])
			switch {
			case m == nil: // the phase counts as complete, so that the kernel comes to its end
			case m.block != w.block:
				w.reportMbarrier(lane, a[lane], BadMbarrier, "mbarriers of other blocks cannot be waited for")
			case parity && w.r[value][lane] > 1:
				w.reportMbarrier(lane, a[lane], BadMbarrier, fmt.Sprintf("parity %d, want 0 or 1", w.r[value][lane]))
			case parity && m.passed(w.r[value][lane]), !parity && uint64(m.phase) > w.d[value][lane]>>1:
				m.observe(w, acquire)
			default:
				waited = append(waited, m)
				return
			}
			passed |= 1 << lane
		})
		if passed == 0 && suspends && !w.givesUp() {
			w.sleepOn(waited)
			return
		}
		if passed == 0 {
			if w.yield(); w.stalls() {
				m := waited[0]
				w.report(Report{Kind: Deadlock, Detail: fmt.Sprintf("warp %d tests again and again for %s", w.index, m.describe())}, w.active)
				w.stop()
				return
			}
		} else {
			w.polls = 0
		}
		if d >= 0 {
			w.p[d] = w.p[d]&^w.active | passed
		}
	}
}

// sleepOn suspends the warp until a phase of one of some mbarriers completes.
func (w *warp) sleepOn(all []*mbarrier) {
	for _, m := range all {
		m.waiters = append(m.waiters, w)
	}
	m := all[0]
	w.suspend(func() string { return fmt.Sprintf("warp %d waits for %s", w.index, m.describe()) })
}

// maxStall is how many tests in a row may fail while nothing else happens in the cluster.
const maxStall = 1 << 14

// stalls counts a test that failed, and reports whether so many have that none will ever succeed: all other warps wait, test
// too or have ended, no copy is in flight, and nothing has arrived anywhere since the first.
func (w *warp) stalls() bool {
	c := w.block.cluster
	for _, b := range c.blocks {
		for _, other := range b.warps {
			if other.state == ready && other != w {
				return false
			}
		}
	}
	if len(c.flights) > 0 {
		return false
	}
	c.stall++
	return c.stall > maxStall
}

// yield lets other warps run, and asynchronous copies land.
func (w *warp) yield() {
	if w.polls++; w.polls%pollsToLand == 0 {
		w.block.cluster.land()
	}
	w.state = yielded
}
