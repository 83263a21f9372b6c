package emulator

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkWarpInstructions measures warp instructions a second, of one processor, with and without checks, for what
// kernels spend their time on.
func BenchmarkWarpInstructions(b *testing.B) {
	const iterations, unroll = 200, 16
	setUp := `
	mov.u32 %r1, dynamic; shl.b32 %r2, %tid, 4; add.s32 %r1, %r1, %r2; mov.u32 %r3, 0; mov.f32 %f1, 0f3F800000; mov.f32 %f2, 0f3F000000;
	mov.f32 %f3, %f1; mov.f32 %f4, %f1; mov.f32 %f5, %f1; mov.f32 %f6, %f1; mov.u32 %r8, 0; mov.u32 %r9, 5;
	st.shared.v4.u32 [%r1], {%r3, %r3, %r3, %r3};
	bar.sync 0;
LOOP:
`
	for name, line := range map[string]string{
		"add.s32":     "add.s32 %r8, %r8, %r9;",
		"fma.rn.f32":  "fma.rn.f32 %f3, %f3, %f2, %f1;",
		"mul.f32":     "mul.f32 %f3, %f1, %f2;",
		"setp.lt.s32": "setp.lt.s32 %p2, %r8, %r9;",
		"ex2":         "ex2.approx.ftz.f32 %f3, %f1;",
		"cvt.bf16x2":  "cvt.rn.bf16x2.f32 %r8, %f1, %f2;",
		"ldmatrix":    "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r4, %r5, %r6, %r7}, [%r1];",
		"ld.shared":   "ld.shared.u32 %r4, [%r1];",
		"st.shared":   "st.shared.u32 [%r1], %r8;",
		"mma":         "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%f3, %f4, %f5, %f6}, {%r3, %r3, %r3, %r3}, {%r3, %r3}, {%f3, %f4, %f5, %f6};",
	} {
		text := program(setUp + strings.Repeat(line+"\n", unroll) + fmt.Sprintf("add.s32 %%r3, %%r3, 1;\nsetp.lt.s32 %%p1, %%r3, %d;\n@%%p1 bra LOOP;", iterations))
		for _, checks := range []bool{true, false} {
			b.Run(fmt.Sprintf("%s/checks=%v", name, checks), func(b *testing.B) {
				p, err := Load(text)
				if err != nil {
					b.Fatal(err)
				}
				m := NewMemory(1 << 10)
				launch := Launch{Grid: [3]int{1, 1, 1}, Block: [3]int{128, 1, 1}, SharedBytes: 2048, Params: make([]byte, 16)}
				for b.Loop() {
					if err := p.Kernel("k").Run(m, launch, Options{NoChecks: !checks, Workers: 1}); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.N)*4*iterations*(unroll+3)/b.Elapsed().Seconds(), "warpinst/s")
			})
		}
	}
}
