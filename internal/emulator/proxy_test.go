package emulator

import (
	"encoding/binary"
	"strings"
	"testing"
)

// refillProgram lets a producer warp fill a place in shared memory four times by bulk copies, from 512 bytes on each. Two
// consumer warps add up what their threads read of it, and give it back. The marked lines are what faults change.
const refillProgram = `
	.shared .align 8 .b64 full;
	.shared .align 8 .b64 empty;
	.shared .align 128 .b8 place[512];
	mov.u32 %r1, full; mov.u32 %r2, empty; mov.u32 %r3, place;
	mov.u32 %r4, 0; mov.u32 %r20, 0;
	setp.ne.s32 %p1, %tid, 0;
	@%p1 bra READY;
	mbarrier.init.shared::cta.b64 [%r1], 1;
	mbarrier.init.shared::cta.b64 [%r2], 2;
	fence.mbarrier_init.release.cluster;
READY:
	bar.sync 0;
	and.b32 %r9, %tid, 31; setp.eq.s32 %p4, %r9, 0;
	setp.ge.s32 %p3, %tid, 32;
	@%p3 bra CONSUME;
	@%p1 ret;
PRODUCE:
	and.b32 %r13, %r4, 1; xor.b32 %r14, %r13, 1;
	{
	.reg .pred done;
AGAIN:
	mbarrier.try_wait.parity.shared::cta.b64 done, [%r2], %r14; @!done bra AGAIN;
	}
	// the place is empty
	mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r1], 512;
	cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r3], [%in], 512, [%r1]; // refill
	add.s64 %in, %in, 512;
	add.s32 %r4, %r4, 1; setp.lt.s32 %p2, %r4, 4; @%p2 bra PRODUCE;
	ret;
CONSUME:
	and.b32 %r13, %r4, 1;
	{
	.reg .pred done;
AGAIN:
	mbarrier.try_wait.parity.shared::cta.b64 done, [%r1], %r13; @!done bra AGAIN;
	}
	shl.b32 %r14, %r9, 4; add.s32 %r14, %r14, %r3;
	ld.shared.v4.u32 {%r15, %r16, %r17, %r18}, [%r14]; // read
	fence.proxy.async.shared::cta; // complete
	add.s32 %r15, %r15, %r16; add.s32 %r17, %r17, %r18; add.s32 %r20, %r20, %r15; add.s32 %r20, %r20, %r17;
	bar.warp.sync -1;
	@%p4 mbarrier.arrive.shared::cta.b64 _, [%r2]; // give back
	add.s32 %r4, %r4, 1; setp.lt.s32 %p2, %r4, 4; @%p2 bra CONSUME;
	st.global.u32 [%mine], %r20;`

// refillMachine runs it on numbers that count up.
func refillMachine() machine {
	m := machine{threads: 96, in: make([]byte, 4*512), outBytes: 96 * 8}
	for i := range len(m.in) / 4 {
		binary.LittleEndian.PutUint32(m.in[4*i:], uint32(i))
	}
	return m
}

func TestRefill(t *testing.T) {
	for _, o := range orders(4) {
		m := refillMachine()
		m.options = o
		got, err := m.run(t, hopperProgram(refillProgram))
		if err != nil {
			t.Fatal(err)
		}
		for thread := 32; thread < 96; thread++ {
			want := uint32(4*(4*4*(thread%32)+6) + 4*128*6)
			if x := binary.LittleEndian.Uint32(got[8*thread:]); x != want {
				t.Fatalf("thread %d has %d, want %d", thread, x, want)
			}
		}
	}
}

// TestReadFences drops and moves the fence between ordinary reads and the copy that overwrites what they read.
func TestReadFences(t *testing.T) {
	const (
		read     = "ld.shared.v4.u32 {%r15, %r16, %r17, %r18}, [%r14]; // read\n\t"
		matrices = "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r15, %r16, %r17, %r18}, [%r14];\n\t"
		fence    = "fence.proxy.async.shared::cta; // complete\n"
		back     = "@%p4 mbarrier.arrive.shared::cta.b64 _, [%r2]; // give back\n"
		empty    = "// the place is empty\n"
		join     = "bar.sync 1, 64; setp.lt.s32 %p5, %tid, 64;\n" // of the consumers, the first is %p5
		again    = "setp.gt.s32 %p6, %r4, 0; @%p6 ld.shared.u32 %r15, [%r3];\n"
	)
	found := string(MissingFence)
	fenced := hopperProgram(refillProgram)
	unfenced := strings.Replace(fenced, fence, "", 1)
	checkFaults(t, refillMachine(), fenced, []faultCase{
		{"nothing", read, read, ""},
		{"matrices", read, matrices, ""},
		{"a fence before the read", read + fence, "\n" + fence + read, found},
		{"a fence of global memory", fence, "fence.proxy.async.global;", found},
		{"of the lane that gives back alone", fence, "@%p4 " + fence, found},
		{"of one warp", fence, join + "@%p5 " + fence, found},
		{"of the only lane that reads", read + fence, "mov.u32 %r15, 0; mov.u32 %r16, 0; mov.u32 %r17, 0; mov.u32 %r18, 0; @%p4 " + read + "@%p4 " + fence, ""},
		{"the producer reads", empty, again, found},
		{"the producer reads and fences", empty, again + fence, ""},
	})
	checkFaults(t, refillMachine(), unfenced, []faultCase{
		{"no fence", read, read, "of its own lies between"},
		{"no fence of matrices", read, matrices, "of its own lies between"},
		{"too late", back, back + fence, found},
		{"only the producer's", empty, fence, found},
		{"another overwrites it", read, read + join + "@%p5 st.shared.v4.u32 [%r14], {%r9, %r9, %r9, %r9}; @%p5 " + fence, ""},
		{"another overwrites half of it", read, read + join + "@%p5 st.shared.v2.u32 [%r14], {%r9, %r9}; @%p5 " + fence, found},
	})
}
