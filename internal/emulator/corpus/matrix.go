package corpus

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// matrixPrograms load matrices and multiply them.
func matrixPrograms() []*Program {
	r := random(10)
	return []*Program{
		loadMatrix(&r),
		multiply(&r, "multiply_bf16", "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32", bf16),
		multiply(&r, "multiply_fp16", "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32", fp16),
	}
}

// loadMatrix runs every ldmatrix on rows of 16 bytes that lie in shared memory in no order.
func loadMatrix(r *random) *Program {
	const (
		rowBytes = 16
		rows     = 64
	)
	b := newBuilder("load_matrix")
	b.program.Threads = warpLanes
	memory := r.bytes(rows * rowBytes)
	row := func(lane int) int { return (lane*21 + 5) % rows } // of those in memory, the one that a lane points to
	b.declare(fmt.Sprintf(".shared .align 16 .b8 buffer[%d];", len(memory)))
	b.perThread()
	b.address("%d30", b.input(memory), "%r1", rowBytes)
	b.lines(fmt.Sprintf(`
		mov.u32 %%r40, buffer;
		mad.lo.s32 %%r41, %%r1, 16, %%r40;
		ld.global.v4.b32 {%%r50, %%r51, %%r52, %%r53}, [%%d30];
		ld.global.v4.b32 {%%r54, %%r55, %%r56, %%r57}, [%%d30+%[1]d];
		st.shared.v4.b32 [%%r41], {%%r50, %%r51, %%r52, %%r53};
		st.shared.v4.b32 [%%r41+%[1]d], {%%r54, %%r55, %%r56, %%r57};
		bar.sync 0;
		mad.lo.s32 %%r42, %%r1, 21, 5;
		and.b32 %%r42, %%r42, 63;
		mad.lo.s32 %%r42, %%r42, 16, %%r40;
		cvt.u64.u32 %%d50, %%r42;`, rowBytes*warpLanes))
	element := func(lane, column int) uint64 {
		return uint64(binary.LittleEndian.Uint16(memory[row(lane)*rowBytes+2*column:]))
	}
	for i, name := range expand("ldmatrix.sync.aligned.m8n8.{x1,x2,x4}.{shared,trans.shared}.b16") {
		f := formNamed(name)
		names, operand := registers(f.Operands[0], 32, 20)
		b.line("%s %s, [%s];", name, operand, []string{"%r42", "%d50"}[i/2%2])
		for matrix, register := range names {
			b.store(32, register, Output{
				Name: fmt.Sprintf("%s, matrix %d", name, matrix), Size: 4, Count: warpLanes,
				Want: func(lane int) uint64 {
					i, j := lane/4, lane%4*2
					if strings.Contains(name, ".trans") {
						return element(8*matrix+j, i) | element(8*matrix+j+1, i)<<16
					}
					return element(8*matrix+i, j) | element(8*matrix+i, j+1)<<16
				},
			})
		}
	}
	return b.finish()
}
