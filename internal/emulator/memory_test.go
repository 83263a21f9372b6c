package emulator

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sigattn/sigattn/internal/emulator/ptx"
)

// registersFor names registers for an operand, wide enough for it.
func registersFor(o ptx.OperandForm, wide bool) string {
	prefix := map[ptx.Width]string{ptx.W16: "%h", ptx.W32: "%r", ptx.W64: "%d"}[o.Width]
	if wide {
		prefix = "%d"
	}
	if o.Count == 0 {
		return prefix + "1"
	}
	var all []string
	for i := range o.Count {
		all = append(all, fmt.Sprintf("%s%d", prefix, i+1))
	}
	return "{" + strings.Join(all, ", ") + "}"
}

// TestLoadsAndStores goes through every form of ld and st: what one moves the other must find, and loads into wider
// registers extend as the type says.
func TestLoadsAndStores(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	in := make([]byte, 32*32)
	for i := range in {
		in[i] = byte(r.Uint32())
	}
	for _, f := range ptx.Forms() {
		store := strings.HasPrefix(f.Name, "st.")
		if !store && !strings.HasPrefix(f.Name, "ld.") || strings.HasPrefix(f.Name, "ld.param") || strings.HasPrefix(f.Name, "st.async") {
			continue
		}
		words, global := strings.Split(f.Name, "."), strings.Contains(f.Name, ".global.")
		typ := words[len(words)-1]
		count, e := accessOf(f.Name)
		n := count * e.bytes
		stage := fmt.Sprintf(`
	mul.wide.u32 %%d18, %%tid, %d; add.s64 %%d17, %%d18, %%in; add.s64 %%d18, %%d18, %%out;
	mov.u64 %%d16, dynamic; mul.wide.u32 %%d15, %%tid, %d; add.s64 %%d16, %%d16, %%d15;`, n, n)
		vector := ""
		if count > 1 {
			vector = fmt.Sprintf("v%d.", count)
		}
		body := stage
		plain := fmt.Sprintf("%sb%d", vector, 8*e.bytes)
		registers := registersFor(f.Operands[f.Destinations], false)
		switch {
		case store && global:
			body += fmt.Sprintf("ld.global.%s %s, [%%d17]; %s [%%d18], %s;", plain, registersFor(f.Operands[1], false), f.Name, registersFor(f.Operands[1], false))
		case store:
			body += fmt.Sprintf("ld.global.%[1]s %[2]s, [%%d17]; %[3]s [%%d16], %[2]s; ld.shared.%[1]s %[2]s, [%%d16]; st.global.%[1]s [%%d18], %[2]s;",
				plain, registersFor(f.Operands[1], false), f.Name)
		case global:
			registers = registersFor(f.Operands[0], false)
			body += fmt.Sprintf("%s %s, [%%d17]; st.global.%s [%%d18], %s;", f.Name, registers, plain, registers)
		default:
			registers = registersFor(f.Operands[0], false)
			body += fmt.Sprintf("ld.global.%[1]s %[2]s, [%%d17]; st.shared.%[1]s [%%d16], %[2]s; %[3]s %[2]s, [%%d16]; st.global.%[1]s [%%d18], %[2]s;",
				plain, registers, f.Name)
		}
		m := machine{threads: 32, shared: 1024, in: in, outBytes: 32 * n}
		got, err := m.run(t, program(body))
		if err != nil || !bytes.Equal(got, in[:32*n]) {
			t.Errorf("%s: error %v, or it moves other bytes", f.Name, err)
		}
		if store || count > 1 || !f.Operands[0].Wider {
			continue
		}
		// Into 64 bits, with the type's sign.
		from := "%d17"
		if strings.HasPrefix(words[1], "shared") {
			body = stage + fmt.Sprintf("ld.global.%s %s, [%%d17]; st.shared.%s [%%d16], %s;", plain, registers, plain, registers)
			from = "%d16"
		} else {
			body = stage
		}
		body += fmt.Sprintf("%s %%d1, [%s]; st.global.u64 [%%mine], %%d1;", f.Name, from)
		for i, x := range m.words(t, program(body)) {
			raw := make([]byte, 8)
			copy(raw, in[i*n:i*n+n])
			want := wrapped(typed(binary.LittleEndian.Uint64(raw), strings.NewReplacer("b", "u", "f", "u").Replace(typ)), 64)
			if x != want {
				t.Errorf("%s into 64 bits: %#x, want %#x", f.Name, x, want)
				break
			}
		}
	}
}

