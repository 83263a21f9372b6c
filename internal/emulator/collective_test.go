package emulator

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestShuffles compares every mode with the ISA's description, for whole warps and segments of 8.
func TestShuffles(t *testing.T) {
	for _, tc := range []struct {
		mode     string
		b, clamp int
		from     func(lane int) int // -1: none
	}{
		{"bfly", 5, 31, func(i int) int { return i ^ 5 }},
		{"bfly", 16, 0x1f, func(i int) int { return i ^ 16 }},
		{"idx", 3, 31, func(int) int { return 3 }},
		{"idx", 3, 0x181f, func(i int) int { return i&^7 + 3 }},
		{"up", 2, 0, func(i int) int { return i - 2 }},
		{"up", 2, 0x1800, func(i int) int {
			if i%8 < 2 {
				return -1
			}
			return i - 2
		}},
		{"down", 3, 31, func(i int) int {
			if i+3 > 31 {
				return -1
			}
			return i + 3
		}},
		{"down", 3, 0x181f, func(i int) int {
			if i%8+3 > 7 {
				return -1
			}
			return i + 3
		}},
	} {
		body := fmt.Sprintf(`
	mul.lo.s32 %%r1, %%tid, 7;
	shfl.sync.%s.b32 %%r2|%%p1, %%r1, %d, %d, -1;
	selp.u32 %%r3, 1, 0, %%p1;
	st.global.v2.u32 [%%mine], {%%r2, %%r3};`, tc.mode, tc.b, tc.clamp)
		for i, x := range (machine{threads: 32}).words(t, program(body)) {
			want := uint64(7 * i)
			if j := tc.from(i); j >= 0 {
				want = 1<<32 | uint64(7*j)
			}
			if x != want {
				t.Errorf("%s by %d, clamp %#x, lane %d: %#x, want %#x", tc.mode, tc.b, tc.clamp, i, x, want)
			}
		}
	}
}

// TestVotes has part of a warp vote.
func TestVotes(t *testing.T) {
	got := machine{threads: 32}.words(t, program(`
	setp.ge.u32 %p1, %tid, 8;
	mov.u32 %r1, 0;
	@!%p1 bra END;
	setp.lt.u32 %p2, %tid, 20;
	vote.sync.all.pred %p3, %p2, 0xffffff00;
	vote.sync.any.pred %p4, %p2, 0xffffff00;
	vote.sync.all.pred %p5, !%p3, 0xffffff00;
	vote.sync.ballot.b32 %r2, %p2, 0xffffff00;
	selp.u32 %r3, 1, 0, %p3;
	selp.u32 %r4, 2, 0, %p4;
	selp.u32 %r5, 4, 0, %p5;
	or.b32 %r1, %r3, %r4;
	or.b32 %r1, %r1, %r5;
	shl.b32 %r2, %r2, 3;
	or.b32 %r1, %r1, %r2;
END:
	st.global.u32 [%mine], %r1;`))
	for i, x := range got {
		want := uint64(0)
		if i >= 8 {
			want = 2 | 4 | 0x000fff00<<3
		}
		if x != want {
			t.Errorf("lane %d: %#x, want %#x", i, x, want)
		}
	}
}

// TestBarriers passes values between warps through every kind of barrier.
func TestBarriers(t *testing.T) {
	for name, sync := range map[string]string{
		"bar.sync": "bar.sync 0;", "barrier.sync": "barrier.sync 3;", "all named": "mov.u32 %r9, 128; bar.sync 15, %r9;",
		"reduction": "setp.eq.s32 %p9, %tid, 5; bar.red.or.pred %p8, 0, %p9;",
	} {
		got := machine{threads: 128, shared: 512, options: Options{Preempt: true}}.words(t, program(`
	shl.b32 %r1, %tid, 2;
	mov.u32 %r2, dynamic;
	add.s32 %r3, %r2, %r1;
	st.shared.u32 [%r3], %tid;
	`+sync+`
	xor.b32 %r1, %r1, 508;
	add.s32 %r3, %r2, %r1;
	ld.shared.u32 %r4, [%r3];
	st.global.u32 [%mine], %r4;`))
		for i, x := range got {
			if x != uint64(127-i) {
				t.Errorf("%s: thread %d got %d, want %d", name, i, x, 127-i)
			}
		}
	}
}

