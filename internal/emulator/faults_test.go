package emulator

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sigattn/sigattn/internal/emulator/ptx"
)

// TestFaults runs small programs that do what they must not, each with a twin that does not. A program is faulty with the
// text behind FAULT: in it, which the twin replaces by what stands behind RIGHT:.
func TestFaults(t *testing.T) {
	for name, tc := range map[string]struct {
		machine
		body string
		want Kind
		says string // within the report's detail
	}{
		"load past the end": {machine{threads: 32, in: make([]byte, 256)}, `
	mul.wide.u32 %d1, %tid, 8; add.s64 %d1, %d1, %in;
	FAULT: ld.global.u32 %r1, [%d1+8]; RIGHT: ld.global.u32 %r1, [%d1+4];`,
			OutOfBounds, "4 bytes start 0 past the end of buffer 1 of 256 bytes"},
		"store before the start": {machine{threads: 1}, `
	FAULT: st.global.u32 [%mine+-4], %tid; RIGHT: st.global.u32 [%mine], %tid;`,
			OutOfBounds, "4 bytes start 4 before buffer 2"},
		"store across the end": {machine{threads: 1}, `
	mov.u32 %r1, 0;
	FAULT: st.global.v4.u32 [%mine], {%r1, %r1, %r1, %r1}; RIGHT: st.global.v2.u32 [%mine], {%r1, %r1};`,
			OutOfBounds, "16 bytes reach 8 past the end"},
		"misaligned global": {machine{threads: 1}, `
	FAULT: st.global.u32 [%mine+2], %tid; RIGHT: st.global.u16 [%mine+2], %h1;`,
			Misaligned, "multiple of 4"},
		"shared past the end": {machine{threads: 32, shared: 128}, `
	mov.u32 %r1, dynamic; mul.lo.s32 %r2, %tid, 4; add.s32 %r1, %r1, %r2;
	FAULT: st.shared.u32 [%r1+4], %tid; RIGHT: st.shared.u32 [%r1], %tid;`,
			OutOfBounds, "shared memory is"},
		"shared near null": {machine{threads: 1, shared: 64}, `
	mov.u32 %r1, dynamic;
	FAULT: st.shared.u32 [16], %tid; RIGHT: st.shared.u32 [%r1+16], %tid;`,
			OutOfBounds, "shared memory is"},
		"misaligned shared": {machine{threads: 1, shared: 64}, `
	mov.u32 %r1, dynamic;
	FAULT: st.shared.u64 [%r1+4], %mine; RIGHT: st.shared.u64 [%r1+8], %mine;`,
			Misaligned, "multiple of 8"},
		"parameter past the end": {machine{threads: 1}, `
	FAULT: ld.param.u64 %d1, [k_out+8]; RIGHT: ld.param.u64 %d1, [k_out];`,
			OutOfBounds, "16 bytes of parameters"},
		"uninitialised shared": {machine{threads: 1, shared: 64}, `
	mov.u32 %r1, dynamic;
	st.shared.u32 [%r1], %tid;
	FAULT: ld.shared.u64 %d1, [%r1]; RIGHT: ld.shared.u32 %r2, [%r1];`,
			Uninitialised, "nothing has written"},
		"uninitialised word": {machine{threads: 1, shared: 64}, `
	mov.u32 %r1, dynamic;
	FAULT: nothing RIGHT: st.shared.u32 [%r1], %tid;
	ld.shared.u32 %r2, [%r1];`,
			Uninitialised, "nothing has written"},
		"uninitialised half of a word": {machine{threads: 1, shared: 64}, `
	mov.u32 %r1, dynamic;
	st.shared.u16 [%r1], %h1;
	FAULT: ld.shared.u16 %h2, [%r1+2]; RIGHT: ld.shared.u16 %h2, [%r1];`,
			Uninitialised, "nothing has written"},
		"uninitialised global": {machine{threads: 1, options: Options{CheckGlobal: true}}, `
	FAULT: nothing RIGHT: st.global.u32 [%mine], %tid;
	ld.global.u32 %r1, [%mine];`,
			Uninitialised, "byte 0 of its buffer"},
		"read without a barrier": {machine{threads: 64, shared: 256}, share("FAULT: nothing RIGHT: bar.sync 0;", "252", "ld"),
			Race, "nothing orders the two"},
		"read without a barrier in the warp": {machine{threads: 32, shared: 128}, share("FAULT: nothing RIGHT: bar.warp.sync -1;", "124", "ld"),
			Race, "reads what thread"},
		"write over a write": {machine{threads: 64, shared: 256}, share("FAULT: nothing RIGHT: bar.sync 0;", "252", "st"),
			Race, "writes what thread"},
		"write over a read": {machine{threads: 64, shared: 256}, share("bar.sync 0;", "252", "ld") + `
	FAULT: nothing RIGHT: bar.sync 0;
	st.shared.u32 [%r1], %tid;`,
			Race, "writes what thread"},
		"write over a warp's read": {machine{threads: 64, shared: 1024}, `
	mov.u32 %r1, dynamic; shl.b32 %r2, %tid, 4; add.s32 %r1, %r1, %r2; mov.u32 %r9, 0;
	st.shared.v4.u32 [%r1], {%r9, %r9, %r9, %r9};
	bar.sync 0;
	and.b32 %r2, %tid, 31; shl.b32 %r2, %r2, 4; mov.u32 %r3, dynamic; add.s32 %r3, %r3, %r2;
	ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r4, %r5, %r6, %r7}, [%r3];
	FAULT: nothing RIGHT: bar.sync 0;
	st.shared.v4.u32 [%r1], {%tid, %r9, %r9, %r9};`,
			Race, "ldmatrix"},
		"the wrong barrier": {machine{threads: 64, shared: 256}, share("shr.u32 %r8, %tid, 5; mov.u32 %r9, 32; FAULT: bar.sync %r8, %r9; RIGHT: bar.sync 0;", "252", "ld"),
			Race, "nothing orders the two"},
		"a copy that is not waited for": {machine{threads: 32, shared: 512, in: make([]byte, 512)}, copyThen(`
	FAULT: cp.async.wait_group 1; RIGHT: cp.async.wait_group 0;
	ld.shared.u32 %r4, [%r1];
	cp.async.wait_all;`),
			Race, "was not waited for"},
		"a copy that is not committed": {machine{threads: 32, shared: 512, in: make([]byte, 512)}, `
	mov.u32 %r1, dynamic; shl.b32 %r2, %tid, 4; add.s32 %r1, %r1, %r2;
	mul.wide.u32 %d1, %tid, 16; add.s64 %d1, %d1, %in;
	cp.async.cg.shared.global [%r1], [%d1], 16;
	FAULT: nothing RIGHT: cp.async.commit_group;
	cp.async.wait_group 0;
	ld.shared.u32 %r4, [%r1];
	cp.async.wait_all;`,
			Race, "was not waited for"},
		"a copy that others read without a barrier": {machine{threads: 64, shared: 1024, in: make([]byte, 1024)}, copyThen(`
	cp.async.wait_group 0;
	FAULT: nothing RIGHT: bar.sync 0;
	xor.b32 %r2, %r2, 1008; mov.u32 %r3, dynamic; add.s32 %r3, %r3, %r2;
	ld.shared.u32 %r4, [%r3];`),
			Race, "nothing orders the two"},
		"a copy over what others read": {machine{threads: 64, shared: 1024, in: make([]byte, 1024)}, copyThen(`
	cp.async.wait_group 0;
	bar.sync 0;
	xor.b32 %r3, %r2, 1008; mov.u32 %r4, dynamic; add.s32 %r3, %r3, %r4;
	ld.shared.u32 %r4, [%r3];
	FAULT: nothing RIGHT: bar.sync 0;
	cp.async.cg.shared.global [%r1], [%d1], 16;
	cp.async.wait_all;`),
			Race, "nothing orders the two"},
		"a copy at exit": {machine{threads: 32, shared: 512, in: make([]byte, 512)}, copyThen(`
	FAULT: nothing RIGHT: cp.async.wait_all;`),
			LeakedCopy, "before this copy is waited for"},
		"a copy beyond its buffer": {machine{threads: 33, shared: 1024, in: make([]byte, 512)}, `
	mov.u32 %r1, dynamic; shl.b32 %r2, %tid, 4; add.s32 %r1, %r1, %r2;
	mul.wide.u32 %d1, %tid, 16; add.s64 %d1, %d1, %in;
	setp.lt.u32 %p1, %tid, 32; selp.b32 %r3, 16, 0, %p1;
	FAULT: cp.async.cg.shared.global [%r1], [%d1], 16; RIGHT: cp.async.cg.shared.global [%r1], [%d1], 16, %r3;
	cp.async.wait_all;`,
			OutOfBounds, "past the end of buffer 1"},
		"a barrier that some lanes skip": {machine{threads: 64}, `
	setp.lt.u32 %p1, %tid, 40;
	FAULT: @%p1 bar.sync 0; RIGHT: bar.sync 0;`,
			Divergent, "lanes 8-31 of the warp do not take part"},
		"a shuffle that some lanes skip": {machine{threads: 32}, `
	setp.lt.u32 %p1, %tid, 16;
	mov.u32 %r2, 0xffff;
	@%p1 shfl.sync.bfly.b32 %r1, %tid, 1, 31, FAULT: 0xffffffff; RIGHT: %r2;`,
			Divergent, "lanes 16-31"},
		"a shuffle by lanes that are not named": {machine{threads: 32}, `
	shfl.sync.bfly.b32 %r1, %tid, 1, 31, FAULT: 0xffff; RIGHT: -1;`,
			Divergent, "is not among those named"},
		"a product on half a warp": {machine{threads: 32}, `
	mov.u32 %r1, 0; mov.f32 %f1, 0f00000000;
	setp.lt.u32 %p1, %tid, 16;
	FAULT: @%p1 RIGHT: nothing
	mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%f2, %f3, %f4, %f5}, {%r1, %r1, %r1, %r1}, {%r1, %r1}, {%f1, %f1, %f1, %f1};`,
			Divergent, "lanes 16-31"},
		"a barrier that a warp never reaches": {machine{threads: 96}, `
	setp.ge.u32 %p1, %tid, 64;
	FAULT: @%p1 ret; RIGHT: nothing
	bar.sync 2;`,
			Deadlock, "warps 0,1 wait at barrier 2, 64 of 96 threads have arrived, warps 2 have ended"},
		"two barriers in two orders": {machine{threads: 64}, `
	setp.ge.u32 %p1, %tid, 32;
	FAULT: selp.b32 %r1, 1, 2, %p1; RIGHT: mov.u32 %r1, 1;
	mov.u32 %r2, 64;
	bar.sync %r1, %r2;`,
			Deadlock, "32 of 64 threads have arrived"},
		"a count that others do not share": {machine{threads: 96}, `
	setp.ge.u32 %p1, %tid, 32;
	mov.u32 %r1, 1;
	FAULT: selp.b32 %r2, 64, 96, %p1; RIGHT: mov.u32 %r2, 96;
	bar.sync %r1, %r2;`,
			BadBarrier, "take to be of"},
		"a barrier of too many threads": {machine{threads: 64}, `
	mov.u32 %r1, 1;
	FAULT: mov.u32 %r2, 96; RIGHT: mov.u32 %r2, 64;
	bar.sync %r1, %r2;`,
			BadBarrier, "a barrier of 96 threads in a block of 64"},
		"an endless loop": {machine{threads: 32, options: Options{MaxSteps: 10000}}, `
	mov.u32 %r1, 1;
LOOP:
	add.s32 %r1, %r1, FAULT: 2; RIGHT: 1;
	setp.ne.s32 %p1, %r1, 100;
	@%p1 bra LOOP;`,
			TooManySteps, "does not come to an end"},
	} {
		t.Run(name, func(t *testing.T) {
			tc.machine.outBytes = 8 * tc.threads
			faulty, right := twins(t, tc.body)
			for seed := range uint64(4) {
				tc.options.Seed, tc.options.Preempt = seed, seed%2 == 1
				_, err := tc.machine.run(t, program(faulty))
				var f *Fault
				if !errors.As(err, &f) || f.Reports[0].Kind != tc.want || !strings.Contains(err.Error(), tc.says) || !errors.Is(err, ErrFault) {
					t.Fatalf("seed %d: %v\nwant %s with %q", seed, err, tc.want, tc.says)
				}
				if _, err := tc.machine.run(t, program(right)); err != nil {
					t.Fatalf("seed %d: the right program: %v", seed, err)
				}
			}
		})
	}
}