// TestParameters loads every width from a struct.
func TestParameters(t *testing.T) {
	text := `.version 9.0
.target sm_80
.address_size 64
.visible .entry k(.param .align 16 .b8 k_in[48]) {
	.reg .b32 %r<9>; .reg .b16 %h<3>; .reg .b64 %d<12>;
	ld.param.u64 %d0, [k_in];
	ld.param.u32 %r1, [k_in+8];
	ld.param.s32 %d1, [k_in+8];
	mov.b64 %d9, k_in;
	add.s64 %d9, %d9, 40;
	ld.param.v2.u32 {%r2, %r3}, [%d9+-24];
	ld.param.u16 %h1, [k_in+12];
	ld.param.s8 %r4, [k_in+14];
	ld.param.v4.f32 {%r5, %r6, %r7, %r8}, [k_in+16];
	ld.param.v2.u64 {%d2, %d3}, [k_in+32];
	st.global.u32 [%d0], %r1; st.global.u64 [%d0+8], %d1; st.global.u32 [%d0+16], %r2; st.global.u32 [%d0+20], %r3;
	st.global.u16 [%d0+24], %h1; st.global.u32 [%d0+28], %r4; st.global.u32 [%d0+32], %r8;
	st.global.u64 [%d0+40], %d3;
	ret;
}`
	p, err := Load(text)
	if err != nil {
		t.Fatal(err)
	}
	memory := NewMemory(1 << 10)
	base, err := memory.Alloc(48, false)
	if err != nil {
		t.Fatal(err)
	}
	params := make([]byte, 48)
	for i := range params {
		params[i] = byte(0xa0 + i)
	}
	binary.LittleEndian.PutUint64(params, base)
	if err := p.Kernel("k").Run(memory, Launch{Grid: [3]int{1, 1, 1}, Block: [3]int{1, 1, 1}, Params: params}, Options{}); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 48)
	if err := memory.Read(got, base); err != nil {
		t.Fatal(err)
	}
	u32 := func(at int) uint64 { return uint64(binary.LittleEndian.Uint32(params[at:])) }
	for _, x := range []struct {
		at, n int
		want  uint64
	}{
		{0, 4, u32(8)}, {8, 8, u32(8) | 0xffffffff<<32}, {16, 4, u32(16)}, {20, 4, u32(20)}, {24, 2, u32(12) & 0xffff},
		{28, 4, 0xffffff00 | uint64(params[14])}, {32, 4, u32(28)}, {40, 8, binary.LittleEndian.Uint64(params[40:])},
	} {
		if g := littleEndian(got[x.at:], x.n); g != x.want {
			t.Errorf("at %d: %#x, want %#x", x.at, g, x.want)
		}
	}
}

// TestReductions adds from many blocks to one word.
func TestReductions(t *testing.T) {
	for _, f := range ptx.Forms() {
		atom := strings.HasPrefix(f.Name, "atom.")
		if !atom && !strings.HasPrefix(f.Name, "red.") || ofHopper(f.Name) {
			continue
		}
		one, total := uint32(3), uint32(3*64*20)
		if strings.HasSuffix(f.Name, "f32") {
			one, total = math.Float32bits(3), math.Float32bits(3*64*20)
		}
		result := ""
		if atom {
			result = "%r2, "
		}
		got, err := machine{threads: 64, blocks: 20, outBytes: 4}.run(t, program(fmt.Sprintf("mov.u32 %%r1, %d;\n%s %s[%%out], %%r1;", one, f.Name, result)))
		if x := binary.LittleEndian.Uint32(got); err != nil || x != total {
			t.Errorf("%s: %#x, %v, want %#x", f.Name, x, err, total)
		}
	}
	flushed, err := machine{threads: 1, outBytes: 4}.run(t, program("mov.u32 %r1, 3; st.global.u32 [%out], %r1; red.global.add.f32 [%out], %r1;"))
	if x := binary.LittleEndian.Uint32(flushed); err != nil || x != 0 {
		t.Errorf("subnormals add to %#x, %v, want 0", x, err)
	}
	got := machine{threads: 32}.words(t, program("add.s64 %d1, %out, 4; mov.u32 %r1, 2; atom.global.add.u32 %r2, [%d1], %r1; bar.warp.sync -1; setp.ne.s32 %p1, %tid, 0; @%p1 st.global.u32 [%mine], %r2;"))
	for i, x := range got[1:] {
		if x != uint64(2*(i+1)) {
			t.Errorf("lane %d found %d, want %d", i+1, x, 2*(i+1))
		}
	}
}

