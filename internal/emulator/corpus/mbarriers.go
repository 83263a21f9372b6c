package corpus

import "fmt"

// mbarrierPrograms are barriers in shared memory that copies complete on.
func mbarrierPrograms() []*Program {
	r := random(23)
	return []*Program{mbarrierPhases(), mbarrierBytes(&r), mbarrierCopies(&r)}
}

// tested stores whether the phase of a parity has completed. Every thread asks before any goes on.
func (b *builder) tested(what string, number, parity int, want bool) {
	b.line("mov.u32 %%r47, %d;", parity)
	b.line("mbarrier.test_wait.parity.shared::cta.b64 %%p20, [%%r39+%d], %%r47;", 8*number)
	b.store(1, "%p20", Output{
		Name: fmt.Sprintf("mbarrier %d %s, parity %d", number, what, parity), Size: 4, Count: b.program.Blocks * b.program.Threads, Want: constant(truth(want)),
	})
	b.line("bar.sync 0;")
}

// mbarrierPhases counts arrivals.
func mbarrierPhases() *Program {
	b := onHopper("mbarrier_phases", 128)
	b.mbarriers(128, 2, 4, 1)
	for i := range 4 {
		b.tested("when new", i, 1, true)
		b.tested("when new", i, 0, false)
	}
	for phase := range 5 { // all threads arrive, again and again
		parity := phase % 2
		b.line("mbarrier.arrive.shared::cta.b64 %%d60, [%%r39];")
		b.await(0, parity)
		b.line("mbarrier.test_wait.shared::cta.b64 %%p20, [%%r39], %%d60;")
		b.store(1, "%p20", Output{Name: "the state of an arrival", Size: 4, Count: 128, Want: constant(1)})
		b.line("bar.sync 0;")
		b.tested("when all arrived", 0, parity, true)
		b.tested("when all arrived", 0, 1-parity, false)
	}
	for phase := range 3 { // two threads arrive one after another
		parity := phase % 2
		b.line("setp.eq.u32 %%p8, %%r1, 40;")
		b.line("@%%p7 mbarrier.arrive.shared::cta.b64 _, [%%r39+8];")
		b.line("bar.sync 0;")
		b.tested("when one of two arrived", 1, parity, false)
		b.line("@%%p8 mbarrier.arrive.release.cta.shared::cta.b64 _, [%%r39+8];")
		b.line("bar.sync 0;")
		b.tested("when two of two arrived", 1, parity, true)
	}
	b.line("@%%p7 mbarrier.arrive.shared::cta.b64 _, [%%r39+16], 3;") // as three
	b.line("bar.sync 0;")
	b.tested("when three of four arrived", 2, 0, false)
	b.line("@%%p7 mbarrier.arrive.shared::cta.b64 %%d61, [%%r39+16], 1;")
	b.line("bar.sync 0;")
	b.tested("when four of four arrived", 2, 0, true)
	b.line("@%%p7 mbarrier.inval.shared::cta.b64 [%%r39+24];") // and made anew
	b.line("@%%p7 mbarrier.init.shared::cta.b64 [%%r39+24], 2;")
	b.line("bar.sync 0;")
	b.line("@%%p7 mbarrier.arrive.shared::cta.b64 _, [%%r39+24];")
	b.line("bar.sync 0;")
	b.tested("when made anew", 3, 0, false)
	b.line("@%%p7 mbarrier.arrive.shared::cta.b64 _, [%%r39+24];")
	b.line("bar.sync 0;")
	b.tested("when made anew", 3, 0, true)
	return b.finish()
}

// mbarrierBytes counts bytes beside arrivals.
func mbarrierBytes(r *random) *Program {
	b := onHopper("mbarrier_bytes", 128)
	b.images(256)
	b.mbarriers(1, 2, 1)
	memory := r.bytes(256)
	from := b.input(memory)
	load := func(number, at, n int) {
		b.line("add.s32 %%r42, %%r40, %d;", at)
		b.line("@%%p7 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%%r42], [%s+%d], %d, [%%r39+%d];", from, at, n, 8*number)
	}
	b.line("@%%p7 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%%r39], 96;") // the arrival before the bytes
	b.line("bar.sync 0;")
	b.tested("when bytes are missing", 0, 0, false)
	b.line("@%%p7 mbarrier.complete_tx.relaxed.cta.shared::cta.b64 [%%r39], 32;")
	b.line("bar.sync 0;")
	b.tested("when some bytes are missing", 0, 0, false)
	load(0, 0, 64)
	b.await(0, 0)
	b.tested("when all bytes are there", 0, 0, true)
	b.tested("when all bytes are there", 0, 1, false)

	b.line("@%%p7 mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [%%r39+8], 128;") // the bytes before the arrivals
	load(1, 64, 128)
	b.line("@%%p7 mbarrier.arrive.shared::cta.b64 _, [%%r39+8];")
	b.line("bar.sync 0;")
	b.tested("when an arrival is missing", 1, 0, false)
	b.line("@%%p7 mbarrier.arrive.shared::cta.b64 _, [%%r39+8];")
	b.await(1, 0)
	b.tested("when both arrived", 1, 0, true)

	load(2, 192, 64) // bytes that are expected only when they may be there
	b.line("@%%p7 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%%r39+16], 64;")
	b.await(2, 0)
	b.dump("the bytes", 0, memory)
	return b.finish()
}

// mbarrierCopies has cp.async arrive: without noinc the arrival is not one of those that are counted.
func mbarrierCopies(r *random) *Program {
	b := onHopper("mbarrier_copies", 128)
	b.images(4096)
	b.mbarriers(128, 128)
	memory := r.bytes(4096)
	b.address("%d33", b.input(memory), "%r1", 16)
	b.line("cp.async.ca.shared.global [%%r41], [%%d33], 16;")
	b.line("cp.async.mbarrier.arrive.noinc.shared::cta.b64 [%%r39];")
	b.await(0, 0)
	b.dump("behind noinc", 0, memory[:2048])
	b.line("cp.async.cg.shared.global [%%r41+2048], [%%d33+2048], 16;")
	b.line("cp.async.mbarrier.arrive.shared::cta.b64 [%%r39+8];")
	b.line("bar.sync 0;")
	b.tested("when nothing that is counted arrived", 1, 0, false)
	b.line("mbarrier.arrive.shared::cta.b64 _, [%%r39+8];")
	b.await(1, 0)
	// A thread reads what others copied.
	b.lines(`
		xor.b32 %r42, %r1, 37;
		mad.lo.s32 %r42, %r42, 16, %r40;
		ld.shared.b32 %r43, [%r42+2048];`)
	word := imageOutput("", memory[2048:]).Want
	b.store(32, "%r43", Output{Name: "another thread's copy", Size: 4, Count: 128, Want: func(i int) uint64 { return word((i ^ 37) * 4) }})
	b.dump("behind arrivals", 2048, memory[2048:])
	return b.finish()
}
