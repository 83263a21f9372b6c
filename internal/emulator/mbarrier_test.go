package emulator

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
)

// ringProgram hands numbers from a producer warp to three consumer warps through a ring of stages: each stage has a barrier that
// the producer arrives on when it is full and one that every consumer arrives on when it is empty again. Each consumer adds
// what it reads. The marked lines are what faults change.
const ringProgram = `
	.shared .align 8 .b64 full[4];
	.shared .align 8 .b64 empty[4];
	.shared .align 16 .b8 stage[512];
	mov.u32 %r1, full; mov.u32 %r2, empty; mov.u32 %r3, stage;
	setp.ne.s32 %p1, %tid, 0;
	@%p1 bra READY;
	mov.u32 %r4, 0;
INIT:
	shl.b32 %r5, %r4, 3; add.s32 %r6, %r1, %r5; add.s32 %r7, %r2, %r5;
	mbarrier.init.shared::cta.b64 [%r6], 32; // full
	mbarrier.init.shared::cta.b64 [%r7], 3; // empty
	add.s32 %r4, %r4, 1; setp.lt.s32 %p2, %r4, 4; @%p2 bra INIT;
READY:
	bar.sync 0; // initialised
	shr.u32 %r8, %tid, 5; and.b32 %r9, %tid, 31; shl.b32 %r9, %r9, 2;
	mov.u32 %r4, 0; mov.u32 %r20, 0;
	setp.ne.s32 %p3, %r8, 0;
	@%p3 bra CONSUME;
PRODUCE:
	and.b32 %r10, %r4, 3; shl.b32 %r11, %r10, 3; add.s32 %r12, %r2, %r11;
	shr.u32 %r13, %r4, 2; and.b32 %r13, %r13, 1; xor.b32 %r13, %r13, 1; // the parity of an empty stage
	{
	.reg .pred done;
AGAIN:
	mbarrier.try_wait.parity.shared::cta.b64 done, [%r12], %r13; // wait for empty
	@!done bra AGAIN;
	}
	shl.b32 %r14, %r10, 7; add.s32 %r14, %r14, %r3; add.s32 %r14, %r14, %r9;
	mul.lo.s32 %r15, %r4, 100; add.s32 %r15, %r15, %tid;
	st.shared.u32 [%r14], %r15;
	add.s32 %r12, %r1, %r11;
	mbarrier.arrive.shared::cta.b64 _, [%r12]; // it is full
	add.s32 %r4, %r4, 1; setp.lt.s32 %p2, %r4, 11; @%p2 bra PRODUCE;
	ret;
CONSUME:
	and.b32 %r10, %r4, 3; shl.b32 %r11, %r10, 3; add.s32 %r12, %r1, %r11;
	shr.u32 %r13, %r4, 2; and.b32 %r13, %r13, 1; // the parity of a full stage
	{
	.reg .pred done;
AGAIN:
	mbarrier.try_wait.parity.shared::cta.b64 done, [%r12], %r13, 100; // wait for full
	@!done bra AGAIN;
	}
	shl.b32 %r14, %r10, 7; add.s32 %r14, %r14, %r3; add.s32 %r14, %r14, %r9;
	ld.shared.u32 %r15, [%r14];
	add.s32 %r20, %r20, %r15;
	bar.warp.sync 0xffffffff;
	add.s32 %r12, %r2, %r11; setp.eq.s32 %p4, %r9, 0;
	@%p4 mbarrier.arrive.release.cta.shared::cta.b64 %d9, [%r12], 1; // it is empty
	add.s32 %r4, %r4, 1; setp.lt.s32 %p2, %r4, 11; @%p2 bra CONSUME;
	st.global.u32 [%mine], %r20;`

// hopperProgram is program for sm_90a.
func hopperProgram(body string) string {
	return strings.Replace(program(body), "sm_80", "sm_90a", 1)
}

func TestRing(t *testing.T) {
	for _, o := range orders(4) {
		got, err := machine{threads: 128, outBytes: 128 * 8, options: o}.run(t, hopperProgram(ringProgram))
		if err != nil {
			t.Fatal(err)
		}
		for thread := 32; thread < 128; thread++ {
			want := uint32(100*55 + 11*(thread%32))
			if x := binary.LittleEndian.Uint32(got[8*thread:]); x != want {
				t.Fatalf("thread %d has %d, want %d", thread, x, want)
			}
		}
	}
}

// faultCase changes a program and says what is found then; nothing where want is empty.
type faultCase struct{ name, from, to, want string }

const (
	someFault = "some fault"   // which one depends on the order
	onlyLate  = " (only late)" // behind what is found for sure where all is as late as it may be
)

