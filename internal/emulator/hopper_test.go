package emulator

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

// hopperForms are the beginnings of forms that the tests of sm_90 cover: this file, and those of mbarriers, bulk copies, wgmma
// and clusters.
var hopperForms = []string{
	"mbarrier.", "cp.async.mbarrier", "cp.async.bulk", "cp.reduce.async.bulk", "st.async", "wgmma.", "barrier.cluster", "mapa.", "getctarank", "fence",
	"prefetch.", "createpolicy.", "setmaxnreg.", "elect.sync", "griddepcontrol.", "stmatrix.", "ldmatrix.sync.aligned.m8n8.x", "cvta.", "nanosleep.", "trap",
	"red.global.add.v", "red.relaxed.gpu.global.add.v",
}

// ofHopper reports whether a form is one of them.
func ofHopper(name string) bool {
	for _, prefix := range hopperForms {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	words := strings.Split(name, ".")
	switch words[0] {
	case "setp":
		return strings.Contains(words[2], "16") && words[2][0] != 's' && words[2][0] != 'u'
	case "cvt":
		return strings.Contains(name, "e4m3") || strings.Contains(name, "e5m2")
	}
	return false
}

// TestSmallFloats decodes every fp8 value and encodes it back, and what lies between two to the nearer.
func TestSmallFloats(t *testing.T) {
	for name, f := range map[string]struct {
		decode   func(uint16) float32
		encode   func(float32) uint8
		mantissa int
		bias     int
		finite   uint16
	}{"e4m3": {fromE4M3, toE4M3, 3, 7, 0x7e}, "e5m2": {fromE5M2, toE5M2, 2, 15, 0x7b}} {
		for code := range uint16(f.finite + 1) {
			e, m := int(code>>f.mantissa), float64(code&(1<<f.mantissa-1))/float64(int(1)<<f.mantissa)
			want := math.Ldexp(1+m, e-f.bias)
			if e == 0 {
				want = math.Ldexp(m, 1-f.bias)
			}
			got := float64(f.decode(code))
			if got != want || float64(f.decode(code|0x80)) != -want {
				t.Errorf("%s %#x is %v, want %v", name, code, got, want)
			}
			if back := f.encode(float32(want)); uint16(back) != code {
				t.Errorf("%s of %v is %#x, want %#x", name, want, back, code)
			}
			if code == f.finite {
				break
			}
			next := float64(f.decode(code + 1))
			even := code + code&1
			for at, want := range map[float64]uint16{(want + next) / 2: even, want*0.51 + next*0.49: code, want*0.49 + next*0.51: code + 1} {
				if back := f.encode(float32(-at)); uint16(back) != want|0x80 {
					t.Errorf("%s of %v is %#x, want %#x", name, -at, back, want|0x80)
				}
			}
		}
		if f.encode(1e30) != uint8(f.finite) || f.encode(float32(math.Inf(-1))) != uint8(f.finite|0x80) || f.encode(float32(math.NaN())) != canonicalNaN8 {
			t.Errorf("%s does not saturate", name)
		}
	}
}

// TestHalfForms runs the lane-wise forms of sm_90 on pairs of numbers.
func TestHalfForms(t *testing.T) {
	nan := math.NaN()
	cases := [][2]float64{{1, 2}, {2, 1}, {-1, -1}, {nan, 1}, {0, math.Copysign(0, -1)}, {0.25, -8}}
	holds := map[string]func(a, b float64) bool{
		"eq": func(a, b float64) bool { return a == b }, "ltu": func(a, b float64) bool { return a != a || b != b || a < b },
		"lt": func(a, b float64) bool { return a < b }, "ge": func(a, b float64) bool { return a >= b },
		"neu": func(a, b float64) bool { return a != a || b != b || a != b }, "num": func(a, b float64) bool { return a == a && b == b },
	}
	bit := func(b bool) uint64 {
		if b {
			return 1
		}
		return 0
	}
	for typ, encode := range map[string]func(float32) uint16{"f16": toFP16, "bf16": toBF16} {
		for op, f := range holds {
			for _, x := range cases {
				a, b := uint32(encode(float32(x[0]))), uint32(encode(float32(x[1])))
				got := machine{threads: 1}.words(t, program(fmt.Sprintf(`
	mov.b32 %%r1, %#[1]x; mov.b32 %%r2, %#[2]x;
	setp.%[3]s.%[4]sx2 %%p1|%%p2, %%r1, %%r2;
	mov.b32 {%%h1, _}, %%r1; mov.b32 {_, %%h2}, %%r1;
	setp.%[3]s.%[4]s %%p3, %%h1, %%h2;
	selp.u32 %%r3, 1, 0, %%p1; selp.u32 %%r4, 2, 0, %%p2; selp.u32 %%r5, 4, 0, %%p3;
	or.b32 %%r3, %%r3, %%r4; or.b32 %%r3, %%r3, %%r5;
	mov.b64 %%d1, {%%r3, 7}; mov.b64 {%%r6, %%r7}, %%d1;
	mov.b64 %%d1, {%%r6, %%r7}; st.global.u64 [%%mine], %%d1;`, a|b<<16, b|a<<16, op, typ)))
				want := bit(f(x[0], x[1]))*5 | bit(f(x[1], x[0]))<<1 | 7<<32
				if got[0] != want {
					t.Errorf("setp.%s.%s of %v: %#x, want %#x", op, typ, x, got[0], want)
				}
			}
		}
	}
	got := machine{threads: 1}.words(t, program(`
	mov.f32 %f1, 0f3FC00000; mov.f32 %f2, 0fC1000000;
	cvt.rn.satfinite.e4m3x2.f32 %h1, %f1, %f2;
	cvt.rn.satfinite.e5m2x2.f32 %h2, %f1, %f2;
	cvt.rn.f16x2.e4m3x2 %r1, %h1;
	cvt.rn.f16x2.e5m2x2 %r2, %h2;
	sub.s32 %r2, %r2, %r1;
	mov.b64 %d1, {%r1, %r2}; st.global.u64 [%mine], %d1;`))
	if want := uint64(0x3e00)<<16 | 0xc800; got[0] != want {
		t.Errorf("fp8 and back: %#x, want %#x", got[0], want)
	}
}

// TestVectorReductions adds from many threads at once.
func TestVectorReductions(t *testing.T) {
	got, err := machine{threads: 64, blocks: 8, outBytes: 32}.run(t, program(`
	mov.f32 %f1, 0f3F800000; mov.f32 %f2, 0f40000000;
	red.global.add.v4.f32 [%out], {%f1, %f2, %f1, %f2};
	red.relaxed.gpu.global.add.v2.f32 [%out+16], {%f2, %f1};`))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float32{512, 1024, 512, 1024, 1024, 512} {
		if x := math.Float32frombits(uint32(littleEndian(got[4*i:], 4))); x != want {
			t.Errorf("sum %d is %v, want %v", i, x, want)
		}
	}
}

// TestStoreMatrix stores what ldmatrix loads, transposed or not.
func TestStoreMatrix(t *testing.T) {
	in := make([]byte, 512)
	for i := range in {
		in[i] = byte(i*11 + i/256)
	}
	for _, trans := range []string{"", ".trans"} {
		for _, n := range []int{1, 2, 4} {
			registers := "{" + strings.Join([]string{"%r1", "%r2", "%r3", "%r4"}[:n], ", ") + "}"
			got, err := machine{threads: 32, shared: 1024, in: in, outBytes: 512}.run(t, program(fmt.Sprintf(`
	mul.wide.u32 %%d1, %%tid, 16; add.s64 %%d2, %%d1, %%in; add.s64 %%d3, %%d1, %%out;
	mov.u32 %%r10, dynamic; cvt.u32.u64 %%r11, %%d1; add.s32 %%r10, %%r10, %%r11;
	ld.global.v4.u32 {%%r5, %%r6, %%r7, %%r8}, [%%d2];
	st.shared.v4.u32 [%%r10], {%%r5, %%r6, %%r7, %%r8};
	bar.sync 0;
	ldmatrix.sync.aligned.m8n8.x%[1]d%[2]s.shared::cta.b16 %[3]s, [%%r10];
	stmatrix.sync.aligned.m8n8.x%[1]d%[2]s.shared::cta.b16 [%%r10+512], %[3]s;
	bar.sync 0;
	setp.ge.s32 %%p1, %%tid, %[4]d;
	@%%p1 ret;
	ld.shared::cta.v4.u32 {%%r5, %%r6, %%r7, %%r8}, [%%r10+512];
	st.global.v4.u32 [%%d3], {%%r5, %%r6, %%r7, %%r8};`, n, trans, registers, 8*n)))
			if err != nil || string(got[:128*n]) != string(in[:128*n]) {
				t.Errorf("x%d%s: %v, or other bytes", n, trans, err)
			}
		}
	}
}

// TestElectAndOthers runs what elects, hints, waits for nothing and gives up.
func TestElectAndOthers(t *testing.T) {
	got := machine{threads: 32}.words(t, program(`
	mov.u32 %r1, 0; setp.lt.s32 %p2, %tid, 5;
	@%p2 bra LOW;
	elect.sync %r1|%p1, 0xffffffe0;
	bra JOIN;
LOW:
	elect.sync _|%p1, 0x1f;
JOIN:
	@%p1 add.s32 %r1, %r1, 100;
	createpolicy.fractional.L2::evict_last.b64 %d1, 1.0;
	prefetch.global.L2 [%out];
	griddepcontrol.wait; griddepcontrol.launch_dependents;
	fence.acq_rel.gpu; nanosleep.u32 20;
	mov.u64 %d2, %globaltimer; mov.u32 %r5, %clock; mov.u64 %d3, %clock64; mov.u32 %r6, %smid;
	st.global.u32 [%mine], %r1;`))
	for lane, x := range got {
		want := uint64(0)
		switch {
		case lane == 0:
			want = 100
		case lane == 5:
			want = 105
		case lane > 5:
			want = 5
		}
		if x&0xffffffff != want {
			t.Errorf("lane %d: %d, want %d", lane, x, want)
		}
	}
	text := program("setp.eq.s32 %p1, %tid, 3;\n@%p1 trap;")
	if _, err := (machine{threads: 32}).run(t, text); kinds(err) != fmt.Sprintf("trap@%d", lineOf(t, text, "@%p1 trap")) {
		t.Errorf("trap: %v", err)
	}
}

// TestSetRegisters checks counts of registers.
func TestSetRegisters(t *testing.T) {
	role := func(consumer, producer string) string {
		return program("setp.ge.s32 %p1, %tid, 128; @%p1 bra OTHER;\n" + consumer + "\nret;\nOTHER:\n" + producer)
	}
	const use = "\n.shared .align 8 .b64 bar; mov.u32 %r9, bar; mbarrier.init.shared.b64 [%r9], 1;" // so that there are warpgroups
	for _, c := range []struct{ consumer, producer, want string }{
		{"setmaxnreg.inc.sync.aligned.u32 240;", "setmaxnreg.dec.sync.aligned.u32 24;", ""},
		{"setmaxnreg.inc.sync.aligned.u32 256;", "setmaxnreg.inc.sync.aligned.u32 256;", ""},
		{"setmaxnreg.dec.sync.aligned.u32 64;\nsetmaxnreg.inc.sync.aligned.u32 56;", "", "bad register count"},
		{"setp.lt.s32 %p2, %tid, 32; @%p2 bra SKIP;\nsetmaxnreg.inc.sync.aligned.u32 240;\nSKIP:", "", "bad register count"},
	} {
		text := strings.Replace(role(c.consumer, c.producer), ".reg .pred", use[:strings.Index(use, "mov")]+".reg .pred", 1)
		text = strings.Replace(text, "setp.ge.s32 %p1, %tid, 128;", "setp.eq.s32 %p9, %tid, 0; @!%p9 bra ON; mov.u32 %r9, bar; mbarrier.init.shared.b64 [%r9], 1;\nON: setp.ge.s32 %p1, %tid, 128;", 1)
		_, err := machine{threads: 256}.run(t, text)
		if got := kinds(err); c.want == "" && err != nil || !strings.HasPrefix(got, c.want) {
			t.Errorf("%q: %v, want %q", c.consumer, err, c.want)
		}
	}
	if _, err := Load(program("setmaxnreg.inc.sync.aligned.u32 250;")); err == nil {
		t.Error("setmaxnreg takes 250")
	}
}
