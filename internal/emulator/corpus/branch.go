package corpus

import "math"

// branchPrograms are control flow and operands of every kind.
func branchPrograms() []*Program {
	r := random(13)
	return []*Program{branch(&r), operand(), variable()}
}

// branch has every thread take another way: loops of different lengths, branches within them, and exits before the end.
func branch(r *random) *Program {
	b := newBuilder("branch")
	c := combine(1, []uint64{0, 1, 2, 3, 27, 97, 871, 6171}, 192, r.next)
	rows := len(c[0])
	b.program.Blocks = rows / blockThreads
	b.perThread()
	b.address("%d30", b.input(words64(c[0])), "%r0", 8)
	b.lines(`
		ld.global.b32 %r8, [%d30];
		and.b32 %r8, %r8, 0xffff;
		mov.u32 %r9, %r8;
		mov.u32 %r10, 0;
		again:
		setp.le.u32 %p8, %r9, 1;
		setp.ge.u32 %p9, %r10, 100;
		or.pred %p8, %p8, %p9;
		@%p8 bra over;
		add.s32 %r10, %r10, 1;
		and.b32 %r11, %r9, 1;
		setp.eq.u32 %p10, %r11, 0;
		@!%p10 bra odd;
		shr.u32 %r9, %r9, 1;
		bra again;
		odd:
		mad.lo.s32 %r9, %r9, 3, 1;
		bra.uni again;
		over:`)
	steps := func(i int) (n int, x uint32) {
		for x = uint32(c[0][i] & 0xffff); x > 1 && n < 100; n++ {
			if x&1 == 0 {
				x >>= 1
			} else {
				x = 3*x + 1
			}
		}
		return n, x
	}
	b.store(32, "%r10", Output{Name: "a loop's rounds", Size: 4, Count: rows, Want: func(i int) uint64 { n, _ := steps(i); return uint64(n) }})
	b.store(32, "%r9", Output{Name: "a loop's result", Size: 4, Count: rows, Want: func(i int) uint64 { _, x := steps(i); return uint64(x) }})
	// Threads that took different ways meet again, or wait here for each other.
	b.line("shfl.sync.bfly.b32 %%r20, %%r10, 3, 31, 0xffffffff;")
	b.store(32, "%r20", Output{Name: "another thread's rounds", Size: 4, Count: rows, Want: func(i int) uint64 { n, _ := steps(i ^ 3); return uint64(n) }})
	leave := func(instruction, predicate string, divisor int) {
		b.line("rem.u32 %%r11, %%r0, %d;", divisor)
		b.line("setp.eq.u32 %s, %%r11, 1;", predicate)
		b.line("@%s %s;", predicate, instruction)
	}
	left := func(i, divisor int) bool { return i%divisor == 1 }
	leave("exit", "%p11", 5)
	b.store(32, "%r8", Output{Name: "exit", Size: 4, Count: rows, Want: func(i int) uint64 {
		if left(i, 5) {
			return poisoned & 0xffffffff
		}
		return c[0][i] & 0xffff
	}})
	leave("ret", "%p12", 3)
	b.line("sub.s32 %%r8, 0, %%r8;")
	b.store(32, "%r8", Output{Name: "ret", Size: 4, Count: rows, Want: func(i int) uint64 {
		if left(i, 5) || left(i, 3) {
			return poisoned & 0xffffffff
		}
		return -(c[0][i] & 0xffff) & 0xffffffff
	}})
	return b.finish()
}