// TestArrive has the first two warps produce, without waiting, what the other two wait for.
func TestArrive(t *testing.T) {
	got := machine{threads: 128, shared: 256, options: Options{Preempt: true}}.words(t, program(`
	and.b32 %r1, %tid, 63;
	shl.b32 %r1, %r1, 2;
	mov.u32 %r2, dynamic;
	add.s32 %r3, %r2, %r1;
	mov.u32 %r7, 1;
	mov.u32 %r8, 128;
	setp.ge.u32 %p1, %tid, 64;
	@%p1 bra CONSUMER;
	st.shared.u32 [%r3], %tid;
	bar.arrive %r7, %r8;
	bra.uni END;
CONSUMER:
	bar.sync %r7, %r8;
	ld.shared.u32 %r4, [%r3];
	st.global.u32 [%mine], %r4;
END:`))
	for i, x := range got {
		if i >= 64 && x != uint64(i-64) {
			t.Errorf("thread %d: %d", i, x)
		}
	}
}

func TestBarrierReductions(t *testing.T) {
	got := machine{threads: 96}.words(t, program(`
	setp.eq.u32 %p1, %tid, 77;
	bar.red.or.pred %p2, 1, %p1;
	bar.red.and.pred %p3, 2, %p1;
	bar.red.and.pred %p4, 2, !%p3;
	setp.lt.u32 %p5, %tid, 50;
	bar.red.popc.u32 %r1, 4, %p5;
	selp.u32 %r2, 1000, 0, %p2;
	selp.u32 %r3, 2000, 0, %p3;
	selp.u32 %r4, 4000, 0, %p4;
	add.s32 %r1, %r1, %r2; add.s32 %r1, %r1, %r3; add.s32 %r1, %r1, %r4;
	st.global.u32 [%mine], %r1;`))
	for i, x := range got {
		if x != 5050 {
			t.Errorf("thread %d: %d, want 5050", i, x)
		}
	}
}

// TestLoadMatrix compares each form with the ISA's description, over rows in any order.
func TestLoadMatrix(t *testing.T) {
	order := rand.New(rand.NewPCG(3, 4)).Perm(32)
	in := make([]byte, 512+128)
	for i := range 256 {
		binary.LittleEndian.PutUint16(in[2*i:], uint16(0x1000+i))
	}
	for i, row := range order {
		binary.LittleEndian.PutUint32(in[512+4*i:], uint32(16*row))
	}
	for _, n := range []int{1, 2, 4} {
		for _, trans := range []string{"", ".trans"} {
			registers := []string{"%r10", "%r11", "%r12", "%r13"}[:n]
			body := fmt.Sprintf(`
	mul.wide.u32 %%d1, %%tid, 16; add.s64 %%d1, %%d1, %%in;
	ld.global.v4.u32 {%%r1, %%r2, %%r3, %%r4}, [%%d1];
	mov.u32 %%r5, dynamic; shl.b32 %%r6, %%tid, 4; add.s32 %%r6, %%r6, %%r5;
	st.shared.v4.u32 [%%r6], {%%r1, %%r2, %%r3, %%r4};
	bar.warp.sync -1;
	mul.wide.u32 %%d1, %%tid, 4; add.s64 %%d1, %%d1, %%in;
	ld.global.u32 %%r7, [%%d1+512];
	add.s32 %%r7, %%r7, %%r5;
	ldmatrix.sync.aligned.m8n8.x%d%s.shared.b16 {%s}, [%%r7];
	mul.wide.u32 %%d2, %%tid, 16; add.s64 %%d2, %%d2, %%out;
	st.global.u32 [%%d2], %%r10;`, n, trans, strings.Join(registers, ", "))
			for i := 1; i < n; i++ {
				body += fmt.Sprintf("\n\tst.global.u32 [%%d2+%d], %s;", 4*i, registers[i])
			}
			got, err := machine{threads: 32, shared: 512, in: in, outBytes: 512}.run(t, program(body))
			if err != nil {
				t.Fatal(err)
			}
			for lane := range 32 {
				for i := range n {
					for half := range 2 {
						row, column := lane/4, lane%4*2+half
						if trans != "" {
							row, column = column, row
						}
						want := uint16(0x1000 + order[8*i+row]*8 + column)
						if x := binary.LittleEndian.Uint16(got[16*lane+4*i+2*half:]); x != want {
							t.Fatalf("x%d%s lane %d register %d half %d: %#x, want %#x", n, trans, lane, i, half, x, want)
						}
					}
				}
			}
		}
	}
}

