package emulator

import (
	"fmt"
	"strings"

	"github.com/sigattn/sigattn/internal/emulator/ptx"
)

// Agents are who accesses shared memory: the warps of a cluster, and what works for them asynchronously. Each has an entry
// in every clock. There is one for
//
//   - each warp,
//   - each warpgroup's wgmma, with an epoch for each of its groups, known to those that waited for the group,
//   - the bulk copies from each warp's shared memory, with an epoch for each of their groups,
//   - each mbarrier's phases: what copies that complete on it write is of the phase's epoch, known to those that waited for the
//     phase. Barriers beyond mbarrierAgents for a block share one, which may hide races and makes none up.
//
// Behind the agents' entries, a clock has for each warp the last epoch whose writes a proxy fence has made visible to the
// asynchronous agents (the async proxy), and behind these the last one whose reads the warp itself has fenced: the loads of
// others may still be in flight when they are told of, by a barrier as well, and only who made them waits for them.
type agents struct {
	warps  int // of the cluster
	count  int
	blocks int
	bulk   int // agents of bulk copies: one for each warp, or for each block
	each   int // mbarrier agents of a block
	fences bool
}

const (
	maxAgents      = 256 // which a writeShadow tells apart
	mbarrierAgents = 32
)

// asynchronousForms are the beginnings of the forms that make a kernel need agents beside its warps.
var asynchronousForms = []string{"mbarrier.", "cp.async.bulk", "cp.reduce.async.bulk", "wgmma.", "st.async", "cp.async.mbarrier"}

// usesAgents reports whether a kernel has asynchronous work beside cp.async.
func usesAgents(e *ptx.Entry) bool {
	for i := range e.Body {
		for _, prefix := range asynchronousForms {
			if strings.HasPrefix(e.Body[i].Form.Name, prefix) {
				return true
			}
		}
	}
	return false
}

// newAgents counts a cluster's agents. There may be more than maxAgents, which a launch is refused for.
func newAgents(l *launch) agents {
	a := agents{blocks: l.clusterSize()}
	a.warps = a.blocks * l.warps()
	a.count = a.warps
	if !l.kernel.agents {
		return a
	}
	a.fences = true
	a.bulk = a.warps
	if 2*a.warps+a.warpgroups()+a.blocks*mbarrierAgents > maxAgents {
		a.bulk = a.blocks
	}
	a.count += a.warpgroups() + a.bulk
	a.each = max(1, min(mbarrierAgents, (maxAgents-a.count)/a.blocks))
	a.count += a.each * a.blocks
	return a
}

func (a *agents) warpgroups() int { return a.blocks * (a.warps / a.blocks / warpgroupWarps) }

// clocks is a new clock.
func (a *agents) clocks() clocks {
	if a.fences {
		return make(clocks, a.count+2*a.warps)
	}
	return make(clocks, a.count)
}

func (a *agents) ofWarpgroup(rank, group int) int {
	return a.warps + rank*(a.warpgroups()/a.blocks) + group
}

func (a *agents) ofBulk(w *warp) int { return a.warps + a.warpgroups() + w.id*a.bulk/a.warps }

func (a *agents) ofMbarrier(rank, number int) int {
	return a.warps + a.warpgroups() + a.bulk + rank*a.each + number%a.each
}

// describeAgent names who accessed memory: reader is a lane, or one of the sorts of readShadow.
func (w *warp) describeAgent(agent, reader int) string {
	c := w.block.cluster
	a := &c.agents
	perBlock := a.warps / a.blocks
	in := func(rank int, text string) string {
		if rank != w.block.rank {
			return fmt.Sprintf("%s of block %d of the cluster", text, rank)
		}
		return text
	}
	switch {
	case agent < a.warps && reader < lanes:
		return in(agent/perBlock, fmt.Sprintf("thread %d", agent%perBlock*lanes+reader))
	case agent < a.warps:
		return in(agent/perBlock, fmt.Sprintf("warp %d", agent%perBlock))
	case agent < a.warps+a.warpgroups():
		g := agent - a.warps
		n := a.warpgroups() / a.blocks
		return in(g/n, fmt.Sprintf("a wgmma of warpgroup %d", g%n))
	case agent < a.warps+a.warpgroups()+a.bulk:
		return "a bulk copy from shared memory"
	}
	return in((agent-a.warps-a.warpgroups()-a.bulk)/a.each, "a copy that completes on an mbarrier")
}

// readsFenced is the entry of a warp's reads in clocks.
func (a *agents) readsFenced(warp int) int { return a.count + a.warps + warp }

