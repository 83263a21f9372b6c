package emulator

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/sigattn/sigattn/internal/emulator/ptx"
)

// cluster runs one cluster of a launch after another: blocks that run together and reach each other's shared memory. Where
// the launch has none, each block is a cluster of its own.
type cluster struct {
	*launch
	worker   *worker
	index    int // in the grid of clusters
	agents   agents
	blocks   []*block // by rank
	order    *rand.Rand
	choices  []*warp // of choose
	flights  []*flight
	barrier  clusterBarrier
	epochs   []uint32      // of the agents that are no warps: the last that each was given
	stall    int           // tests of mbarriers, and of words that others release, since something happened
	released int64         // words that others had released at the latest such test
	tiles    *productTiles // nil until the first wgmma
	cut      bool          // a warp was ended for a fault, so that what others wait for may not come
}

// maxClusterBlocks is what a device of compute capability 9.0 takes, where the kernel allows more than eight.
const maxClusterBlocks = 16

func newCluster(l *launch, by *worker) *cluster {
	c := &cluster{launch: l, worker: by, agents: newAgents(l)}
	c.epochs = make([]uint32, c.agents.count)
	for rank := range l.clusterSize() {
		c.blocks = append(c.blocks, newBlock(c, rank))
	}
	return c
}

func (l *launch) clusterSize() int { return l.Cluster[0] * l.Cluster[1] * l.Cluster[2] }

func (l *launch) clusters() int { return l.Grid[0] * l.Grid[1] * l.Grid[2] / l.clusterSize() }

// checkCluster settles the launch's cluster, or says what is wrong with it.
func (l *launch) checkCluster() string {
	own := l.kernel.cluster
	switch {
	case l.Cluster == [3]int{} && own == [3]int{}:
		l.Cluster = [3]int{1, 1, 1}
	case l.Cluster == [3]int{}:
		l.Cluster = own
	case own != [3]int{} && l.Cluster != own:
		return fmt.Sprintf("clusters of %v blocks, %v are required", l.Cluster, own)
	}
	size := 1
	for i := range 3 {
		if l.Cluster[i] < 1 || l.Cluster[i] > maxClusterBlocks || l.Grid[i]%l.Cluster[i] != 0 {
			return fmt.Sprintf("clusters of %v blocks in a grid of %v", l.Cluster, l.Grid)
		}
		size *= l.Cluster[i]
	}
	if size > maxClusterBlocks {
		return fmt.Sprintf("clusters of %v blocks, at most %d are possible", l.Cluster, maxClusterBlocks)
	}
	if a := newAgents(l); a.count > maxAgents {
		return fmt.Sprintf("clusters of %v blocks of %d threads are not supported", l.Cluster, l.threads())
	}
	return ""
}

// start sets everything to the beginning of a cluster.
func (c *cluster) start(index int) {
	c.index = index
	var at [3]int // of the cluster
	per := [3]int{c.Grid[0] / c.Cluster[0], c.Grid[1] / c.Cluster[1], c.Grid[2] / c.Cluster[2]}
	at[0], at[1], at[2] = index%per[0], index/per[0]%per[1], index/per[0]/per[1]
	blockOf := func(rank int) int {
		x := at[0]*c.Cluster[0] + rank%c.Cluster[0]
		y := at[1]*c.Cluster[1] + rank/c.Cluster[0]%c.Cluster[1]
		z := at[2]*c.Cluster[2] + rank/c.Cluster[0]/c.Cluster[1]
		return x + c.Grid[0]*(y+c.Grid[1]*z)
	}
	c.order = rand.New(rand.NewPCG(c.options.Seed, uint64(blockOf(0))))
	c.flights, c.cut, c.stall = c.flights[:0], false, 0
	clear(c.epochs)
	if c.tiles != nil {
		c.tiles.forget()
	}
	c.barrier.reset(c)
	for rank, b := range c.blocks {
		b.start(blockOf(rank))
	}
}

// run runs the cluster of this index to its end, or until nothing can go on.
func (c *cluster) run(index int) {
	c.start(index)
	for !c.stopped() {
		if len(c.flights) > 0 && c.options.Copies == Random && c.order.IntN(randomLanding) == 0 {
			c.land()
		}
		w := c.choose()
		if w == nil {
			if c.land() {
				continue
			}
			c.finish()
			return
		}
		w.run(c.budget())
		if w.steps > c.options.maxSteps() {
			w.report(Report{Kind: TooManySteps, Detail: "the warp does not come to an end"}, w.active)
			return
		}
	}
}

