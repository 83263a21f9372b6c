package emulator

import (
	"fmt"
	"maps"
	"slices"

	"github.com/sigattn/sigattn/internal/emulator/ptx"
)

// mbarrier is a barrier in shared memory. A phase completes when all arrivals and all bytes that it expects have come. What
// was known to those that arrived, and what the copies wrote, is then known to those that wait for the phase.
type mbarrier struct {
	block   *block
	offset  int
	count   int // arrivals of a phase
	pending int // of them in the present one
	tx      int // bytes that the present one waits for
	phase   int
	agent   int    // of the copies that complete on it
	epoch   uint32 // of theirs in the present phase
	known   clocks
	done    clocks // known, when the last phase completed
	waiters []*warp

	owner       *warp  // that initialised it
	initialised uint32 // in this epoch
	fenced      bool   // the asynchronous proxy knows
	observed    int    // the phases before this one were waited for
	last        int    // the last phase that a copy completes in; -1 where none does
	lastStep    int    // that copy's instruction
	lastWarp    *warp  // and who made it
	expects     int    // the step of the last expect_tx
}

// maxTransaction bounds the bytes that a phase can wait for.
const maxTransaction = 1<<20 - 1

// maxArrivals bounds the arrivals of a phase.
const maxArrivals = 1<<20 - 1

// mbarrierBytes is the size of one, and its alignment.
const mbarrierBytes = 8

// mbarrierAt finds the one at an address; nil where there is none, which was reported.
func (w *warp) mbarrierAt(lane int, at uint64) *mbarrier {
	b, offset, ok := w.clusterAt(lane, at, mbarrierBytes, mbarrierBytes)
	if !ok {
		return nil
	}
	m := b.mbarriers[offset]
	if m == nil {
		w.reportMbarrier(lane, at, BadMbarrier, "no mbarrier is initialised there")
		return nil
	}
	if words := b.shared.words[offset/4:][:mbarrierBytes/4]; [2]uint32(words) != m.contents() {
		w.reportMbarrier(lane, at, BadMbarrier, "something has written over it")
		m.write()
	}
	if m.owner != w && w.clock[m.owner.id] < m.initialised {
		w.reportMbarrier(lane, at, Race, fmt.Sprintf("nothing orders this behind its initialisation by warp %d", m.owner.index))
	}
	return m
}

func (w *warp) reportMbarrier(lane int, at uint64, kind Kind, detail string) {
	w.report(Report{Kind: kind, Space: ptx.Shared, Address: at, Detail: detail}, 1<<lane)
}

// initMbarrier is mbarrier.init by one lane.
func (w *warp) initMbarrier(lane int, at uint64, count uint32) {
	b, offset, ok := w.clusterAt(lane, at, mbarrierBytes, mbarrierBytes)
	if !ok {
		return
	}
	switch {
	case b != w.block:
		w.reportMbarrier(lane, at, BadMbarrier, "mbarriers of other blocks cannot be initialised")
		return
	case count == 0 || count > maxArrivals:
		w.reportMbarrier(lane, at, BadMbarrier, fmt.Sprintf("a count of %d arrivals, want 1 to %d", count, maxArrivals))
		return
	case b.mbarriers[offset] != nil:
		w.reportMbarrier(lane, at, BadMbarrier, "it is initialised already")
		return
	}
	c := b.cluster
	m := &mbarrier{
		block: b, offset: offset, count: int(count), pending: int(count), agent: c.agents.ofMbarrier(b.rank, len(b.mbarriers)),
		known: c.agents.clocks(), done: c.agents.clocks(), owner: w, initialised: w.clock[w.id], last: -1, expects: w.at,
	}
	m.epoch = c.nextEpoch(m.agent)
	m.known.join(w.clock)
	if contents := m.contents(); b.shared.checked() {
		w.noteWrite(lane, offset/4, contents[:], wholeWord, 0)
	}
	m.write()
	b.mbarriers[offset] = m
}

// contents is what the emulator leaves in shared memory where an mbarrier lies, to see whether that is written over. What
// hardware has there is not documented.
func (m *mbarrier) contents() [2]uint32 { return [2]uint32{uint32(m.count), ^uint32(m.count)} }

func (m *mbarrier) write() {
	contents := m.contents()
	copy(m.block.shared.words[m.offset/4:], contents[:])
}

// invalidateMbarrier is mbarrier.inval by one lane.
func (w *warp) invalidateMbarrier(lane int, at uint64) {
	m := w.mbarrierAt(lane, at)
	if m == nil {
		return
	}
	if m.block != w.block {
		w.reportMbarrier(lane, at, BadMbarrier, "mbarriers of other blocks cannot be invalidated")
		return
	}
	m.check()
	delete(m.block.mbarriers, m.offset)
}

