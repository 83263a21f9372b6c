package emulator

import (
	"errors"
	"testing"
)

// TestDivergence runs branches on which lanes part, and compares what each thread computes.
func TestDivergence(t *testing.T) {
	for name, tc := range map[string]struct {
		body string
		want func(thread uint64) uint64
	}{
		"if and else": {`
	and.b32 %r1, %tid, 1;
	setp.eq.s32 %p1, %r1, 0;
	@%p1 bra EVEN;
	add.s32 %r2, %tid, 100;
	bra.uni JOIN;
EVEN:
	add.s32 %r2, %tid, 200;
JOIN:
	vote.sync.ballot.b32 %r3, 1, -1;
	add.s32 %r2, %r2, %r3;
	st.global.u32 [%mine], %r2;`,
			func(i uint64) uint64 { return (i + 200 - i%2*100 + 0xffffffff) & 0xffffffff }},
		"loops of different lengths": {`
	mov.u32 %r1, 0;
	mov.u32 %r2, 0;
LOOP:
	add.s32 %r2, %r2, %r1;
	add.s32 %r1, %r1, 1;
	setp.le.u32 %p1, %r1, %tid;
	@%p1 bra LOOP;
	st.global.u32 [%mine], %r2;`,
			func(i uint64) uint64 { return i * (i + 1) / 2 }},
		"nested loops": {`
	mov.u32 %r1, 0;
	mov.u32 %r3, 0;
OUTER:
	mov.u32 %r2, 0;
INNER:
	add.s32 %r3, %r3, 1;
	add.s32 %r2, %r2, 1;
	and.b32 %r4, %tid, 3;
	setp.le.u32 %p1, %r2, %r4;
	@%p1 bra INNER;
	add.s32 %r1, %r1, 1;
	shr.u32 %r4, %tid, 3;
	setp.le.u32 %p1, %r1, %r4;
	@%p1 bra OUTER;
	bar.warp.sync -1;
	st.global.u32 [%mine], %r3;`,
			func(i uint64) uint64 { return (i%4 + 1) * (i/8 + 1) }},
		"early exits": {`
	st.global.u32 [%mine], %tid;
	setp.lt.u32 %p1, %tid, 7;
	@%p1 ret;
	setp.lt.u32 %p2, %tid, 20;
	@!%p2 bra REST;
	mov.u32 %r1, 1000;
	st.global.u32 [%mine], %r1;
	exit;
REST:
	setp.ge.u32 %p3, %tid, 32;
	mov.u32 %r2, -1;
	@!%p3 mov.u32 %r2, 0xfff00000;
	vote.sync.ballot.b32 %r1, 1, %r2;
	st.global.u32 [%mine], %r1;`,
			func(i uint64) uint64 {
				switch {
				case i < 7:
					return i
				case i < 20:
					return 1000
				case i < 32:
					return 0xfff00000
				}
				return 0xffffffff
			}},
		"guarded instructions": {`
	and.b32 %r1, %tid, 1;
	setp.eq.s32 %p1, %r1, 1;
	mov.u32 %r2, 5;
	mov.u64 %d1, 6;
	mov.pred %p2, 0;
	@%p1 mov.u32 %r2, 50;
	@!%p1 mov.u64 %d1, 60;
	@%p1 mov.pred %p2, 1;
	selp.u32 %r3, 1000, 0, %p2;
	cvt.u32.u64 %r4, %d1;
	add.s32 %r2, %r2, %r3;
	add.s32 %r2, %r2, %r4;
	@%p1 st.global.u32 [%mine], %r2;
	@!%p1 st.global.u32 [%mine], %r2;`,
			func(i uint64) uint64 { return []uint64{65, 1056}[i%2] }},
		"scoped registers": {`
	mov.u32 %r1, 1;
	{ .reg .b32 %r1; mov.u32 %r1, 9; { .reg .b32 %t; mov.u32 %t, %r1; add.s32 %r2, %t, 1; } }
	add.s32 %r1, %r1, %r2;
	st.global.u32 [%mine], %r1;`,
			func(uint64) uint64 { return 11 }},
	} {
		t.Run(name, func(t *testing.T) {
			for i, x := range (machine{threads: 64}).words(t, program(tc.body)) {
				if want := tc.want(uint64(i)); x != want {
					t.Errorf("thread %d: %d, want %d", i, x, want)
				}
			}
		})
	}
}

