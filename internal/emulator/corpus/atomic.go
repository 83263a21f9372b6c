package corpus

// atomicPrograms are reductions and atomics on global memory.
func atomicPrograms() []*Program {
	r := random(12)
	return []*Program{atomicAdd(&r)}
}

// atomicAdd adds to words of one thread each, where the result is one of arithmetic, and to words of all threads, where
// every order of the additions gives the same sum.
func atomicAdd(r *random) *Program {
	b := newBuilder("atomic_add")
	c := combine(2, specialsFloat, 384, spread(r))
	rows := len(c[0])
	b.program.Blocks = rows / blockThreads
	b.perThread()
	for i, column := range c {
		b.address("%d30", b.input(words64(column)), "%r0", 8)
		b.line("ld.global.b32 %%r%d, [%%d30];", 8+i)
	}
	sum := func(typ string) (Rule, func(i int) uint64) {
		if typ == "f32" {
			return Float32, func(i int) uint64 { return sumFlushed(c[0][i], c[1][i]) }
		}
		return Bits, func(i int) uint64 { return uint64(uint32(c[0][i] + c[1][i])) }
	}
	for _, typ := range []string{"f32", "u32", "s32"} {
		rule, want := sum(typ)
		for _, name := range expand("{red,atom}.{relaxed.gpu.,}global.add." + typ) {
			at := b.output(Output{Name: name, Size: 4, Count: rows, Rule: rule, Want: want})
			b.line("st.global.b32 [%%d41+%d], %%r8;", at)
			if name[0] == 'r' {
				b.line("%s [%%d41+%d], %%r9;", name, at)
				continue
			}
			b.line("%s %%r20, [%%d41+%d], %%r9;", name, at)
			b.store(32, "%r20", Output{Name: name + " before", Size: 4, Count: rows, Want: func(i int) uint64 { return c[0][i] & 0xffffffff }})
		}
	}
	b.contend("f32", "0f3F800000", floatBits(1), func(n int) uint64 { return floatBits(float32(n)) })
	b.contend("u32", "1", 1, func(n int) uint64 { return uint64(n) })
	b.contend("s32", "-1", 0xffffffff, func(n int) uint64 { return uint64(-n) & 0xffffffff })
	return b.finish()
}

// contend has the threads of the first block add one to one word. What each finds there is its ticket, which no other has.
func (b *builder) contend(typ, one string, bits uint64, sum func(n int) uint64) {
	at := b.output(Output{Name: "contended add." + typ, Size: 4, Count: 2, Want: func(int) uint64 { return sum(blockThreads) }})
	tickets := b.output(Output{Name: "tickets of add." + typ, Size: 4, Count: blockThreads, Want: constant(bits)})
	skip := "other_" + typ
	b.line("setp.ge.u32 %%p8, %%r0, %d;", blockThreads)
	b.line("@%%p8 bra %s;", skip)
	b.line("setp.eq.u32 %%p9, %%r0, 0;")
	b.line("@%%p9 st.global.b32 [%%d0+%d], 0;", at)
	b.line("@%%p9 st.global.b32 [%%d0+%d], 0;", at+4)
	b.line("bar.sync 0;")
	b.line("red.global.add.%s [%%d0+%d], %s;", typ, at, one)
	b.line("atom.global.add.%s %%r21, [%%d0+%d], %s;", typ, at+4, one)
	switch typ {
	case "f32":
		b.line("cvt.rzi.s32.f32 %%r21, %%r21;")
	case "s32":
		b.line("neg.s32 %%r21, %%r21;")
	}
	b.line("min.u32 %%r21, %%r21, %d;", blockThreads-1)
	b.address("%d31", "%d0", "%r21", 4)
	b.line("st.global.b32 [%%d31+%d], %s;", tickets, one)
	b.line("%s:", skip)
}