// fenceMbarriers makes the mbarriers whose initialisation the warp knows of known to the asynchronous proxy.
func (w *warp) fenceMbarriers() {
	for _, m := range w.block.mbarriers {
		m.fenced = m.fenced || m.owner == w || w.clock[m.owner.id] >= m.initialised
	}
}

// token is the state that an arrival returns.
func (m *mbarrier) token() uint64 { return uint64(m.phase)<<1 | 1 }

// arrive counts arrivals of a lane.
func (w *warp) arriveMbarrier(lane int, at uint64, m *mbarrier, count uint32, release bool) {
	if count == 0 || int(count) > m.pending {
		w.reportMbarrier(lane, at, BadMbarrier, fmt.Sprintf("%d arrivals, where the phase %d waits for %d more", count, m.phase, m.pending))
		return
	}
	if release {
		m.known.join(w.clock)
	}
	m.pending -= int(count)
	m.block.cluster.stall = 0
	if m.pending == 0 && m.tx < 0 {
		w.reportMbarrier(lane, at, WrongTransaction, fmt.Sprintf("%d bytes came beyond those that the phase %d expects", -m.tx, m.phase))
		m.tx = 0
	}
	m.settle()
}

// expectMbarrier adds bytes to what the phase waits for.
func (w *warp) expectMbarrier(lane int, at uint64, m *mbarrier, bytes uint32) {
	if int(bytes) > maxTransaction || m.tx+int(bytes) > maxTransaction {
		w.reportMbarrier(lane, at, WrongTransaction, fmt.Sprintf("the phase %d would wait for %d bytes, at most %d can be", m.phase, m.tx+int(bytes), maxTransaction))
		return
	}
	m.tx += int(bytes)
	m.expects = w.at
}

// transact takes bytes that a copy has brought. It was issued by a step of a warp, in a phase.
func (m *mbarrier) transact(bytes, phase int, by *warp, step int) {
	m.tx -= bytes
	m.block.cluster.stall = 0
	report := func(detail string) {
		by.block.report(Report{Kind: WrongTransaction, Space: ptx.Shared, Address: uint64(sharedBase + m.offset), Thread: by.index * lanes, Detail: detail}, step)
	}
	switch {
	case m.phase != phase:
		report(fmt.Sprintf("%d bytes come when the phase %d of the mbarrier, in which the copy was issued, is over: it expected too few", bytes, phase))
		m.tx += bytes
		return
	case m.pending == 0 && m.tx < 0:
		report(fmt.Sprintf("%d bytes come, of which the phase %d of the mbarrier expects %d", bytes, phase, m.tx+bytes))
		m.tx = 0
	case m.tx < -maxTransaction:
		report(fmt.Sprintf("%d bytes come beyond those that the phase %d of the mbarrier expects", -m.tx, phase))
		m.tx = 0
	}
	m.settle()
}

// settle completes the phase if it can.
func (m *mbarrier) settle() {
	if m.pending > 0 || m.tx != 0 {
		return
	}
	c := m.block.cluster
	m.known[m.agent] = max(m.known[m.agent], m.epoch)
	copy(m.done, m.known)
	m.epoch = c.nextEpoch(m.agent)
	m.phase++
	m.pending = m.count
	waiters := m.waiters
	m.waiters = nil
	for _, w := range waiters {
		w.wake()
	}
}

// passed reports whether the phase of a parity has completed.
func (m *mbarrier) passed(parity uint32) bool { return uint32(m.phase&1) != parity&1 }

// observe lets a warp go on that has found the last phase complete.
func (m *mbarrier) observe(w *warp, acquire bool) {
	m.observed = max(m.observed, m.phase)
	if acquire {
		w.clock.join(m.done)
	}
}

// describe says what the phase waits for.
func (m *mbarrier) describe() string {
	return fmt.Sprintf("phase %d of the mbarrier at %#x, which still waits for %d of %d arrivals and %d bytes", m.phase, sharedBase+m.offset, m.pending, m.count, m.tx)
}

// check reports what the block leaves unfinished on it.
func (m *mbarrier) check() {
	switch {
	case m.tx != 0:
		m.block.report(Report{Kind: WrongTransaction, Space: ptx.Shared, Address: uint64(sharedBase + m.offset), Thread: m.owner.index * lanes,
			Detail: fmt.Sprintf("at the end, %s", m.describe())}, m.expects)
	case m.last >= m.observed:
		m.lastWarp.block.report(Report{Kind: LeakedCopy, Space: ptx.Shared, Address: uint64(sharedBase + m.offset), Thread: m.lastWarp.index * lanes,
			Detail: fmt.Sprintf("nothing has waited for phase %d of the mbarrier, in which this copy completes", m.last)}, m.lastStep)
	}
}

// checkMbarriers checks all that the block leaves.
func (b *block) checkMbarriers() {
	for _, offset := range slices.Sorted(maps.Keys(b.mbarriers)) {
		b.mbarriers[offset].check()
	}
}