// proxyFence makes what is known to the warp visible to the asynchronous agents, and completes the active lanes' own reads.
// What lanes beside the active ones wrote in the warp's present epoch is not known to these.
func (w *warp) proxyFence() {
	a := &w.block.cluster.agents
	if !a.fences {
		return
	}
	if w.active == w.live {
		w.clock[a.readsFenced(w.id)] = w.clock[w.id]
	} else {
		each(w.active, func(lane int) { w.readFences[lane] = w.clock[w.id] })
	}
	seen := w.clock[a.count:][:a.warps]
	for i := range seen {
		epoch := w.clock[i]
		if i == w.id && w.active != w.live {
			epoch--
			w.fenced[w.clock[i]] |= w.active
		}
		seen[i] = max(seen[i], epoch)
	}
	w.clock.advance(w.id)
}

// fencedFor reports whether the asynchronous agents that a warp starts see a write.
func (w *warp) fencedFor(last writeShadow) bool {
	c := w.block.cluster
	by := last.warp()
	if by >= c.agents.warps || last.epoch() <= w.clock[c.agents.count+by] {
		return true
	}
	return c.warp(by).fenced[last.epoch()]>>last.lane()&1 != 0
}

// checkReadFences reports reads of words from one on that may still be in flight when the copy that the warp starts overwrites
// them: nobody fenced them who made them. Those that ordinary writes came after are complete.
func (w *warp) checkReadFences(s *shared, word, n int) {
	c := w.block.cluster
	for by, reads := range s.reads[:c.agents.warps] {
		if reads == nil {
			continue
		}
		known, fenced := w.clock[by], w.clock[c.agents.readsFenced(by)]
		for i, r := range reads[word : word+n] {
			switch {
			case r.epoch() <= fenced || r.epoch() > known || r&overwritten != 0: // in the second case it is a race
			case r.reader() < lanes && r.epoch() <= c.warp(by).readFences[r.reader()]:
			default:
				w.reportShared(MissingFence, firstLane(w.active), word+i, fmt.Sprintf(
					"writes asynchronously what %s reads at %v, and no fence.proxy.async of its own lies between", w.describeAgent(by, r.reader()), w.block.kernel.sites[r.step()]))
			}
		}
	}
}

// noteAgentRead checks that an agent that the warp starts may read words from one on, and notes that it does in an epoch.
func (w *warp) noteAgentRead(s *shared, agent int, epoch uint32, word, n int) {
	mine := s.readsOf(agent)[word : word+n]
	now := makeRead(epoch, w.at, wholeWord, readerWarp)
	lane := firstLane(w.active)
	var known writeShadow
	for i, last := range s.writes[word : word+n] {
		if last != known || last == 0 {
			w.checkAgentAccess(lane, word+i, last, "reads asynchronously", true)
			known = last
		}
		mine[i] = now
	}
}

// noteAgentWrite is noteAgentRead for writes.
func (w *warp) noteAgentWrite(s *shared, agent int, epoch uint32, word, n int) {
	lane := firstLane(w.active)
	var known writeShadow
	now := makeWrite(epoch, w.at, agent, lane, wholeWord)
	for i, last := range s.writes[word : word+n] {
		if last != known {
			w.checkAgentAccess(lane, word+i, last, "writes asynchronously", false)
			known = last
		}
		s.writes[word+i] = now
	}
	w.checkReaders(s, lane, word, n, wholeWord)
}

func (w *warp) checkAgentAccess(lane, word int, last writeShadow, does string, reads bool) {
	switch {
	case reads && last.written() != wholeWord:
		w.reportShared(Uninitialised, lane, word, "nothing has written these bytes")
	case !w.follows(last, lane):
		w.reportRace(lane, word, does, last)
	case last != 0 && !w.fencedFor(last):
		w.reportShared(MissingFence, lane, word, fmt.Sprintf("%s what %s writes, and no fence.proxy.async lies between", does, w.describeAgent(last.warp(), last.lane())))
	}
}

// readsOf is the shadow of an agent's reads.
func (s *shared) readsOf(agent int) []readShadow {
	if s.reads[agent] == nil {
		s.reads[agent] = make([]readShadow, len(s.words))
	}
	return s.reads[agent]
}

// resetAgents forgets what is asynchronous, at the beginning of a block.
func (w *warp) resetAgents() {
	w.waits = suspension{}
	w.bulk.reset()
	w.matrix.reset(w)
	w.limits = registerLimits{}
	w.polls = 0
	if w.fenced == nil {
		w.fenced = make(map[uint32]uint32)
	}
	clear(w.fenced)
	w.readFences = vec32{}
}

// leaveAgents ends a warp's part in what is asynchronous.
func (w *warp) leaveAgents() {
	w.checkLeakedBulk()
	w.checkLeakedProducts()
	w.block.cluster.barrier.left(w)
}