// TestSpecialRegisters launches in three dimensions and has every thread tell where it is.
func TestSpecialRegisters(t *testing.T) {
	p, err := Load(program(`
	mov.u32 %r1, %tid.y; mov.u32 %r2, %tid.z; mov.u32 %r3, %ntid.x; mov.u32 %r4, %ntid.y; mov.u32 %r5, %ntid.z;
	mad.lo.s32 %r6, %r2, %r4, %r1; mad.lo.s32 %r6, %r6, %r3, %tid;
	mov.u32 %r7, %ctaid.x; mov.u32 %r8, %ctaid.y; mov.u32 %r9, %ctaid.z; mov.u32 %r10, %nctaid.x; mov.u32 %r11, %nctaid.y;
	mad.lo.s32 %r12, %r9, %r11, %r8; mad.lo.s32 %r12, %r12, %r10, %r7;
	mul.lo.s32 %r13, %r3, %r4; mul.lo.s32 %r13, %r13, %r5; mad.lo.s32 %r14, %r12, %r13, %r6;
	mul.wide.u32 %d1, %r14, 8; add.s64 %d1, %d1, %out;
	mov.u32 %r15, %laneid; mov.u32 %r16, %warpid; mad.lo.s32 %r15, %r16, 32, %r15; mov.u32 %r17, %nctaid.z;
	st.global.v2.u32 [%d1], {%r15, %r17};`))
	if err != nil {
		t.Fatal(err)
	}
	const threads, blocks = 3 * 4 * 5, 2 * 3 * 4
	memory := NewMemory(1 << 20)
	base, err := memory.Alloc(8*threads*blocks, true)
	if err != nil {
		t.Fatal(err)
	}
	params := make([]byte, 16)
	for i := range 8 {
		params[8+i] = byte(base >> (8 * i))
	}
	if err := p.Kernel("k").Run(memory, Launch{Grid: [3]int{2, 3, 4}, Block: [3]int{3, 4, 5}, Params: params}, Options{}); err != nil {
		t.Fatal(err)
	}
	out := make([]byte, 8*threads*blocks)
	if err := memory.Read(out, base); err != nil {
		t.Fatal(err)
	}
	for i := range threads * blocks {
		if got := int(out[8*i]); got != i%threads || out[8*i+4] != 4 {
			t.Fatalf("thread %d of block %d: %d and %d blocks in z", i%threads, i/threads, got, out[8*i+4])
		}
	}
}

// TestLaunchesThatCannotBe are refused before anything runs.
func TestLaunchesThatCannotBe(t *testing.T) {
	p, err := Load(program(""))
	if err != nil {
		t.Fatal(err)
	}
	right := Launch{Grid: [3]int{1, 1, 1}, Block: [3]int{32, 1, 1}, Params: make([]byte, 16)}
	for name, change := range map[string]func(*Launch){
		"no blocks":                  func(l *Launch) { l.Grid[0] = 0 },
		"too many threads":           func(l *Launch) { l.Block = [3]int{1024, 2, 1} },
		"too much shared memory":     func(l *Launch) { l.SharedBytes = maxSharedBytes },
		"too few parameters":         func(l *Launch) { l.Params = nil },
		"a negative amount of bytes": func(l *Launch) { l.SharedBytes = -1 },
	} {
		l := right
		change(&l)
		if err := p.Kernel("k").Run(NewMemory(1), l, Options{}); !errors.Is(err, ErrLaunch) {
			t.Errorf("%s: %v, want ErrLaunch", name, err)
		}
	}
	if err := p.Kernel("k").Run(NewMemory(1), right, Options{}); err != nil {
		t.Error(err)
	}
	if p.Kernel("other") != nil {
		t.Error("a kernel that is not there")
	}
}