// operand has literals, special registers and guards in place of registers.
func operand() *Program {
	const blocks = 3
	b := newBuilder("operand")
	b.program.Blocks = blocks
	b.perThread()
	count := blocks * blockThreads
	result := func(w uint8, register, name string, want func(i int) uint64) {
		size := max(2, int(w)/8)
		o := Output{Name: name, Size: size, Count: count, Want: want}
		switch w {
		case 16:
			b.store(16, register, o)
		case 32:
			b.store(32, register, o)
		default:
			b.store(64, register, o)
		}
	}
	thread := func(i int) uint64 { return uint64(i % blockThreads) }
	for _, s := range []struct {
		name string
		want func(i int) uint64
	}{
		{"%tid.x", thread}, {"%tid.y", constant(0)}, {"%tid.z", constant(0)},
		{"%ntid.x", constant(blockThreads)}, {"%ntid.y", constant(1)}, {"%ntid.z", constant(1)},
		{"%ctaid.x", func(i int) uint64 { return uint64(i / blockThreads) }}, {"%ctaid.y", constant(0)}, {"%ctaid.z", constant(0)},
		{"%nctaid.x", constant(blocks)}, {"%nctaid.y", constant(1)}, {"%nctaid.z", constant(1)},
		{"%laneid", func(i int) uint64 { return uint64(i % warpLanes) }},
	} {
		b.line("mov.u32 %%r20, %s;", s.name)
		result(32, "%r20", s.name, s.want)
	}
	number := func(i int) uint64 { return uint64(i) }
	for _, l := range []struct {
		w           uint8
		instruction string
		want        func(i int) uint64
	}{
		{32, "add.s32 %r20, %r0, -5;", func(i int) uint64 { return uint64(uint32(i - 5)) }},
		{32, "mul.lo.s32 %r20, %r0, 0x12345;", func(i int) uint64 { return uint64(i) * 0x12345 }},
		{32, "sub.s32 %r20, 7, %r0;", func(i int) uint64 { return uint64(uint32(7 - i)) }},
		{64, "cvt.u64.u32 %d20, %r0; add.s64 %d20, %d20, -4294967297;", func(i int) uint64 { return uint64(i - 4294967297) }},
		{64, "mad.wide.s32 %d20, %r0, -3, 100;", func(i int) uint64 { return uint64(100 - 3*i) }},
		{64, "mov.b64 %d20, 0x8000000000000001;", constant(1<<63 | 1)},
		{16, "cvt.u16.u32 %h20, %r0; add.s16 %h20, %h20, -32768;", func(i int) uint64 { return uint64(i) + 32768 }},
		{32, "mov.f32 %r20, 0fC0490FDB;", constant(0xc0490fdb)},
		{32, "mov.b32 %r20, 0xffffffff;", constant(0xffffffff)},
		{32, "cvt.rn.f32.u32 %r20, %r0; fma.rn.f32 %r20, %r20, 0f3F000000, 0fBF800000;", func(i int) uint64 { return floatBits(float32(i)*0.5 - 1) }},
		{32, "setp.lt.u32 %p20, %r1, 10; selp.b32 %r20, 1, -1, %p20;", func(i int) uint64 {
			if i%blockThreads < 10 {
				return 1
			}
			return math.MaxUint32
		}},
		{32, "mov.u32 %r20, %r0; setp.gt.s32 %p20, %r1, 20; @%p20 neg.s32 %r20, %r20;", func(i int) uint64 {
			if i%blockThreads > 20 {
				return uint64(uint32(-i))
			}
			return uint64(i)
		}},
		{32, "mov.u32 %r20, %r0; setp.gt.s32 %p20, %r1, 20; @!%p20 not.b32 %r20, %r20;", func(i int) uint64 {
			if i%blockThreads > 20 {
				return uint64(i)
			}
			return uint64(^uint32(i))
		}},
		{32, "mov.u32 %r20, %r0; add.s32 %r20, %r20, %r20;", func(i int) uint64 { return uint64(2 * i) }},
		{32, "{ .reg .b32 %r<9>; mov.u32 %r5, 11; } mov.u32 %r20, %r0;", number}, // an inner %r5 is another one
	} {
		b.line("%s", l.instruction)
		register := map[uint8]string{16: "%h20", 32: "%r20", 64: "%d20"}[l.w]
		result(l.w, register, l.instruction, l.want)
	}
	return b.finish()
}

// variable has shared memory of the kernel, of the module and of the launch. Addresses are compared as distances, since
// where the memory lies is the chip's to choose.
func variable() *Program {
	b := newBuilder("variable")
	b.program.SharedBytes = 4 * blockThreads
	b.declare(".shared .align 8 .b32 first[64];")
	b.declare(".extern .shared .align 16 .b8 rest[];")
	b.perThread()
	b.lines(`
		.shared .align 4 .b8 own[256];
		mul.lo.s32 %r8, %r1, 4;
		mov.u32 %r9, first;
		add.s32 %r9, %r9, %r8;
		mov.u32 %r10, rest;
		add.s32 %r10, %r10, %r8;
		mov.u32 %r11, own;
		add.s32 %r11, %r11, %r8;
		st.shared.b32 [%r9], %r1;
		not.b32 %r12, %r1;
		st.shared.b32 [%r10], %r12;
		neg.s32 %r13, %r1;
		st.shared.b32 [%r11], %r13;
		bar.sync 0;`)
	for _, v := range []struct {
		name, address string
		want          uint32
	}{{"first", "[first+24]", 6}, {"rest", "[rest+40]", ^uint32(10)}, {"own", "[own]", 0}} {
		b.line("ld.shared.b32 %%r20, %s;", v.address)
		b.store(32, "%r20", Output{Name: v.name, Size: 4, Count: blockThreads, Want: constant(uint64(v.want))})
	}
	b.lines(`
		mov.u64 %d20, first;
		cvta.to.shared.u64 %d21, %d20;
		add.s64 %d22, %d20, 36;
		cvta.to.shared.u64 %d23, %d22;
		sub.s64 %d24, %d23, %d21;
		cvt.u32.u64 %r20, %d24;`)
	b.store(32, "%r20", Output{Name: "cvta.to.shared.u64", Size: 4, Count: blockThreads, Want: constant(36)})
	return b.finish()
}
