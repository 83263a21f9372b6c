package emulator

import (
	"strings"

	"github.com/sigattn/sigattn/internal/emulator/ptx"
)

func init() {
	for _, f := range ptx.Forms() {
		name := f.Name
		switch {
		case strings.HasPrefix(name, "barrier.cluster.arrive"):
			release := !strings.Contains(name, ".relaxed")
			defineMasked(func(*compiler, *ptx.Instruction) func(*warp) { return func(w *warp) { w.arriveCluster(release) } }, name)
		case strings.HasPrefix(name, "barrier.cluster.wait"):
			defineMasked(func(*compiler, *ptx.Instruction) func(*warp) { return (*warp).waitCluster }, name)
			defineControl(waits, name)
		case strings.HasPrefix(name, "mapa."), strings.HasPrefix(name, "mapa.shared"):
			defineMasked(buildMap, name)
		case strings.HasPrefix(name, "getctarank"):
			defineMasked(buildRank, name)
		case strings.HasPrefix(name, "ld.shared::cluster"):
			defineMasked(buildClusterLoad, name)
		case strings.HasPrefix(name, "st.shared::cluster"):
			defineMasked(buildClusterStore, name)
		}
	}
}

// clusterSpecial is a special register about clusters.
func (w *warp) clusterSpecial(s ptx.Special) int {
	l, b := w.block.launch, w.block
	size := l.Cluster
	grid := [3]int{b.index % l.Grid[0], b.index / l.Grid[0] % l.Grid[1], b.index / l.Grid[0] / l.Grid[1]}
	switch s {
	case ptx.ClusterX, ptx.ClusterY, ptx.ClusterZ:
		return grid[s-ptx.ClusterX] / size[s-ptx.ClusterX]
	case ptx.NclusterX, ptx.NclusterY, ptx.NclusterZ:
		return l.Grid[s-ptx.NclusterX] / size[s-ptx.NclusterX]
	case ptx.ClusterCtaidX, ptx.ClusterCtaidY, ptx.ClusterCtaidZ:
		return grid[s-ptx.ClusterCtaidX] % size[s-ptx.ClusterCtaidX]
	case ptx.ClusterNctaidX, ptx.ClusterNctaidY, ptx.ClusterNctaidZ:
		return size[s-ptx.ClusterNctaidX]
	case ptx.ClusterCtarank:
		return b.rank
	case ptx.ClusterNctarank:
		return l.clusterSize()
	case ptx.IsExplicitCluster:
		return min(1, l.clusterSize()-1)
	case ptx.DynamicSharedBytes:
		return l.SharedBytes
	case ptx.TotalSharedBytes:
		return l.kernel.staticShared + l.SharedBytes
	case ptx.NwarpID:
		return len(b.warps)
	case ptx.NsmID:
		return 1
	}
	return 0 // %smid, %gridid
}

// rankOf is the rank of the block that an address of shared memory lies in.
func (w *warp) rankOf(at uint64) int {
	if rank := int(at >> rankShift); rank > 0 {
		return rank - 1
	}
	return w.block.rank
}

// buildMap makes mapa: the address in another block of the cluster that corresponds to one in the own.
func buildMap(c *compiler, in *ptx.Instruction) func(*warp) {
	d, a, rank := c.slot(0), c.slot(1), c.slot(2)
	if in.Form.Operands[0].Width == ptx.W64 {
		return func(w *warp) {
			each(w.active, func(lane int) { w.d[d][lane] = mapped(w.d[a][lane], int(w.r[rank][lane])) })
		}
	}
	return func(w *warp) {
		each(w.active, func(lane int) { w.r[d][lane] = uint32(mapped(uint64(w.r[a][lane]), int(w.r[rank][lane]))) })
	}
}

func buildRank(c *compiler, in *ptx.Instruction) func(*warp) {
	d, a := c.slot(0), c.slot(1)
	if in.Form.Operands[1].Width == ptx.W64 {
		return func(w *warp) {
			each(w.active, func(lane int) { w.r[d][lane] = uint32(w.rankOf(w.d[a][lane])) })
		}
	}
	return func(w *warp) {
		each(w.active, func(lane int) { w.r[d][lane] = uint32(w.rankOf(uint64(w.r[a][lane]))) })
	}
}

func buildClusterLoad(c *compiler, in *ptx.Instruction) func(*warp) {
	count, e := accessOf(in.Form.Name)
	slots, wide := c.elements(0)
	at := c.addressOperand(1)
	n := count * e.bytes
	return func(w *warp) {
		var a vec64
		at.lanes(w, &a)
		each(w.active, func(lane int) {
			b, offset, ok := w.clusterAt(lane, a[lane], n, n)
			if !ok {
				for i := range slots {
					w.set(slots[i], wide[i], lane, failedLoad)
				}
				return
			}
			w.loadFrom(&b.shared, b.shared.checked(), lane, offset, slots, wide, e)
		})
	}
}

func buildClusterStore(c *compiler, in *ptx.Instruction) func(*warp) {
	count, e := accessOf(in.Form.Name)
	at := c.addressOperand(0)
	slots, wide := c.elements(1)
	n := count * e.bytes
	return func(w *warp) {
		var a vec64
		at.lanes(w, &a)
		each(w.active, func(lane int) {
			b, offset, ok := w.clusterAt(lane, a[lane], n, n)
			if !ok {
				return
			}
			w.storeTo(&b.shared, b.shared.checked(), lane, offset, slots, wide, e)
		})
	}
}
