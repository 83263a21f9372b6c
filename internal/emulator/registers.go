package emulator

import (
	"fmt"
	"strings"

	"github.com/sigattn/sigattn/internal/emulator/ptx"
)

// registerLimits is what a warp has made of its count of registers by setmaxnreg.
type registerLimits struct {
	count int // of each thread; 0 until the first
	step  int // of the last setmaxnreg
	times int
}

// Counts that setmaxnreg takes, and how many a multiprocessor has for each warpgroup's thread.
const (
	leastRegisters = 24
	mostRegisters  = 256
	registerStep   = 8
	poolRegisters  = 64 << 10
)

// buildSetRegisters makes setmaxnreg.
func buildSetRegisters(c *compiler, in *ptx.Instruction) func(*warp) {
	n := in.Operands[0].Immediate
	if n < leastRegisters || n > mostRegisters || n%registerStep != 0 {
		c.fail("%s %d, want a multiple of %d from %d to %d", in.Form.Name, n, registerStep, leastRegisters, mostRegisters)
		return nil
	}
	grows := strings.HasPrefix(in.Form.Name, "setmaxnreg.inc")
	return func(w *warp) {
		if !w.collective(w.exists) {
			w.stop()
			return
		}
		if old := w.limits.count; old > 0 && (grows && int(n) < old || !grows && int(n) > old) {
			w.report(Report{Kind: BadRegisters, Detail: fmt.Sprintf("from %d registers to %d", old, n)}, w.active)
		}
		w.limits = registerLimits{int(n), w.at, w.limits.times + 1}
	}
}

// checkRegisters reports warpgroups whose warps differ, and counts that a multiprocessor has no room for, for which
// setmaxnreg.inc would wait for ever. What a warpgroup that never sets its count has is the assembler's to say, and is
// taken to be nothing.
func (b *block) checkRegisters() {
	total := 0
	for _, g := range b.warpgroups {
		first := g.warps[0]
		for _, w := range g.warps[1:] {
			if w.limits.count != first.limits.count || w.limits.times != first.limits.times {
				last := w
				if w.limits.times < first.limits.times {
					last = first
				}
				b.report(Report{Kind: BadRegisters, Thread: last.index * lanes,
					Detail: fmt.Sprintf("warps %d and %d of a warpgroup have set %d and %d registers", first.index, w.index, first.limits.count, w.limits.count)}, last.limits.step)
			}
		}
		if total += first.limits.count * warpgroupWarps * lanes; total > poolRegisters {
			b.report(Report{Kind: BadRegisters, Thread: first.index * lanes,
				Detail: fmt.Sprintf("the warpgroups have set %d registers together, a multiprocessor has %d", total, poolRegisters)}, first.limits.step)
			return
		}
	}
}