// Each block waits for the one before, multiplies what it finds and stores it: any other order gives another result.
const inOrder = `
	mov.u32 %r1, %ctaid.x;
AGAIN:
	ld.acquire.gpu.global.u32 %r2, [%out];
	setp.ne.u32 %p1, %r2, %r1;
	@%p1 bra AGAIN;
	ld.global.u32 %r3, [%out+4];
	mad.lo.s32 %r3, %r3, 3, %r1;
	st.global.u32 [%out+4], %r3;
	add.u32 %r2, %r2, 1; // the next one
	st.release.gpu.global.u32 [%out], %r2;`

// TestHandover lets blocks that run at once go one after another, and finds one that waits for a later one.
func TestHandover(t *testing.T) {
	const blocks = 200
	want := uint32(0)
	for i := range uint32(blocks) {
		want = 3*want + i
	}
	for _, workers := range []int{1, 3} {
		m := machine{threads: 1, blocks: blocks, outBytes: 8, options: Options{Workers: workers}}
		got, err := m.run(t, program(inOrder))
		if x := binary.LittleEndian.Uint32(got[4:]); err != nil || x != want {
			t.Errorf("%d workers: %#x, %v, want %#x", workers, x, err, want)
		}
		_, err = m.run(t, program(strings.Replace(inOrder, "add.u32 %r2, %r2, 1; // the next one", "add.u32 %r2, %r2, 2;", 1)))
		if !strings.Contains(kinds(err), string(Deadlock)) {
			t.Errorf("%d workers, one passed over: %v", workers, err)
		}
	}
}

// TestHandoverBackward lets a block wait for a later one where that runs too, and finds it where only one block runs at a time.
func TestHandoverBackward(t *testing.T) {
	const backward = `
	mov.u32 %r1, %ctaid.x;
	mov.u32 %r2, 1;
	setp.eq.u32 %p1, %r1, 1;
	@%p1 bra LATER;
AGAIN:
	ld.acquire.gpu.global.u32 %r3, [%out];
	setp.eq.u32 %p1, %r3, 0;
	@%p1 bra AGAIN;
	st.global.u32 [%out+4], %r3;
	ret;
LATER:
	mov.u32 %r4, 2000000; // longer than tests take that make a block count as stuck
WORK:
	sub.u32 %r4, %r4, 1;
	setp.ne.u32 %p1, %r4, 0;
	@%p1 bra WORK;
	st.release.gpu.global.u32 [%out], %r2;`
	for workers, stuck := range map[int]bool{1: true, 2: false} {
		got, err := machine{threads: 1, blocks: 2, outBytes: 8, options: Options{Workers: workers}}.run(t, program(backward))
		if found := strings.Contains(kinds(err), string(Deadlock)); found != stuck || !stuck && (err != nil || got[4] != 1) {
			t.Errorf("%d workers: %v, %v, want stuck %v", workers, got, err, stuck)
		}
	}
}

// TestCopies runs every form of cp.async at every size, with zero fill, in every order that completion may take.
func TestCopies(t *testing.T) {
	in := make([]byte, 2048)
	for i := range in {
		in[i] = byte(i*7 + 1)
	}
	for _, f := range ptx.Forms() {
		if !strings.HasPrefix(f.Name, "cp.async.c") || len(f.Operands) == 0 {
			continue
		}
		for _, n := range []int{4, 8, 16} {
			if n != 16 && strings.HasPrefix(f.Name, "cp.async.cg") {
				continue
			}
			for _, valid := range []int{0, n / 2, n, -1} {
				for _, completion := range []Completion{Eager, Latest, Random} {
					size := fmt.Sprintf(", %d", valid)
					want := make([]byte, 32*16)
					for i := range 32 {
						copied := valid
						if valid < 0 {
							size, copied = "", n
						}
						copy(want[16*i:16*i+copied], in[16*i:])
					}
					body := fmt.Sprintf(`
	mov.u32 %%r1, dynamic; shl.b32 %%r2, %%tid, 4; add.s32 %%r1, %%r1, %%r2;
	mov.u32 %%r3, 0; st.shared.v4.u32 [%%r1], {%%r3, %%r3, %%r3, %%r3};
	mul.wide.u32 %%d1, %%tid, 16; add.s64 %%d2, %%d1, %%in; add.s64 %%d3, %%d1, %%out;
	%s [%%r1], [%%d2], %d%s;
	cp.async.wait_all;
	ld.shared.v4.u32 {%%r4, %%r5, %%r6, %%r7}, [%%r1];
	st.global.v4.u32 [%%d3], {%%r4, %%r5, %%r6, %%r7};`, f.Name, n, size)
					got, err := machine{threads: 32, shared: 512, in: in, outBytes: 512, options: Options{Copies: completion}}.run(t, program(body))
					if err != nil || !bytes.Equal(got, want) {
						t.Errorf("%s of %d bytes, %d valid, completion %d: error %v, or other bytes", f.Name, n, valid, completion, err)
					}
				}
			}
		}
	}
}

