package emulator

import (
	"math"
	"math/bits"
	"strings"

	"github.com/sigattn/sigattn/internal/emulator/ptx"
)

func init() {
	for _, f := range ptx.Forms() {
		name := f.Name
		switch {
		case strings.HasPrefix(name, "prefetch."), strings.HasPrefix(name, "griddepcontrol."), strings.HasPrefix(name, "fence.proxy.tensormap"),
			strings.HasPrefix(name, "fence.") && !strings.HasPrefix(name, "fence.proxy") && name != "fence.mbarrier_init.release.cluster":
			// A memory fence orders a thread's accesses as the emulator runs them anyway; what others see of it still needs a
			// barrier.
			defineMasked(buildNothing, name)
		case strings.HasPrefix(name, "fence.proxy.async::generic"):
			defineMasked(buildNothing, name)
		case strings.HasPrefix(name, "fence.proxy.async"):
			defineMasked(buildProxyFence(!strings.HasSuffix(name, ".global")), name)
		case strings.HasPrefix(name, "createpolicy."):
			define(buildPolicy, name)
		case strings.HasPrefix(name, "cp.async.mbarrier.arrive"):
			defineMasked(buildCopyArrive, name)
		case strings.HasPrefix(name, "ld.acquire."):
			defineMasked(buildAcquire, name)
		case strings.HasPrefix(name, "st.release."):
			defineMasked(buildRelease, name)
		case strings.HasPrefix(name, "stmatrix."):
			defineMasked(buildStoreMatrix, name)
		case strings.Contains(name, ".global.add.v"):
			defineMasked(buildReduce, name)
		}
	}
	defineMasked(func(*compiler, *ptx.Instruction) func(*warp) { return (*warp).fenceMbarriers }, "fence.mbarrier_init.release.cluster")
	defineMasked(buildElect, "elect.sync")
	defineMasked(buildSetRegisters, "setmaxnreg.inc.sync.aligned.u32", "setmaxnreg.dec.sync.aligned.u32")
	defineMasked(func(*compiler, *ptx.Instruction) func(*warp) { return (*warp).yield }, "nanosleep.u32")
	defineMasked(func(*compiler, *ptx.Instruction) func(*warp) {
		return func(w *warp) {
			w.report(Report{Kind: Trapped, Detail: "the kernel gives up"}, w.active)
			w.stop()
		}
	}, "trap")
	define(toD(func(d, a *vec64) {
		for i := range d {
			d[i] = a[i] + paramBase
		}
	}), "cvta.param.u64")
	define(toD(func(d, a *vec64) {
		for i := range d {
			d[i] = a[i] - paramBase
		}
	}), "cvta.to.param.u64")

	for name, to := range map[string]func(float32) uint8{"e4m3x2": toE4M3, "e5m2x2": toE5M2} {
		define(eachWW(func(a, b uint32) uint32 { // the first source becomes the upper half
			return uint32(to(math.Float32frombits(a)))<<8 | uint32(to(math.Float32frombits(b)))
		}), "cvt.rn.satfinite."+name+".f32")
	}
	for name, from := range map[string]func(uint16) float32{"e4m3x2": fromE4M3, "e5m2x2": fromE5M2} {
		define(eachW(func(a uint32) uint32 {
			return uint32(toFP16(from(uint16(a&0xff)))) | uint32(toFP16(from(uint16(a>>8&0xff))))<<16
		}), "cvt.rn.f16x2."+name)
	}
	for name, holds := range floatComparisons {
		for typ, from := range map[string]func(uint16) float32{"f16": fromFP16, "bf16": fromBF16} {
			define(testWW(func(a, b *vec32) uint32 {
				return compare(func(i int) bool { return holds(from(uint16(a[i])), from(uint16(b[i]))) })
			}), "setp."+name+"."+typ)
			defineMasked(buildComparePair(func(a, b uint16) bool { return holds(from(a), from(b)) }), "setp."+name+"."+typ+"x2")
		}
	}
}