// share has every thread store its number and then load or store, past a barrier perhaps, where another one did.
func share(barrier, other, access string) string {
	second := "ld.shared.u32 %r5, [%r4];"
	if access == "st" {
		second = "st.shared.u32 [%r4], %tid;"
	}
	return fmt.Sprintf(`
	mov.u32 %%r1, dynamic; shl.b32 %%r2, %%tid, 2; add.s32 %%r1, %%r1, %%r2;
	st.shared.u32 [%%r1], %%tid;
	%s
	xor.b32 %%r3, %%r2, %s; mov.u32 %%r4, dynamic; add.s32 %%r4, %%r4, %%r3;
	%s`, barrier, other, second)
}

// copyThen starts a copy of 16 bytes by every thread, to [%r1].
func copyThen(rest string) string {
	return `
	mov.u32 %r1, dynamic; shl.b32 %r2, %tid, 4; add.s32 %r1, %r1, %r2;
	mul.wide.u32 %d1, %tid, 16; add.s64 %d1, %d1, %in;
	cp.async.cg.shared.global [%r1], [%d1], 16;
	cp.async.commit_group;` + rest
}

// twins splits a body into the faulty and the right one.
func twins(t *testing.T, body string) (faulty, right string) {
	t.Helper()
	found := false
	for line := range strings.Lines(body) {
		before, rest, ok := strings.Cut(line, "FAULT:")
		if !ok {
			faulty, right = faulty+line, right+line
			continue
		}
		bad, good, ok := strings.Cut(rest, "RIGHT:")
		if !ok {
			t.Fatalf("no RIGHT: in %q", line)
		}
		found = true
		clean := func(s string) string { return before + strings.Replace(s, "nothing", "", 1) + "\n" }
		faulty, right = faulty+clean(bad), right+clean(good)
	}
	if !found {
		t.Fatal("no FAULT: in the body")
	}
	return faulty, right
}