// TestMultiply compares mma with products of whole matrices, laid out as the ISA draws them. Small integers are exact in
// every order, so that the bits must agree; random values may differ in one rounding.
func TestMultiply(t *testing.T) {
	for name, format := range map[string]struct {
		encode func(float64) uint64
		decode func(uint16) float64
	}{"bf16.bf16": {bf16, decodeBF16}, "f16.f16": {fp16, decodeFP16}} {
		for _, integers := range []bool{true, false} {
			r := rand.New(rand.NewPCG(5, 6))
			value := func() float64 {
				if integers {
					return float64(r.IntN(17) - 8)
				}
				return r.NormFloat64()
			}
			var a [16][16]float64
			var b [16][8]float64
			var c [16][8]float64
			for i := range 16 {
				for j := range 16 {
					a[i][j] = format.decode(uint16(format.encode(value())))
				}
				for j := range 8 {
					b[i][j] = format.decode(uint16(format.encode(value())))
					c[i][j] = float64(float32(value()))
				}
			}
			if !integers {
				a[3][5], b[7][2], c[9][1] = math.NaN(), math.Inf(1), math.Inf(-1)
			}
			pack := func(low, high float64) uint32 { return uint32(format.encode(low) | format.encode(high)<<16) }
			var in []byte
			word := func(x uint32) { in = binary.LittleEndian.AppendUint32(in, x) }
			for lane := range 32 {
				g, q := lane/4, 2*(lane%4)
				for _, at := range [][2]int{{g, q}, {g + 8, q}, {g, q + 8}, {g + 8, q + 8}} {
					word(pack(a[at[0]][at[1]], a[at[0]][at[1]+1]))
				}
				word(pack(b[q][g], b[q+1][g]))
				word(pack(b[q+8][g], b[q+9][g]))
				word(0)
				word(0)
				for _, row := range []int{g, g + 8} {
					word(math.Float32bits(float32(c[row][q])))
					word(math.Float32bits(float32(c[row][q+1])))
				}
			}
			got, err := machine{threads: 32, in: in, outBytes: 512}.run(t, program(`
	mul.wide.u32 %d1, %tid, 48; add.s64 %d1, %d1, %in;
	ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%d1];
	ld.global.v2.u32 {%r5, %r6}, [%d1+16];
	ld.global.v4.f32 {%f1, %f2, %f3, %f4}, [%d1+32];
	mma.sync.aligned.m16n8k16.row.col.f32.`+name+`.f32 {%f1, %f2, %f3, %f4}, {%r1, %r2, %r3, %r4}, {%r5, %r6}, {%f1, %f2, %f3, %f4};
	mul.wide.u32 %d2, %tid, 16; add.s64 %d2, %d2, %out;
	st.global.v4.f32 [%d2], {%f1, %f2, %f3, %f4};`))
			if err != nil {
				t.Fatal(err)
			}
			for lane := range 32 {
				for i := range 4 {
					row, column := lane/4+i/2*8, lane%4*2+i%2
					want := c[row][column]
					for k := range 16 {
						want += a[row][k] * b[k][column]
					}
					x := float64(math.Float32frombits(binary.LittleEndian.Uint32(got[16*lane+4*i:])))
					if bound := 1e-7*math.Abs(want) + 1e-12; !(math.Abs(x-want) <= bound) && f32bits(x) != f32bits(want) {
						t.Fatalf("%s row %d column %d: %v, want %v", name, row, column, x, want)
					}
				}
			}
		}
	}
}