// buildComparePair makes setp of two halves, whose results go to two predicates p|q, the lower half's to p.
func buildComparePair(holds func(a, b uint16) bool) builder {
	return func(c *compiler, in *ptx.Instruction) func(*warp) {
		p, a, b := c.sink(0), c.slot(1), c.slot(2)
		q := int32(-1)
		if in.Operands[0].HasPair {
			q = c.slots.of[in.Operands[0].Pair]
		}
		return func(w *warp) {
			x, y := &w.r[a], &w.r[b]
			for i, slot := range [2]int32{p, q} {
				if slot >= 0 {
					set := compare(func(lane int) bool { return holds(uint16(x[lane]>>(16*i)), uint16(y[lane]>>(16*i))) })
					w.p[slot] = w.p[slot]&^w.active | set&w.active
				}
			}
		}
	}
}

// buildProxyFence makes fence.proxy.async, which orders accesses to shared memory unless it is of global memory alone.
func buildProxyFence(shared bool) builder {
	return func(*compiler, *ptx.Instruction) func(*warp) {
		return func(w *warp) {
			if shared {
				w.proxyFence()
				w.fenceMbarriers()
			}
		}
	}
}

// buildPolicy makes createpolicy: a hint whose bits nothing looks at.
func buildPolicy(c *compiler, _ *ptx.Instruction) func(*warp) {
	d := c.slot(0)
	return func(w *warp) { w.d[d] = vec64{} }
}

// buildElect makes elect.sync, which elects the first of the lanes that take part.
func buildElect(c *compiler, in *ptx.Instruction) func(*warp) {
	d, mask := c.sink(0), c.slot(1)
	p := int32(-1)
	if in.Operands[0].HasPair {
		p = c.slots.of[in.Operands[0].Pair]
	}
	return func(w *warp) {
		named, ok := w.members(&w.r[mask])
		if !ok {
			w.stop()
			return
		}
		leader := bits.TrailingZeros32(named & w.active)
		if d >= 0 {
			each(w.active, func(lane int) { w.r[d][lane] = uint32(leader) })
		}
		if p >= 0 {
			each(w.active, func(lane int) { w.setPredicate(p, lane, lane == leader) })
		}
	}
}

// buildStoreMatrix makes stmatrix, the reverse of ldmatrix: see buildLoadMatrix.
func buildStoreMatrix(c *compiler, in *ptx.Instruction) func(*warp) {
	at := c.addressOperand(0)
	slots, _ := c.elements(1)
	transposed := strings.Contains(in.Form.Name, ".trans")
	return func(w *warp) {
		if !w.collective(w.exists) {
			return
		}
		var a vec64
		at.lanes(w, &a)
		s := &w.block.shared
		check := s.checked()
		for i, slot := range slots {
			var rows [8][8]uint16
			for lane, x := range w.r[slot] {
				for j := range 2 {
					row, column := lane/4, lane%4*2+j
					if transposed {
						row, column = column, row
					}
					rows[row][column] = uint16(x >> (16 * j))
				}
			}
			for r := range rows {
				lane := 8*i + r
				offset, ok := w.sharedAt(lane, a[lane], 16)
				if !ok {
					continue
				}
				var values [4]uint32
				for j := range values {
					values[j] = uint32(rows[r][2*j]) | uint32(rows[r][2*j+1])<<16
				}
				if check {
					w.noteWrite(lane, offset/4, values[:], wholeWord, 0)
				}
				copy(s.words[offset/4:], values[:])
			}
		}
	}
}

// buildCopyArrive makes cp.async.mbarrier.arrive: an arrival when the lane's cp.async so far are complete. Without noinc the
// phase waits for it beside those that it counts.
func buildCopyArrive(c *compiler, in *ptx.Instruction) func(*warp) {
	at := c.addressOperand(0)
	counted := strings.Contains(in.Form.Name, ".noinc")
	return func(w *warp) {
		var a vec64
		at.lanes(w, &a)
		w.completeCopies(func(*asyncCopy, int) bool { return true })
		each(w.active, func(lane int) {
			m := w.mbarrierAt(lane, a[lane])
			if m == nil {
				return
			}
			if !counted {
				m.pending++
			}
			w.arriveMbarrier(lane, a[lane], m, 1, true)
		})
		w.clock.advance(w.id)
	}
}
