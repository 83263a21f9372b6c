package emulator

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// clusterProgram is hopperProgram for clusters of so many blocks along x.
func clusterProgram(n int, body string) string {
	return strings.Replace(hopperProgram(body), "k_out)\n", fmt.Sprintf("k_out)\n.explicitcluster\n.reqnctapercluster %d, 1, 1\n", n), 1)
}

func TestClusterRegisters(t *testing.T) {
	text := clusterProgram(4, `
	mov.u32 %r1, %cluster_ctarank; mov.u32 %r2, %cluster_nctarank; shl.b32 %r2, %r2, 8; or.b32 %r1, %r1, %r2;
	mov.u32 %r2, %clusterid.x; shl.b32 %r2, %r2, 16; or.b32 %r1, %r1, %r2;
	mov.u32 %r2, %nclusterid.x; shl.b32 %r2, %r2, 24; or.b32 %r1, %r1, %r2;
	mov.u32 %r3, %cluster_ctaid.x; mov.u32 %r4, %cluster_nctaid.x; shl.b32 %r4, %r4, 8; or.b32 %r3, %r3, %r4;
	mov.u32 %r4, %cluster_nctaid.y; shl.b32 %r4, %r4, 16; or.b32 %r3, %r3, %r4;
	mov.u32 %r5, %ctaid.x; mul.wide.u32 %d1, %r5, 8; add.s64 %mine, %mine, %d1;
	st.global.v2.u32 [%mine], {%r1, %r3};`)
	got := machine{threads: 1, blocks: 12}.words(t, text)
	for i, x := range got {
		rank := uint64(i % 4)
		want := rank | 4<<8 | uint64(i/4)<<16 | 3<<24 | (rank|4<<8|1<<16)<<32
		if x != want {
			t.Errorf("block %d: %#x, want %#x", i, x, want)
		}
	}
	p, err := Load(text)
	if err != nil {
		t.Fatal(err)
	}
	for name, l := range map[string]Launch{
		"a grid of no whole clusters": {Grid: [3]int{6, 1, 1}, Block: [3]int{1, 1, 1}},
		"another cluster":             {Grid: [3]int{8, 1, 1}, Block: [3]int{1, 1, 1}, Cluster: [3]int{2, 1, 1}},
	} {
		l.Params = make([]byte, 16)
		if err := p.Kernel("k").Run(NewMemory(1<<20), l, Options{}); !errors.Is(err, ErrLaunch) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// exchangeProgram has every thread of a block read what its neighbour in the next block of the cluster has written, write to
// the block behind that, and read what came.
const exchangeProgram = `
	.shared .align 16 .b8 box[512];
	.shared .align 16 .b8 mail[512];
	mov.u32 %r1, %cluster_ctarank; mov.u32 %r2, %cluster_nctarank;
	add.s32 %r3, %r1, 1; rem.u32 %r3, %r3, %r2; add.s32 %r4, %r3, 1; rem.u32 %r4, %r4, %r2;
	shl.b32 %r5, %tid, 2; mov.u32 %r6, box; add.s32 %r6, %r6, %r5; mov.u32 %r7, mail; add.s32 %r7, %r7, %r5;
	mul.lo.s32 %r8, %r1, 1000; add.s32 %r8, %r8, %tid;
	st.shared.u32 [%r6], %r8;
	barrier.cluster.arrive.release.aligned;
	barrier.cluster.wait.acquire.aligned; // written
	mapa.shared::cluster.u32 %r9, %r6, %r3;
	getctarank.shared::cluster.u32 %r14, %r9;
	ld.shared::cluster.u32 %r10, [%r9]; // read
	mapa.shared::cluster.u32 %r11, %r7, %r4;
	add.s32 %r12, %r10, 7;
	st.shared::cluster.u32 [%r11], %r12;
	barrier.cluster.arrive; // sent
	barrier.cluster.wait;
	ld.shared.u32 %r13, [%r7];
	mov.u32 %r15, %ctaid.x; mov.u32 %r16, %ntid.x; mul.lo.s32 %r15, %r15, %r16; mul.wide.u32 %d1, %r15, 8; add.s64 %mine, %mine, %d1;
	mad.lo.s32 %r10, %r14, 100000, %r10;
	st.global.v2.u32 [%mine], {%r10, %r13};`

func TestExchange(t *testing.T) {
	for _, n := range []int{1, 2, 4} {
		for _, o := range orders(3) {
			got := machine{threads: 64, blocks: 2 * n, options: o}.words(t, clusterProgram(n, exchangeProgram))
			for i, x := range got {
				rank, thread := i/64%n, i%64
				next := (rank + 1) % n
				sender := (rank + 2*n - 2) % n // whose second neighbour this is
				want := uint64(next*101000+thread) | uint64((sender+1)%n*1000+thread+7)<<32
				if x != want {
					t.Fatalf("cluster of %d, block %d, thread %d: %#x, want %#x", n, i/64, thread, x, want)
				}
			}
		}
	}
}

func TestClusterFaults(t *testing.T) {
	checkFaults(t, machine{threads: 64, blocks: 4, outBytes: 64 * 4 * 8}, clusterProgram(4, exchangeProgram), []faultCase{
		{"no barrier", "barrier.cluster.arrive.release.aligned;\n\tbarrier.cluster.wait.acquire.aligned; // written", "", string(Race)},
		{"a relaxed one", "arrive.release.aligned", "arrive.relaxed.aligned", string(Race)},
		{"no barrier behind the letters", "barrier.cluster.arrive; // sent\n\tbarrier.cluster.wait;", "", someFault},
		{"no wait", "barrier.cluster.wait;", "", someFault},
		{"two arrivals", "barrier.cluster.arrive; // sent", "barrier.cluster.arrive; barrier.cluster.arrive;", string(BadBarrier)},
		{"no arrival", "barrier.cluster.arrive; // sent", "", string(BadBarrier)},
		{"no such block", "%r9, %r6, %r3;", "%r9, %r6, 4;", string(OutOfBounds)},
		{"one block does not wait", "barrier.cluster.wait.acquire.aligned; // written", "setp.eq.s32 %p1, %r1, 2; @%p1 bra.uni ON;\nbarrier.cluster.wait.acquire.aligned;\nON:", string(BadBarrier)},
		{"a block ends early", "barrier.cluster.wait.acquire.aligned; // written", "barrier.cluster.wait.acquire.aligned; setp.eq.s32 %p1, %r1, 2; @%p1 ret;", someFault},
	})
}

// multicastProgram sends halves of a line to both blocks of a cluster from each, and numbers through st.async.
const multicastProgram = `
	.shared .align 8 .b64 bar;
	.shared .align 128 .b8 line[256];
	.shared .align 8 .b8 word[16];
	mov.u32 %r1, bar; mov.u32 %r2, line; mov.u32 %r3, %cluster_ctarank; mov.u32 %r4, word;
	setp.ne.s32 %p1, %tid, 0; @%p1 bra READY;
	mbarrier.init.shared::cta.b64 [%r1], 2; // two arrivals
	fence.mbarrier_init.release.cluster;
READY:
	barrier.cluster.arrive; barrier.cluster.wait; // initialised
	@%p1 bra WAIT;
	mbarrier.arrive.expect_tx.shared::cta.b64 %d5, [%r1], 264; // expected
	shl.b32 %r5, %r3, 7; add.s32 %r6, %r2, %r5; cvt.u64.u32 %d1, %r5; add.s64 %d1, %d1, %in;
	mov.b16 %h1, 3;
	cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster.L2::cache_hint [%r6], [%d1], 128, [%r1], %h1, 0x14F0000000000000;
	xor.b32 %r7, %r3, 1;
	mapa.shared::cluster.u32 %r8, %r1, %r7; mapa.shared::cluster.u32 %r9, %r4, %r7;
	add.s32 %r10, %r3, 50; mov.u32 %r11, 9;
	st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v2.u32 [%r9], {%r10, %r11}, [%r8];
	mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%r8]; // to the other
WAIT:
	mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 %p2, [%r1], 0;
	@!%p2 bra WAIT;
	shl.b32 %r12, %tid, 2; add.s32 %r12, %r12, %r2;
	ld.shared.u32 %r13, [%r12]; ld.shared.u32 %r14, [%r4];
	mov.u32 %r15, %ctaid.x; mov.u32 %r16, %ntid.x; mul.lo.s32 %r15, %r15, %r16; mul.wide.u32 %d2, %r15, 8; add.s64 %mine, %mine, %d2;
	st.global.v2.u32 [%mine], {%r13, %r14};
	barrier.cluster.arrive; barrier.cluster.wait; // the end`

func TestMulticast(t *testing.T) {
	in := make([]byte, 256)
	for i := range in {
		in[i] = byte(3*i + 1)
	}
	for _, o := range orders(4) {
		got := machine{threads: 64, blocks: 4, in: in, options: o}.words(t, clusterProgram(2, multicastProgram))
		for i, x := range got {
			want := uint64(binary.LittleEndian.Uint32(in[i%64*4:])) | uint64(51-i/64%2)<<32
			if x != want {
				t.Fatalf("block %d, thread %d: %#x, want %#x", i/64, i%64, x, want)
			}
		}
	}
	checkFaults(t, machine{threads: 64, blocks: 2, in: in, outBytes: 64 * 2 * 8}, clusterProgram(2, multicastProgram), []faultCase{
		{"a block that is not", "mov.b16 %h1, 3;", "mov.b16 %h1, 7;", string(OutOfBounds)},
		{"one block is left out", "mov.b16 %h1, 3;", "mov.b16 %h1, 2;", string(Deadlock)},
		{"too few bytes", "], 264; // expected", "], 256; // expected", string(WrongTransaction)},
		{"the remote barrier is not initialised in time", "barrier.cluster.arrive; barrier.cluster.wait; // initialised", "bar.sync 0;", someFault},
		{"one arrival too many", "[%r1], 2; // two arrivals", "[%r1], 1;", someFault},
		{"no arrival from the other", "mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%r8]; // to the other", "", "waits for phase 0"},
		{"no wait", "@!%p2 bra WAIT;\n\tshl", "shl", someFault + onlyLate},
		{"the remote barrier is waited for", "[%r1], 0;\n\t@!%p2", "[%r8], 0;\n\t@!%p2", someFault},
	})
}

// TestCopyArrivals lets cp.async arrive on an mbarrier, with arrivals of its own and without.
func TestCopyArrivals(t *testing.T) {
	in := make([]byte, 1024)
	for i := range in {
		in[i] = byte(5*i + 2)
	}
	for kind, count := range map[string]int{".noinc": 64, "": 64} {
		arrive := ""
		if kind == "" {
			arrive = "mbarrier.arrive.shared.b64 %d3, [%r1];"
		}
		text := hopperProgram(fmt.Sprintf(`
	.shared .align 8 .b64 bar;
	mov.u32 %%r1, bar; mov.u32 %%r2, dynamic; shl.b32 %%r3, %%tid, 4; add.s32 %%r4, %%r2, %%r3; xor.b32 %%r5, %%r3, 512; add.s32 %%r5, %%r5, %%r2;
	setp.ne.s32 %%p1, %%tid, 0; @!%%p1 mbarrier.init.shared.b64 [%%r1], %d;
	bar.sync 0;
	cvt.u64.u32 %%d1, %%r3; add.s64 %%d1, %%d1, %%in;
	cp.async.cg.shared.global [%%r4], [%%d1], 16;
	cp.async.mbarrier.arrive%s.shared.b64 [%%r1]; // the copy's
	%s
WAIT:
	mbarrier.test_wait.parity.shared.b64 %%p2, [%%r1], 0;
	@!%%p2 bra WAIT;
	ld.shared.u64 %%d2, [%%r5];
	st.global.u64 [%%mine], %%d2;`, count, kind, arrive))
		for _, o := range orders(3) {
			got := machine{threads: 64, shared: 1024, in: in, options: o}.words(t, text)
			for i, x := range got {
				if want := binary.LittleEndian.Uint64(in[(16*i)^512:]); x != want {
					t.Fatalf("%q: thread %d has %#x, want %#x", kind, i, x, want)
				}
			}
		}
	}
}

// TestStates waits for phases by the state that arrivals return.
func TestStates(t *testing.T) {
	text := hopperProgram(`
	.shared .align 8 .b64 bar;
	mov.u32 %r1, bar;
	setp.ne.s32 %p1, %tid, 0; @!%p1 mbarrier.init.shared.b64 [%r1], 64;
	bar.sync 0;
	mov.u32 %r2, 0;
LOOP:
	mbarrier.arrive.shared.b64 %d1, [%r1];
WAIT:
	mbarrier.try_wait.shared.b64 %p2, [%r1], %d1;
	@!%p2 bra WAIT;
	add.s32 %r2, %r2, 1; setp.lt.s32 %p3, %r2, 5; @%p3 bra LOOP;
	bar.sync 0;
	@!%p1 mbarrier.inval.shared.b64 [%r1];
	@!%p1 mbarrier.init.shared.b64 [%r1], 1;
	st.global.u32 [%mine], %r2;`)
	for _, o := range orders(3) {
		for i, x := range (machine{threads: 64, options: o}).words(t, text) {
			if x != 5 {
				t.Fatalf("thread %d: %d", i, x)
			}
		}
	}
}
