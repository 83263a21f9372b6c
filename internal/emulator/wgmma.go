package emulator

import (
	"fmt"
	"slices"
)

// warpgroupWarps is how many warps execute wgmma together.
const warpgroupWarps = 4

// warpgroup is what four warps' wgmma have in common.
type warpgroup struct {
	block   *block
	agent   int
	warps   []*warp
	calls   []productCall // that not all warps have made, from the one numbered first on
	first   int
	waiters []*warp
}

// productCall is what must be the same in all warps.
type productCall struct {
	step       int
	a, b       uint64
	accumulate bool
}

// products are a warp's wgmma.
type products struct {
	group   *warpgroup // nil where the warp belongs to none
	calls   int        // instructions executed
	commits int        // groups closed
	fences  int
	pending []*product
	states  []registerState // by slot of the 32-bit registers
}

// product is one wgmma of a warp, or a register copied while it was in flight.
type product struct {
	*productForm
	step       int
	call       int // of the warpgroup
	a, b       matrixDescriptor
	accumulate bool
	group      int
	done       bool     // the registers hold the result
	move       [2]int32 // without a form: from one slot to another
}

// newWarpgroups makes the block's warpgroups; warps beyond a multiple of four belong to none.
func newWarpgroups(b *block) (all []*warpgroup) {
	if !b.kernel.agents {
		return nil
	}
	for i := range len(b.warps) / warpgroupWarps {
		g := &warpgroup{block: b, agent: b.cluster.agents.ofWarpgroup(b.rank, i), warps: b.warps[i*warpgroupWarps:][:warpgroupWarps]}
		for _, w := range g.warps {
			w.matrix.group = g
		}
		all = append(all, g)
	}
	return all
}

func (g *warpgroup) reset() { g.calls, g.first, g.waiters = g.calls[:0], 0, nil }

func (p *products) reset(w *warp) {
	*p = products{group: p.group, states: p.states, pending: p.pending[:0]}
	if p.states == nil && p.group != nil {
		p.states = make([]registerState, len(w.r))
	}
	clear(p.states)
}

// joins checks that the warp may execute an instruction of warpgroups.
func (w *warp) joins() bool {
	if w.matrix.group == nil {
		w.report(Report{Kind: Divergent, Detail: "the warp belongs to no warpgroup of four"}, w.active)
		w.stop()
		return false
	}
	if w.exists != allLanes || !w.collective(allLanes) || w.active != allLanes {
		if w.active != allLanes && w.live == w.active {
			w.report(Report{Kind: Divergent, Detail: describeLanes(^w.active) + " of the warp do not take part"}, w.active)
		}
		w.stop()
		return false
	}
	return true
}

// multiply is wgmma.mma_async by a warp.
func (w *warp) multiply(f *productForm, a, b uint64, accumulate bool) {
	if !w.joins() || !w.agrees(productCall{w.at, a, b, accumulate}) {
		return
	}
	m := &w.matrix
	x := &product{productForm: f, step: w.at, call: m.calls, accumulate: accumulate, group: m.commits + 1}
	var wrong string
	if f.a == nil {
		x.a, wrong = decodeDescriptor(a)
	}
	if wrong == "" {
		x.b, wrong = decodeDescriptor(b)
	}
	if wrong != "" {
		w.report(Report{Kind: BadDescriptor, Detail: wrong}, w.active)
		w.stop()
		return
	}
	w.takeRegisters(x)
	if !w.noteOperands(x) {
		w.stop()
		return
	}
	if !w.lateCompletion() && !slices.ContainsFunc(m.pending, func(p *product) bool { return !p.done }) {
		w.compute(x)
	}
	m.pending = append(m.pending, x)
}

// agrees checks a call against those of the warpgroup's other warps.
func (w *warp) agrees(call productCall) bool {
	m, g := &w.matrix, w.matrix.group
	i := m.calls - g.first
	m.calls++
	if i == len(g.calls) {
		g.calls = append(g.calls, call)
		return true
	}
	other := g.calls[i]
	least := slices.MinFunc(g.warps, func(a, b *warp) int { return a.matrix.calls - b.matrix.calls }).matrix.calls
	if done := least - g.first; done > 0 {
		g.calls = slices.Delete(g.calls, 0, done)
		g.first = least
	}
	if other != call {
		detail := "other warps of the warpgroup execute another wgmma instead, at " + w.block.kernel.sites[other.step].String()
		if other.step == call.step {
			detail = fmt.Sprintf("the warps of the warpgroup differ in their operands: descriptors %#x and %#x, scale-d %v; others have %#x and %#x, %v",
				call.a, call.b, call.accumulate, other.a, other.b, other.accumulate)
		}
		w.report(Report{Kind: Divergent, Detail: detail}, w.active)
		w.stop()
		return false
	}
	return true
}

// commitProducts is wgmma.commit_group.
func (w *warp) commitProducts() {
	if !w.joins() {
		return
	}
	w.matrix.commits++
	g := w.matrix.group
	for _, x := range g.waiters {
		x.wake()
	}
	g.waiters = g.waiters[:0]
}

// waitProducts is wgmma.wait_group. The warps of a warpgroup go on together: once a group is complete for one, all have read
// its operands.
func (w *warp) waitProducts(pending int) {
	if !w.joins() {
		return
	}
	g := w.matrix.group
	until := w.matrix.commits - pending
	if until <= 0 {
		return
	}
	if late := g.behind(until); len(late) > 0 {
		g.waiters = append(g.waiters, w)
		w.suspend(func() string {
			return fmt.Sprintf("warp %d waits in its warpgroup for %s, which have not committed %d groups of wgmma", w.index, describeWarps(g.behind(until)), until)
		})
		return
	}
	for _, x := range g.warps {
		x.computeUntil(until)
	}
	w.releaseRegisters(until)
	w.clock[g.agent] = max(w.clock[g.agent], uint32(until))
}

// behind lists the warps that have not closed so many groups.
func (g *warpgroup) behind(commits int) (late []*warp) {
	for _, w := range g.warps {
		if w.matrix.commits < commits {
			late = append(late, w)
		}
	}
	return late
}

// computeUntil makes the results of groups that were put off.
func (w *warp) computeUntil(group int) {
	for _, x := range w.matrix.pending {
		if x.group <= group && !x.done {
			w.compute(x)
		}
	}
}

// compute makes a product's result.
func (w *warp) compute(x *product) {
	x.done = true
	if x.productForm == nil {
		w.r[x.move[1]] = w.r[x.move[0]]
		return
	}
	w.multiplyTiles(x)
}

// checkLeakedProducts reports what was not waited for.
func (w *warp) checkLeakedProducts() {
	for _, x := range w.matrix.pending {
		if x.productForm != nil {
			w.block.report(Report{Kind: LeakedProduct, Detail: "the warp ends before this is waited for", Thread: w.index * lanes}, x.step)
		}
	}
	w.matrix.pending = w.matrix.pending[:0]
}

// checkWarpgroups reports warps that have executed fewer wgmma than others of their warpgroup, or other setmaxnreg.
func (b *block) checkWarpgroups() {
	for _, g := range b.warpgroups {
		for _, w := range g.warps {
			if missed := w.matrix.calls - g.first; missed < len(g.calls) {
				b.report(Report{Kind: Divergent, Thread: w.index * lanes, Detail: fmt.Sprintf("warp %d does not take part, others of its warpgroup do", w.index)}, g.calls[missed].step)
			}
		}
	}
	b.checkRegisters()
}
