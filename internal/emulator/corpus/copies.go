package corpus

import "fmt"

// copyPrograms are asynchronous copies.
func copyPrograms() []*Program {
	r := random(11)
	return []*Program{copyAsync(&r)}
}

// copyAsync runs cp.async in every size, with none, some and all of it read, in groups that are waited for one by one.
// Threads read what they have copied themselves.
func copyAsync(r *random) *Program {
	const slotBytes = 16
	b := newBuilder("copy_async")
	b.program.Threads = warpLanes
	memory := r.bytes(warpLanes * stride)
	b.perThread()
	b.address("%d30", b.input(memory), "%r0", stride)
	b.line("mov.u32 %%r40, buffer;")
	b.line("mad.lo.s32 %%r41, %%r1, %d, %%r40;", slotBytes)
	b.line("cvt.u64.u32 %%d50, %%r41;")
	b.address("%d31", "%d0", "%r0", slotBytes)

	type copied struct {
		form    string
		bytes   int
		partial bool
	}
	var all []copied
	for _, name := range expand("cp.async.{ca,cg}.shared.global{,.L2::128B}") {
		for _, n := range []int{4, 8, 16} {
			if n == 16 || name[:11] == "cp.async.ca" {
				all = append(all, copied{name, n, false}, copied{name, n, true})
			}
		}
	}
	size := func(lane, k int, c copied) int { // how much is read
		if !c.partial {
			return c.bytes
		}
		return (lane*7 + k) % (c.bytes + 1)
	}
	for k := range all {
		b.line("st.shared.v4.b32 [%%r41+%d], {%%r40, %%r40, %%r40, %%r40};", k*slotBytes*warpLanes)
	}
	b.line("bar.sync 0;")
	issue := func(first, end int) {
		for k := first; k < end; k++ {
			c := all[k]
			to := fmt.Sprintf("%%r41+%d", k*slotBytes*warpLanes)
			if k%3 == 1 {
				to = fmt.Sprintf("%%d50+%d", k*slotBytes*warpLanes)
			}
			if !c.partial {
				b.line("%s [%s], [%%d30+16], %d;", c.form, to, c.bytes)
				continue
			}
			b.line("mad.lo.s32 %%r42, %%r1, 7, %d;", k)
			b.line("rem.u32 %%r42, %%r42, %d;", c.bytes+1)
			b.line("%s [%s], [%%d30+16], %d, %%r42;", c.form, to, c.bytes)
		}
	}
	read := func(first, end int) {
		for k := first; k < end; k++ {
			c := all[k]
			at := b.output(Output{Name: fmt.Sprintf("%s of %d bytes, copy %d", c.form, c.bytes, k), Size: 1, Count: warpLanes * slotBytes, Want: func(i int) uint64 {
				switch lane, j := i/slotBytes, i%slotBytes; {
				case j >= c.bytes:
					return poison
				case j < size(lane, k, c):
					return uint64(memory[lane*stride+16+j])
				}
				return 0
			}})
			for j := 0; j < c.bytes; j += 4 {
				b.line("ld.shared.b32 %%r50, [%%r41+%d];", k*slotBytes*warpLanes+j)
				b.line("st.global.b32 [%%d31+%d], %%r50;", at+j)
			}
		}
	}
	issue(0, 5)
	b.line("cp.async.commit_group;")
	issue(5, 9)
	b.line("cp.async.commit_group;")
	b.line("cp.async.wait_group 1;")
	read(0, 5)
	issue(9, 12)
	b.line("cp.async.commit_group;")
	b.line("cp.async.wait_group 0;")
	read(5, 12)
	issue(12, len(all)) // in no group
	b.line("cp.async.wait_all;")
	read(12, len(all))
	b.declare(fmt.Sprintf(".shared .align 16 .b8 buffer[%d];", len(all)*slotBytes*warpLanes))
	return b.finish()
}