// TestReportSaysWhere looks at every field of a report.
func TestReportSaysWhere(t *testing.T) {
	text := strings.Replace(program(`
	setp.ne.u32 %p1, %tid, 37;
	@%p1 bra END;
	.loc 1 123 4
	.loc 1 77 9, function_name $L__info_string0, inlined_at 1 123 4
	st.global.u32 [%mine+1024], %tid; // here
END:`), ".visible", ".file 1 \"/kernels/some.cu\"\n.visible", 1)
	_, err := machine{threads: 64, blocks: 3, outBytes: 512, options: Options{Workers: 1}}.run(t, text)
	var f *Fault
	if !errors.As(err, &f) || len(f.Reports) != 1 {
		t.Fatal(err)
	}
	got := f.Reports[0]
	want := Report{
		Kind: OutOfBounds, Kernel: "k", Site: Site{lineOf(t, text, "// here"), "some.cu:77, inlined at line 123", "st.global.u32"},
		Block: 0, Thread: 37, Space: ptx.Global, Address: got.Address, Detail: "4 bytes start 808 past the end of buffer 2 of 512 bytes at " + fmt.Sprintf("%#x", got.Address-512-808), Count: 3,
	}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// TestManyReports ends a launch that is wrong everywhere.
func TestManyReports(t *testing.T) {
	_, err := machine{threads: 32, blocks: 100, outBytes: 8}.run(t, program(strings.Repeat("st.global.u32 [%mine+4096], %tid;\n", 100)))
	var f *Fault
	if !errors.As(err, &f) || len(f.Reports) != maxReports || f.Dropped == 0 {
		t.Errorf("%v", err)
	}
}

// TestSameValue lets threads set one flag to one value without order, and not to two.
func TestSameValue(t *testing.T) {
	body := "mov.u32 %%r1, dynamic; mov.u32 %%r2, 1; st.shared.u32 [%%r1], %s;"
	m := machine{threads: 64, shared: 4}
	if _, err := m.run(t, program(fmt.Sprintf(body, "%r2"))); err != nil {
		t.Error(err)
	}
	if _, err := m.run(t, program(fmt.Sprintf(body, "%tid"))); !strings.Contains(kinds(err), "race") {
		t.Errorf("%v, want a race", err)
	}
}

// TestOrderIsTheSeeds holds equal seeds to equal reports and looks for a seed that gives others.
func TestOrderIsTheSeeds(t *testing.T) {
	run := func(seed uint64) string {
		_, err := machine{threads: 256, shared: 1024, options: Options{Seed: seed, Preempt: true, Workers: 1}}.run(t, program(strings.Replace(share("", "1020", "st"), "FAULT:", "", 1)))
		return err.Error()
	}
	orders := make(map[string]bool)
	for seed := range uint64(8) {
		first, second := run(seed), run(seed)
		if first != second {
			t.Fatalf("seed %d: two runs differ", seed)
		}
		orders[first] = true
	}
	if len(orders) == 1 {
		t.Error("eight seeds give one order")
	}
}