// checkFaults runs a program with each change, in every order.
func checkFaults(t *testing.T, m machine, text string, all []faultCase) {
	t.Helper()
	for _, c := range all {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(text, c.from) {
				t.Fatalf("no %q in the program", c.from)
			}
			for _, o := range orders(3) {
				m := m
				m.options = o
				_, err := m.run(t, strings.Replace(text, c.from, c.to, 1))
				if strings.HasPrefix(c.want, someFault) && err != nil || strings.Contains(c.want, onlyLate) && o.Copies != Latest {
					continue
				}
				if got := fmt.Sprint(err); c.want == "" && err != nil || !strings.Contains(got, strings.TrimSuffix(c.want, onlyLate)) {
					t.Errorf("completion %d, seed %d: %v, want %q", o.Copies, o.Seed, err, c.want)
				}
			}
		})
	}
}

func TestRingFaults(t *testing.T) {
	checkFaults(t, machine{threads: 128, outBytes: 128 * 8}, hopperProgram(ringProgram), []faultCase{
		{"nothing", "// full", "// full", ""},
		{"no barrier behind the initialisation", "bar.sync 0; // initialised", "", "initiali"},
		{"the producer does not wait", "@!done bra AGAIN;", "", "race" + onlyLate},
		{"the consumers do not wait", "%r13, 100; // wait for full\n\t@!done bra AGAIN;", "%r13; bra GO;\nGO:", someFault + onlyLate},
		{"the producer waits for the wrong phase", "xor.b32 %r13, %r13, 1; // the parity of an empty", "// the parity of an empty", "waits for phase 0 of the mbarrier at 0x"},
		{"the consumers wait for the wrong phase", "and.b32 %r13, %r13, 1; // the parity of a full", "not.b32 %r13, %r13; and.b32 %r13, %r13, 1; // the parity of a full", someFault},
		{"the stage is freed too early", "ld.shared.u32 %r15, [%r14];\n\tadd.s32 %r20, %r20, %r15;\n\tbar.warp.sync 0xffffffff;\n\tadd.s32 %r12, %r2, %r11; setp.eq.s32 %p4, %r9, 0;\n\t@%p4 mbarrier.arrive.release.cta.shared::cta.b64 %d9, [%r12], 1;",
			"add.s32 %r12, %r2, %r11; setp.eq.s32 %p4, %r9, 0;\n\t@%p4 mbarrier.arrive.release.cta.shared::cta.b64 %d9, [%r12], 1;\n\tld.shared.u32 %r15, [%r14];\n\tadd.s32 %r20, %r20, %r15;", "race"},
		{"one arrival too many is expected", "[%r7], 3; // empty", "[%r7], 4; // empty", "still waits for 1 of 4 arrivals and 0 bytes"},
		{"one too few", "[%r7], 3; // empty", "[%r7], 2; // empty", someFault},
		{"a lane arrives twice", "mbarrier.arrive.shared::cta.b64 _, [%r12]; // it is full", "mbarrier.arrive.shared::cta.b64 _, [%r12], 2;", someFault},
		{"it is relaxed", "mbarrier.arrive.shared::cta.b64 _, [%r12]; // it is full", "mbarrier.arrive.relaxed.cta.shared::cta.b64 _, [%r12];", "race"},
		{"no barrier there", "add.s32 %r12, %r1, %r11;\n\tmbarrier.arrive", "add.s32 %r12, %r3, %r11;\n\tmbarrier.arrive", "no mbarrier is initialised there"},
		{"initialised twice", "mbarrier.init.shared::cta.b64 [%r6], 32;", "mbarrier.init.shared::cta.b64 [%r6], 32;\nmbarrier.init.shared::cta.b64 [%r6], 32;", "initialised already"},
		{"the producer polls for the wrong phase", "try_wait.parity.shared::cta.b64 done, [%r12], %r13; // wait for empty", "test_wait.parity.shared::cta.b64 done, [%r12], 0;", "tests again and again for phase 0 of the mbarrier"},
		{"a barrier is written over", "mbarrier.arrive.shared::cta.b64 _, [%r12]; // it is full", "st.shared.u32 [%r12], 7; mbarrier.arrive.shared::cta.b64 _, [%r12];", "something has written over it"},
		{"a count of zero", "[%r6], 32;", "[%r6], 0;", "a count of 0 arrivals"},
		{"a misaligned barrier", "mov.u32 %r1, full;", "mov.u32 %r1, full; add.s32 %r1, %r1, 4;", "misaligned"},
	})
}
