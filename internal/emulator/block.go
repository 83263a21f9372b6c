package emulator

import (
	"encoding/binary"

	"github.com/sigattn/sigattn/internal/emulator/ptx"
)

// block is one block of a cluster, and after it of others.
type block struct {
	*launch
	cluster    *cluster
	rank       int    // in the cluster
	prefix     uint64 // of the addresses of its shared variables: see mapped
	index      int
	warps      []*warp
	shared     shared
	barriers   [barrierCount]barrier
	mbarriers  map[int]*mbarrier // by where in shared memory they lie
	warpgroups []*warpgroup
}

// newBlock makes room for the cluster's block of a rank.
func newBlock(c *cluster, rank int) *block {
	l := c.launch
	b := &block{launch: l, cluster: c, rank: rank, mbarriers: make(map[int]*mbarrier)}
	if l.clusterSize() > 1 {
		b.prefix = mapped(0, rank)
	}
	n := l.warps()
	b.shared = newShared(l.kernel.staticShared+l.SharedBytes, c.agents.count, !l.options.NoChecks)
	for i := range n {
		w := &warp{block: b, index: i, id: rank*n + i, clock: c.agents.clocks()}
		k := l.kernel
		w.r = make([]vec32, k.words+len(k.constants))
		w.d = make([]vec64, k.longs+len(k.longConstant))
		w.p = make([]uint32, k.predicates)
		for j, c := range k.constants {
			for lane := range lanes {
				w.r[k.words+j][lane] = c
			}
		}
		for j, c := range k.longConstant {
			for lane := range lanes {
				w.d[k.longs+j][lane] = c
			}
		}
		w.exists = allLanes
		if rest := l.threads() - i*lanes; rest < lanes {
			w.exists = 1<<rest - 1
		}
		b.warps = append(b.warps, w)
	}
	b.warpgroups = newWarpgroups(b)
	return b
}

// start sets everything to the beginning of a block.
func (b *block) start(index int) {
	b.index = index
	b.shared.clear()
	clear(b.mbarriers)
	for _, g := range b.warpgroups {
		g.reset()
	}
	for i := range b.barriers {
		b.barriers[i] = barrier{}
	}
	for _, w := range b.warps {
		clear(w.r[:b.kernel.words]) // the same values in every run, should the kernel read what it has not written
		clear(w.d[:b.kernel.longs])
		clear(w.p)
		w.state, w.at, w.steps = ready, 0, 0
		w.active, w.live, w.rejoin, w.paths = w.exists, w.exists, exitStep, w.paths[:0]
		w.order = b.cluster.order
		w.clock.reset(w.id)
		w.copies.reset()
		w.resetAgents()
		w.setSpecials()
	}
}

// setSpecials fills the special registers that the kernel reads.
func (w *warp) setSpecials() {
	l := w.block.launch
	var at [3]int
	at[0] = w.block.index % l.Grid[0]
	at[1] = w.block.index / l.Grid[0] % l.Grid[1]
	at[2] = w.block.index / l.Grid[0] / l.Grid[1]
	for s, slot := range l.kernel.specials {
		if slot < 0 {
			continue
		}
		v := &w.r[slot]
		for lane := range lanes {
			thread := w.index*lanes + lane
			var value int
			switch s := ptx.Special(s); s {
			case ptx.TidX:
				value = thread % l.Block[0]
			case ptx.TidY:
				value = thread / l.Block[0] % l.Block[1]
			case ptx.TidZ:
				value = thread / l.Block[0] / l.Block[1]
			case ptx.NtidX, ptx.NtidY, ptx.NtidZ:
				value = l.Block[s-ptx.NtidX]
			case ptx.CtaidX, ptx.CtaidY, ptx.CtaidZ:
				value = at[s-ptx.CtaidX]
			case ptx.NctaidX, ptx.NctaidY, ptx.NctaidZ:
				value = l.Grid[s-ptx.NctaidX]
			case ptx.LaneID:
				value = lane
			case ptx.WarpID:
				value = w.index
			default:
				value = w.clusterSpecial(s)
			}
			v[lane] = uint32(value)
		}
	}
}

// param reads n ≤ 8 bytes of the parameters, little-endian.
func (b *block) param(at uint64, n int) uint64 {
	var bytes [8]byte
	copy(bytes[:n], b.Params[at:])
	return binary.LittleEndian.Uint64(bytes[:])
}
