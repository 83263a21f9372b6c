package corpus

import "fmt"

// clusterPrograms are blocks that reach each other's shared memory.
func clusterPrograms() []*Program {
	r := random(25)
	return []*Program{clusterIndices(), clusterMemory(&r), clusterMbarrier(&r), clusterCopies(&r), clusterTensor(&r)}
}

const clusterBlocks = 2

// onCluster is a builder for blocks of 128 threads in clusters of two: %r36 is the block's rank in its own, %r37 the other's.
func onCluster(name string, blocks int) *builder {
	b := onHopper(name, 128)
	b.program.Blocks = blocks
	b.directives = fmt.Sprintf("\n.reqnctapercluster %d, 1, 1", clusterBlocks)
	b.lines(`
		mov.u32 %r36, %cluster_ctarank;
		xor.b32 %r37, %r36, 1;`)
	return b
}

// meet is a barrier of the cluster.
func (b *builder) meet() {
	b.line("barrier.cluster.arrive.release.aligned;")
	b.line("barrier.cluster.wait.acquire.aligned;")
}

func clusterIndices() *Program {
	b := onCluster("cluster_indices", 6)
	for _, s := range []struct {
		name string
		want func(block int) int
	}{
		{"%cluster_ctarank", func(block int) int { return block % 2 }}, {"%cluster_nctarank", func(int) int { return 2 }},
		{"%clusterid.x", func(block int) int { return block / 2 }}, {"%nclusterid.x", func(int) int { return 3 }},
		{"%cluster_ctaid.x", func(block int) int { return block % 2 }}, {"%cluster_nctaid.x", func(int) int { return 2 }},
		{"%cluster_ctaid.y", func(int) int { return 0 }}, {"%cluster_nctaid.z", func(int) int { return 1 }},
	} {
		b.line("mov.u32 %%r20, %s;", s.name)
		b.store(32, "%r20", Output{Name: s.name, Size: 4, Count: 6 * 128, Want: func(i int) uint64 { return uint64(s.want(i / 128)) }})
	}
	b.declare(".shared .align 16 .b8 word[16];")
	b.lines(`
		mov.u32 %r42, word;
		mapa.shared::cluster.u32 %r43, %r42, %r37;
		getctarank.shared::cluster.u32 %r20, %r43;`)
	b.store(32, "%r20", Output{Name: "mapa and getctarank", Size: 4, Count: 6 * 128, Want: func(i int) uint64 { return uint64(i/128%2 ^ 1) }})
	b.meet()
	return b.finish()
}

// clusterMemory stores to the other block, and loads from it.
func clusterMemory(r *random) *Program {
	const blocks = 4
	b := onCluster("cluster_memory", blocks)
	b.declare(".shared .align 16 .b8 buffer[8192];")
	words := make([]uint32, 4*128*blocks)
	for i := range words {
		words[i] = uint32(r.next())
	}
	b.address("%d33", b.input(words32(words)), "%r0", 16)
	b.lines(`
		mov.u32 %r40, buffer;
		mad.lo.s32 %r41, %r1, 16, %r40;
		mapa.shared::cluster.u32 %r42, %r41, %r37;
		ld.global.v4.b32 {%r50, %r51, %r52, %r53}, [%d33];`)
	b.meet() // the other block runs
	b.lines(`
		cvt.u16.u32 %h8, %r53;
		st.shared::cluster.v4.b32 [%r42], {%r50, %r51, %r52, %r53};
		st.shared::cta.v2.b32 [%r41+2048], {%r52, %r50};
		st.shared::cluster.b32 [%r42+4096], %r51;
		st.shared::cluster.u16 [%r42+6144], %h8;`)
	b.meet()
	b.lines(`
		xor.b32 %r43, %r1, 37;
		mad.lo.s32 %r43, %r43, 16, %r40;
		mapa.shared::cluster.u32 %r44, %r43, %r37;
		ld.shared.v4.b32 {%r60, %r61, %r62, %r63}, [%r43];
		ld.shared::cluster.v2.b32 {%r64, %r65}, [%r44+2048];
		ld.shared::cluster.b32 %r66, [%r44+4096];
		ld.shared::cta.u32 %r67, [%r43+4096];
		ld.shared::cluster.u16 %h20, [%r44+6144];`)
	own := func(part int) func(i int) uint64 { return func(i int) uint64 { return uint64(words[4*(i^37)+part]) } }
	others := func(part int) func(i int) uint64 {
		return func(i int) uint64 { return uint64(words[4*(i^128^37)+part]) }
	}
	result := func(register, name string, want func(i int) uint64) {
		b.store(32, register, Output{Name: name, Size: 4, Count: 128 * blocks, Want: want})
	}
	for i := range 4 {
		result(fmt.Sprintf("%%r%d", 60+i), "st.shared::cluster.v4", others(i))
	}
	result("%r64", "ld.shared::cluster.v2", others(2))
	result("%r65", "ld.shared::cluster.v2", others(0))
	result("%r66", "ld.shared::cluster of the own", own(1))
	result("%r67", "ld.shared::cta of the other's", others(1))
	b.store(16, "%h20", Output{Name: "ld.shared::cluster.u16", Size: 2, Count: 128 * blocks, Want: func(i int) uint64 { return own(3)(i) & 0xffff }})
	b.meet() // nobody leaves while its memory is read
	return b.finish()
}

// other makes a register the address in the other block of one in the own.
func (b *builder) other(register, of string) {
	b.line("mapa.shared::cluster.u32 %s, %s, %%r37;", register, of)
}

