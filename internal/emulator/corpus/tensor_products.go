package corpus

import "fmt"

// tensorProduct multiplies what tensor copies bring: one image of a tile serves as an operand along K and along N, and the
// results go back through shared memory by stmatrix and a tensor store, as kernels do it.
func tensorProduct(r *random) *Program {
	const n = 64 // rows and columns of both tiles
	b := onHopper("wgmma_tensor", warpgroup)
	b.images(3 * 2 * n * n)
	b.mbarriers(1)
	encode := numberFormats["bf16"].encode
	var tiles [2][][]uint64
	for i := range tiles {
		t, bytes := dense(TensorBF16, []uint64{72, 64})
		t.Box, t.Swizzle = []uint32{n, n}, 128
		memory := make([]byte, bytes)
		for row := range n {
			tiles[i] = append(tiles[i], nil)
			for column := range n {
				x := encode(float64(r.below(7) - 3))
				tiles[i][row] = append(tiles[i][row], x)
				at := row*int(t.Strides[0]) + 2*(column+8)
				memory[at], memory[at+1] = byte(x), byte(x>>8)
			}
		}
		b.input(memory)
		t.Buffer = len(b.program.Inputs)
		address := b.tensor(t)
		where := b.coordinates([]int32{8, 0})
		b.line("add.s32 %%r42, %%r40, %d;", i*2*n*n)
		b.line("@%%p7 mbarrier.%s.shared::cta.b64 %s[%%r39], %d;", []string{"expect_tx.relaxed.cta", "arrive.expect_tx"}[i], []string{"", "_, "}[i], t.boxBytes())
		b.line("@%%p7 cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%%r42], [%s, {%s}], [%%r39];", address, where)
	}
	b.await(0, 0)
	// Both products of the first tile by the second: by its transpose, and by itself.
	operand := tile{alongK, n, n, 2}
	var along [2]tile
	along[0], along[1] = operand, tile{alongMN, n, n, 2}
	b.line("setp.eq.b32 %%p10, 1, 0;")
	b.line("setp.eq.b32 %%p11, 1, 1;")
	for which, second := range along {
		accumulators := ""
		for i := range n / 2 {
			if i > 0 {
				accumulators += ", "
			}
			accumulators += fmt.Sprintf("%%r%d", productStart+i)
		}
		b.line("wgmma.fence.sync.aligned;")
		for step := range n / 16 {
			for i, t := range []tile{operand, second} {
				b.lines(fmt.Sprintf(`
					add.s32 %%r45, %%r40, %d;
					shr.u32 %%r45, %%r45, 4;
					cvt.u64.u32 %%d%[2]d, %%r45;
					or.b64 %%d%[2]d, %%d%[2]d, %#[3]x;`, i*2*n*n+t.step(step), 60+i, t.descriptor()))
			}
			b.line("wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {%s}, %%d60, %%d61, %%p%d, 1, 1, 0, %d;", accumulators, 10+min(step, 1), which)
		}
		b.line("wgmma.commit_group.sync.aligned;")
		b.line("wgmma.wait_group.sync.aligned 0;")
		image := unwritten(2 * n * n)
		for row := range n {
			for column := range n {
				sum := 0.0
				for k := range n {
					y := tiles[1][column][k]
					if which == 1 {
						y = tiles[1][k][column]
					}
					sum += bf16.value(tiles[0][row][k]) * bf16.value(y)
				}
				x := encode(sum)
				image[2*(row*n+column)], image[2*(row*n+column)+1] = byte(x), byte(x>>8)
			}
		}
		out := Tensor{Type: TensorBF16, Dims: []uint64{n, n}, Strides: []uint64{2 * n}, Box: []uint32{n, n}, Swizzle: 128}
		out.Offset = b.output(imageOutput([]string{"A·Bᵀ", "A·B"}[which], image))
		address := b.tensor(out)
		// Lane l points to row l%16 of the warp's 16, and to chunk l/16 of two.
		b.lines(`
			and.b32 %r43, %r1, 15;
			shr.u32 %r44, %r1, 5;
			mad.lo.s32 %r43, %r44, 16, %r43;
			shr.u32 %r44, %r1, 4;
			and.b32 %r44, %r44, 1;
			and.b32 %r46, %r43, 7;`)
		b.line("mad.lo.s32 %%r43, %%r43, %d, %%r40;", 2*n)
		b.line("add.s32 %%r43, %%r43, %d;", 2*2*n*n)
		for chunk := range n / 16 {
			for i := range 4 {
				low := productStart + 8*chunk + 2*i
				b.line("cvt.rn.bf16x2.f32 %%r%d, %%r%d, %%r%d;", 50+i, low+1, low)
			}
			b.lines(fmt.Sprintf(`
				add.s32 %%r47, %%r44, %d;
				xor.b32 %%r47, %%r47, %%r46;
				mad.lo.s32 %%r47, %%r47, 16, %%r43;
				stmatrix.sync.aligned.m8n8.x4.shared.b16 [%%r47], {%%r50, %%r51, %%r52, %%r53};`, 2*chunk))
		}
		where := b.coordinates([]int32{0, 0})
		b.lines(fmt.Sprintf(`
			fence.proxy.async.shared::cta;
			bar.sync 0;
			add.s32 %%r42, %%r40, %d;
			@%%p7 cp.async.bulk.tensor.2d.global.shared::cta.tile.bulk_group [%s, {%s}], [%%r42];
			@%%p7 cp.async.bulk.commit_group;
			@%%p7 cp.async.bulk.wait_group.read 0;
			bar.sync 0;`, 2*2*n*n, address, where))
	}
	b.line("cp.async.bulk.wait_group 0;")
	return b.finish()
}