// finish reports what is left where nothing can go on.
func (c *cluster) finish() {
	for _, b := range c.blocks {
		b.checkDeadlock()
	}
	if !c.cut {
		c.checkSuspended()
	}
	if c.cut || slices.ContainsFunc(c.blocks, func(b *block) bool { return !b.ended() }) {
		return
	}
	for _, b := range c.blocks {
		b.checkMbarriers()
		b.checkWarpgroups()
	}
}

// ended reports whether all of a block's warps have.
func (b *block) ended() bool {
	return !slices.ContainsFunc(b.warps, func(w *warp) bool { return w.state != done })
}

// nextEpoch begins an epoch of an agent.
func (c *cluster) nextEpoch(agent int) uint32 {
	c.epochs[agent] = min(c.epochs[agent]+1, maxEpoch)
	return c.epochs[agent]
}

// warp is the warp that is the cluster's agent of a number.
func (c *cluster) warp(id int) *warp {
	n := c.agents.warps / c.agents.blocks
	return c.blocks[id/n].warps[id%n]
}

// suspension is what a warp waits for, other than a barrier of its block. The instruction runs again when that comes.
type suspension struct {
	step int
	why  func() string // the warp's part of a report that it waits for ever; nil where it does not wait
}

// suspend makes the warp wait in its present instruction.
func (w *warp) suspend(why func() string) {
	w.waits = suspension{w.at, why}
	w.state = waiting
}

// wake lets a warp run its instruction again.
func (w *warp) wake() {
	if w.waits.why != nil && w.state == waiting {
		w.at, w.state, w.waits = w.waits.step, ready, suspension{}
	}
}

// checkSuspended reports warps that wait for what cannot come.
func (c *cluster) checkSuspended() {
	for _, b := range c.blocks {
		for _, w := range b.warps {
			if w.state != waiting || w.waits.why == nil {
				continue
			}
			w.at = w.waits.step
			w.report(Report{Kind: Deadlock, Detail: w.waits.why()}, w.active)
		}
	}
}

// describeWarps lists warps of a block, such as "warps 0,3", and says which of them have ended.
func describeWarps(all []*warp) string {
	var names, gone []string
	for _, w := range all {
		names = append(names, fmt.Sprint(w.index))
		if w.state == done {
			gone = append(gone, fmt.Sprint(w.index))
		}
	}
	text := "warps " + strings.Join(names, ",")
	if len(gone) > 0 {
		text += ", of which " + strings.Join(gone, ",") + " have ended"
	}
	return text
}

// Addresses of shared memory beyond those of the own block name a block of the cluster by its rank.
const (
	rankShift  = 24
	rankOffset = 1<<rankShift - 1
)

// mapped is an address of the own shared memory in the block of a rank.
func mapped(at uint64, rank int) uint64 { return at&rankOffset | uint64(rank+1)<<rankShift }

// clusterAt is where an access of n bytes at an address lies in the shared memory of the cluster; ok is false where it may
// not be made, which was reported.
func (w *warp) clusterAt(lane int, at uint64, n, align int) (b *block, offset int, ok bool) {
	b = w.block
	local := at
	if rank := int(at >> rankShift); rank > 0 && rank <= len(b.cluster.blocks) {
		b, local = b.cluster.blocks[rank-1], at&rankOffset
	}
	size := uint64(4 * len(b.shared.words))
	offset = int(local - sharedBase)
	detail := ""
	kind := OutOfBounds
	switch {
	case local < sharedBase || local-sharedBase > size || uint64(n) > size-(local-sharedBase):
		detail = fmt.Sprintf("%d bytes, shared memory is [%#x, %#x)", n, sharedBase, sharedBase+size)
	case local%uint64(align) != 0:
		kind, detail = Misaligned, fmt.Sprintf("%d bytes need an address that is a multiple of %d", n, align)
	case b != w.block && b.ended():
		detail = fmt.Sprintf("block %d of the cluster has ended", b.rank)
	default:
		return b, offset, true
	}
	w.report(Report{Kind: kind, Space: ptx.Shared, Address: at, Detail: detail}, 1<<lane)
	return nil, 0, false
}
