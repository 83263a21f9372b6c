package emulator

import (
	"errors"
	"testing"

	"github.com/sigattn/sigattn/internal/emulator/ptx"
)

// FuzzRun reads, compiles and runs whatever comes: it may be refused or found at fault, and that is all.
func FuzzRun(f *testing.F) {
	f.Add(program(""))
	f.Add(program(share("bar.sync 0;", "124", "ld")))
	f.Add(program(copyThen("cp.async.wait_group 0;\n@%p1 bra END;\nEND: ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r4}, [%r1];")))
	f.Add(program("mov.u32 %r1, 0;\nL: shfl.sync.idx.b32 %r1|%p1, %r1, 3, 31, -1;\n@%p1 bra L;"))
	f.Add(program("setp.lt.f32 %p1, %f1, 0f3F800000;\nbar.red.popc.u32 %r1, 0, %p1;\ndiv.s32 %r1, %r2, %r1;\natom.global.add.f32 %r1, [%out+4], %f1;"))
	f.Add(hopperProgram(ringProgram))
	f.Add(clusterProgram(1, exchangeProgram))
	f.Add(clusterProgram(1, multicastProgram))
	f.Add(tensorProgram(2, storeBox(2, "cp.reduce.async.bulk", ".add.tile")))
	f.Add(productTest{n: 8, registers: true}.withDefaults().text(1024, 512))
	f.Add(productTest{n: 16, d: "f16", a: "e4m3"}.withDefaults().text(1024, 512))
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Load(text)
		if err != nil {
			if !errors.Is(err, ptx.ErrSyntax) {
				t.Fatalf("%v does not wrap ErrSyntax", err)
			}
			return
		}
		for _, k := range p.kernels {
			memory := NewMemory(1 << 12)
			base, err := memory.Alloc(256, true)
			if err != nil {
				t.Fatal(err)
			}
			params := make([]byte, k.ParamBytes())
			for i := range params {
				params[i] = byte(base >> (8 * (i % 8)))
			}
			err = k.Run(memory, Launch{Grid: [3]int{1, 1, 1}, Block: [3]int{144, 1, 1}, SharedBytes: 4096, Params: params}, Options{MaxSteps: 1000, Preempt: true, CheckGlobal: true, Copies: Random})
			if err != nil && !errors.Is(err, ErrFault) && !errors.Is(err, ErrLaunch) {
				t.Fatal(err)
			}
		}
	})
}
