package emulator

import "fmt"

// clusterBarrier is the hardware's barrier of all threads of a cluster that have not exited.
type clusterBarrier struct {
	cluster *cluster
	phase   int
	arrived map[*warp]int // the phase that each waits for
	known   clocks        // to those that have arrived
	done    clocks        // known, as of the last completion
}

func (b *clusterBarrier) reset(c *cluster) {
	*b = clusterBarrier{cluster: c, arrived: make(map[*warp]int), known: c.agents.clocks(), done: c.agents.clocks()}
}

// arriveCluster is barrier.cluster.arrive.
func (w *warp) arriveCluster(release bool) {
	b := &w.block.cluster.barrier
	if !w.collective(w.exists) {
		w.stop()
		return
	}
	if _, twice := b.arrived[w]; twice {
		w.report(Report{Kind: BadBarrier, Detail: "the warp arrives at the cluster's barrier again before it waits"}, w.active)
		w.stop()
		return
	}
	b.arrived[w] = b.phase
	if release {
		b.known.join(w.clock)
	}
	w.clock.advance(w.id)
	b.settle()
}

// waitCluster is barrier.cluster.wait.
func (w *warp) waitCluster() {
	b := &w.block.cluster.barrier
	phase, arrived := b.arrived[w]
	switch {
	case !arrived:
		w.report(Report{Kind: BadBarrier, Detail: "the warp waits at the cluster's barrier and has not arrived"}, w.active)
		w.stop()
	case phase == b.phase:
		w.suspend(func() string {
			return fmt.Sprintf("warp %d waits at the cluster's barrier, where %d of %d warps have arrived", w.index, len(b.waiting()), b.expected())
		})
	default:
		delete(b.arrived, w)
		w.clock.join(b.done)
	}
}

// waiting lists the warps that have arrived in the present phase.
func (b *clusterBarrier) waiting() (all []*warp) {
	for w, phase := range b.arrived {
		if phase == b.phase {
			all = append(all, w)
		}
	}
	return all
}

// expected counts the warps that have not exited.
func (b *clusterBarrier) expected() (n int) {
	for _, x := range b.cluster.blocks {
		for _, w := range x.warps {
			if w.state != done {
				n++
			}
		}
	}
	return n
}

// settle completes the phase if all have arrived.
func (b *clusterBarrier) settle() {
	all := b.waiting()
	if len(all) == 0 || len(all) < b.expected() {
		return
	}
	b.phase++
	copy(b.done, b.known)
	for _, w := range all {
		w.wake()
	}
}

// left says that a warp has exited.
func (b *clusterBarrier) left(w *warp) {
	delete(b.arrived, w)
	b.settle()
}