// TestCopyGroups waits for the first of two groups alone.
func TestCopyGroups(t *testing.T) {
	in := make([]byte, 32)
	in[0], in[16] = 11, 22
	for _, completion := range []Completion{Eager, Latest, Random} {
		got := machine{threads: 1, shared: 64, in: in, options: Options{Copies: completion}}.words(t, program(`
	mov.u32 %r1, dynamic;
	cp.async.cg.shared.global [%r1], [%in], 16;
	cp.async.commit_group;
	cp.async.cg.shared.global [%r1+16], [%in+16], 16;
	cp.async.commit_group;
	cp.async.wait_group 1;
	ld.shared.u32 %r2, [%r1];
	cp.async.wait_group 0;
	ld.shared.u32 %r3, [%r1+16];
	st.global.v2.u32 [%mine], {%r2, %r3};`))
		if got[0] != 22<<32|11 {
			t.Errorf("completion %d: %#x", completion, got[0])
		}
	}
}

// TestMemory holds allocations apart and refuses what lies in none.
func TestMemory(t *testing.T) {
	m := NewMemory(1000)
	a, err := m.Alloc(300, true)
	if err != nil || a%allocAlign != 0 {
		t.Fatalf("%#x, %v", a, err)
	}
	b, err := m.Alloc(700, false)
	if err != nil || b < a+300+allocGap/2 {
		t.Fatalf("%#x behind %#x, %v", b, a, err)
	}
	if _, err := m.Alloc(1, false); !errors.Is(err, ErrMemory) || !errors.Is(err, ErrLaunch) {
		t.Errorf("beyond the memory: %v", err)
	}
	if err := m.Fill(b, []byte{1, 2, 3, 4}, 700); err != nil {
		t.Error(err)
	}
	two := make([]byte, 2)
	if err := m.Read(two, b+698); err != nil || two[0] != 3 || two[1] != 4 {
		t.Errorf("%v, %v", two, err)
	}
	for name, err := range map[string]error{
		"past the end": m.Read(two, b+699), "before the start": m.Write(b-1, two), "near none": m.Fill(7, two, 2), "not allocated": m.Free(a + 1),
	} {
		if !errors.Is(err, ErrMemory) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := m.Free(b); err != nil {
		t.Error(err)
	}
	if free, total := m.Size(); free != 700 || total != 1000 {
		t.Errorf("%d of %d bytes are free", free, total)
	}
	if err := m.Read(two, b); !errors.Is(err, ErrMemory) {
		t.Errorf("after its release: %v", err)
	}
}

// TestReductionsWrite holds additions to global memory, of one word or several, to marking what they have written: what
// they read unwritten is reported once, and not again where it is loaded.
func TestReductionsWrite(t *testing.T) {
	for _, add := range []string{"red.global.add.f32 [%out], %f1;", "red.global.add.v4.f32 [%out], {%f1, %f1, %f1, %f1};"} {
		text := program(`
	mov.f32 %f1, 0f3F800000;
	` + add + ` // the addition
	ld.global.u32 %r1, [%out];
	st.global.u32 [%out], %r1;`)
		text = strings.Replace(text, "sm_80", "sm_90a", 1)
		_, err := machine{threads: 1, outBytes: 16, options: Options{CheckGlobal: true}}.run(t, text)
		if got, want := kinds(err), fmt.Sprintf("%s@%d", Uninitialised, lineOf(t, text, "// the addition")); got != want {
			t.Errorf("%s: %s, want %s", add, got, want)
		}
	}
}