// clusterMbarrier arrives on the other block's mbarrier, and has st.async complete there.
func clusterMbarrier(r *random) *Program {
	b := onCluster("cluster_mbarrier", 2)
	words := make([]uint32, 4*256)
	for i := range words {
		words[i] = uint32(r.next())
	}
	b.declare(".shared .align 16 .b8 buffer[2048];")
	b.mbarriers(128, 1)
	b.address("%d33", b.input(words32(words)), "%r0", 16)
	b.lines(`
		mov.u32 %r40, buffer;
		mad.lo.s32 %r41, %r1, 16, %r40;
		ld.global.v4.b32 {%r50, %r51, %r52, %r53}, [%d33];`)
	b.other("%r42", "%r41")
	b.other("%r43", "%r39")
	b.line("add.s32 %%r44, %%r43, 8;")
	b.line("@%%p7 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%%r39+8], 2048;")
	b.meet()
	for phase := range 3 {
		b.line("mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%%r43];")
		b.await(0, phase%2)
		b.tested("when the other block arrived", 0, phase%2, true)
		b.meet()
	}
	b.line("st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v4.b32 [%%r42], {%%r50, %%r51, %%r52, %%r53}, [%%r44];")
	b.await(1, 0)
	b.lines(`
		xor.b32 %r45, %r1, 37;
		mad.lo.s32 %r45, %r45, 16, %r40;
		ld.shared.v4.b32 {%r60, %r61, %r62, %r63}, [%r45];`)
	for part := range 4 {
		b.store(32, fmt.Sprintf("%%r%d", 60+part), Output{Name: "st.async", Size: 4, Count: 256, Want: func(i int) uint64 { return uint64(words[4*(i^128^37)+part]) }})
	}
	b.meet()
	return b.finish()
}

// clusterDump stores each block's shared memory, one behind the other.
func (b *builder) clusterDump(name string, at int, images ...[]byte) {
	var both []byte
	for _, image := range images {
		both = append(both, image...)
	}
	to := b.output(imageOutput(name, both))
	b.line("mul.wide.u32 %%d36, %%r36, %d;", len(images[0]))
	b.line("add.s64 %%d36, %%d36, %%d32;")
	b.eachChunk(len(images[0]), func(guard string, offset int) {
		b.line("%sld.shared.v4.b32 {%%r50, %%r51, %%r52, %%r53}, [%%r41+%d];", guard, at+offset)
		b.line("%sst.global.v4.b32 [%%d36+%d], {%%r50, %%r51, %%r52, %%r53};", guard, to+offset)
	})
}

// clusterCopies copies from one block to the other, and from global memory to both.
func clusterCopies(r *random) *Program {
	const n = 2048
	b := onCluster("cluster_copies", 2)
	b.images(3 * n)
	b.mbarriers(1, 1)
	memory := r.bytes(3 * n)
	b.fill(0, memory[:n]) // the same in both; the copy is of a part that depends on the rank
	b.lines(`
		mul.wide.u32 %d34, %r36, 1024;
		mul.lo.s32 %r46, %r36, 1024;
		add.s32 %r42, %r40, %r46;`)
	b.line("add.s32 %%r43, %%r40, %d;", n)
	b.other("%r43", "%r43")
	b.other("%r44", "%r39")
	from := b.input(memory[n:])
	b.line("@%%p7 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%%r39], 1024;")
	b.line("@%%p7 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%%r39+8], 2048;")
	b.line("fence.proxy.async;")
	b.meet()
	b.line("@%%p7 cp.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes [%%r43], [%%r42], 1024, [%%r44];")
	b.line("add.s64 %%d35, %s, %%d34;", from)
	b.line("add.s32 %%r45, %%r42, %d;", 2*n)
	b.line("add.s32 %%r47, %%r39, 8;")
	b.line("mov.b16 %%h9, 3;")
	b.line("@%%p7 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%%r45], [%%d35], 1024, [%%r47], %%h9;")
	b.await(0, 0)
	b.await(1, 0)
	half := func(x []byte) []byte { return append(append([]byte(nil), x...), unwritten(n-1024)...) }
	b.clusterDump("cp.async.bulk to the other block", n, half(memory[1024:2048]), half(memory[:1024]))
	b.clusterDump("cp.async.bulk to both blocks", 2*n, memory[n:2*n], memory[n:2*n])
	b.meet()
	return b.finish()
}

// clusterTensor has each block load half a tile for both.
func clusterTensor(r *random) *Program {
	b := onCluster("cluster_tensor", 2)
	t, n := dense(TensorBF16, []uint64{70, 20})
	memory := r.bytes(n)
	t.Box, t.Swizzle = []uint32{64, 8}, 128
	box := t.boxBytes()
	b.images(2 * box)
	b.mbarriers(1)
	b.input(memory)
	t.Buffer = len(b.program.Inputs)
	address := b.tensor(t)
	b.line("@%%p7 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%%r39], %d;", 2*box)
	b.line("fence.proxy.async;")
	b.meet()
	b.line("mad.lo.s32 %%r42, %%r36, %d, %%r40;", box)
	b.line("mov.u32 %%r60, 8;")
	b.line("mad.lo.s32 %%r61, %%r36, 8, 7;")
	b.line("mov.b16 %%h9, 3;")
	b.line("@%%p7 cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.multicast::cluster [%%r42], [%s, {%%r60, %%r61}], [%%r39], %%h9;", address)
	b.await(0, 0)
	image := make([]byte, 2*box)
	for rank := range clusterBlocks {
		t.eachElement([]int32{8, int32(7 + 8*rank)}, func(shared, global int) {
			if global >= 0 {
				copy(image[box*rank+shared:][:2], memory[global:])
			}
		})
	}
	b.clusterDump("a box of each block to both", 0, image, image)
	b.meet()
	return b.finish()
}
