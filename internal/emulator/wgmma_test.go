package emulator

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// productTest is a wgmma of one warpgroup, over so many steps along K, whose operands are laid out by hand.
type productTest struct {
	n              int
	d, a, b        string // types
	layoutA        operandLayout
	layoutB        operandLayout
	registers      bool // A comes from registers
	steps          int
	negate         [2]bool
	accumulate     bool // onto each thread's number
	before, after  string
	between        string // the first and second step
	proxyFence     string
	productFence   string
	wait           string
	descriptorMask uint64
}

// operandLayout is how an operand lies in shared memory.
type operandLayout struct {
	swizzle int  // bytes
	major   bool // contiguous along M or N
}

func (l operandLayout) String() string {
	if l.major {
		return fmt.Sprintf("MN%d", l.swizzle)
	}
	return fmt.Sprintf("K%d", l.swizzle)
}

// place is the offset of an element of size bytes in a tile of rows by k, and descriptor what the operand's descriptor holds
// for a tile at the address 0, with the offset of each step along K.
func (l operandLayout) place(rows, k, size, row, column int) int {
	at := 0
	switch {
	case l.swizzle == 0 && !l.major: // core matrices of 8 rows, one behind the other along K
		at = row/8*(k*size/16)*128 + column*size/16*128 + row%8*16 + column*size%16
	case l.swizzle == 0: // and along MN
		at = column/8*(rows/8)*128 + row/8*128 + column%8*16 + row%8*2
	case !l.major: // panels as wide as the swizzle
		byteColumn := column * size
		at = byteColumn/l.swizzle*rows*l.swizzle + row*l.swizzle + byteColumn%l.swizzle
	default:
		per := l.swizzle / 2
		at = row/per*k*l.swizzle + column*l.swizzle + row%per*2
	}
	if l.swizzle > 0 { // the number of a 16-byte chunk within its row, by the number of the 128-byte line
		chunk := at / 16 % (l.swizzle / 16)
		line := at / 128 % (l.swizzle / 16)
		at += (chunk ^ line - chunk) * 16
		if chunk^line != at/16%(l.swizzle/16) {
			panic("a chunk left its row")
		}
	}
	return at
}

func (l operandLayout) descriptor(rows, k, size int) uint64 {
	mode := map[int]uint64{0: 0, 128: 1, 64: 2, 32: 3}[l.swizzle]
	leading, stride := 16, 8*l.swizzle
	switch {
	case l.swizzle == 0 && !l.major:
		leading, stride = 128, k*size/16*128
	case l.swizzle == 0:
		leading, stride = rows/8*128, 128
	case l.major:
		leading = k * l.swizzle
	}
	return uint64(leading/16)<<16 | uint64(stride/16)<<32 | mode<<62
}

func (l operandLayout) step(rows, size, step int) int {
	switch {
	case l.swizzle == 0 && !l.major:
		return 2 * 128 * step
	case l.swizzle == 0:
		return 2 * rows / 8 * 128 * step
	case !l.major:
		return 32*step/l.swizzle*rows*l.swizzle + 32*step%l.swizzle
	}
	return 16 * l.swizzle * step
}

func (p productTest) String() string {
	from := p.layoutA.String()
	if p.registers {
		from = "R"
	}
	return fmt.Sprintf("n%d_%s_%s_%s_%s_%v_x%d", p.n, p.d, p.a, p.b, from, p.layoutB, p.steps)
}

var testTypes = map[string]struct {
	bytes  int
	encode func(float32) uint16
	decode func(uint16) float32
}{
	"bf16": {2, toBF16, fromBF16}, "f16": {2, toFP16, fromFP16},
	"e4m3": {1, func(x float32) uint16 { return uint16(toE4M3(x)) }, fromE4M3},
	"e5m2": {1, func(x float32) uint16 { return uint16(toE5M2(x)) }, fromE5M2},
}

// image lays a matrix out in bytes.
func (l operandLayout) image(values [][]uint16, size int) []byte {
	rows, k := len(values), len(values[0])
	padded := (rows + 63) / 64 * 64
	if l.swizzle == 0 {
		padded = rows
	}
	width := k * size
	if l.swizzle > 0 && !l.major {
		width = (width + l.swizzle - 1) / l.swizzle * l.swizzle
	}
	bytes := make([]byte, (padded*width+1023)/1024*1024)
	for r := range values {
		for c, x := range values[r] {
			at := l.place(rows, k, size, r, c)
			if bytes[at] = byte(x); size == 2 {
				bytes[at+1] = byte(x >> 8)
			}
		}
	}
	return bytes
}

// text is the program: it copies the images of A and B to shared memory, multiplies, and stores each thread's accumulators.
func (p productTest) text(bytesA, bytesB int) string {
	size := testTypes[p.a].bytes
	k := p.steps * 32 / size
	var b strings.Builder
	b.WriteString(strings.TrimSuffix(strings.Replace(program(""), "sm_80", "sm_90a", 1), "\n\tret;\n}\n"))
	count := p.n / 2
	if p.d == "f16" {
		count = p.n / 4
	}
	fmt.Fprintf(&b, `
	.reg .b32 %%acc<%d>, %%a<%d>;
	.reg .b64 %%desc<4>;
	mov.u32 %%r1, dynamic; add.s32 %%r1, %%r1, 1023; and.b32 %%r1, %%r1, -1024;
	shl.b32 %%r2, %%tid, 4; mul.wide.u32 %%d1, %%tid, 16; add.s64 %%d1, %%d1, %%in; add.s32 %%r3, %%r1, %%r2;
COPY:
	ld.global.v4.u32 {%%r5, %%r6, %%r7, %%r8}, [%%d1];
	st.shared.v4.u32 [%%r3], {%%r5, %%r6, %%r7, %%r8};
	add.s64 %%d1, %%d1, 2048; add.s32 %%r3, %%r3, 2048; add.s32 %%r2, %%r2, 2048;
	setp.lt.u32 %%p1, %%r2, %d;
	@%%p1 bra COPY;
	%s
	bar.sync 0;
`, count, 4*p.steps, bytesA+bytesB, p.proxyFence)
	all := make([]string, count)
	b.WriteString("\tcvt.rn.f32.u32 %f1, %tid;\n")
	if p.d == "f16" {
		b.WriteString("\tcvt.rn.f16x2.f32 %f1, %f1, %f1;\n")
	}
	for i := range all {
		all[i] = fmt.Sprintf("%%acc%d", i)
		fmt.Fprintf(&b, "\tmov.b32 %s, %%f1;\n", all[i])
	}
	if p.registers {
		for i := range 4 * p.steps {
			fmt.Fprintf(&b, "\tmul.wide.u32 %%d2, %%tid, %d; add.s64 %%d2, %%d2, %%in; ld.global.b32 %%a%d, [%%d2+%d];\n", 16*p.steps, i, bytesA+bytesB+4*i)
		}
	}
	fmt.Fprintf(&b, `
	and.b32 %%r4, %%r1, 0x3ffff; shr.u32 %%r4, %%r4, 4; cvt.u64.u32 %%desc0, %%r4;
	or.b64 %%desc1, %%desc0, %#x;
	add.s32 %%r4, %%r1, %d; and.b32 %%r4, %%r4, 0x3ffff; shr.u32 %%r4, %%r4, 4; cvt.u64.u32 %%desc0, %%r4;
	or.b64 %%desc2, %%desc0, %#x;
	%s
	%s
`, p.layoutA.descriptor(64, k, size)|p.descriptorMask, bytesA, p.layoutB.descriptor(p.n, k, size), p.before, p.productFence)
	instruction := fmt.Sprintf("wgmma.mma_async.sync.aligned.m64n%dk%d.%s.%s.%s", p.n, 32/size, p.d, p.a, p.b)
	sign := map[bool]int{false: 1, true: -1}
	for step := range p.steps {
		fmt.Fprintf(&b, "\tsetp.%s.u32 %%p2, 0, 0;\n", map[bool]string{true: "eq", false: "ne"}[p.accumulate || step > 0])
		a := "%desc1"
		if p.registers {
			a = fmt.Sprintf("{%%a%d, %%a%d, %%a%d, %%a%d}", 4*step, 4*step+1, 4*step+2, 4*step+3)
		} else {
			fmt.Fprintf(&b, "\tadd.s64 %%desc0, %%desc1, %d;\n", p.layoutA.step(64, size, step)/16)
			a = "%desc0"
		}
		fmt.Fprintf(&b, "\tadd.s64 %%desc3, %%desc2, %d;\n", p.layoutB.step(p.n, size, step)/16)
		fmt.Fprintf(&b, "\t%s {%s}, %s, %%desc3, %%p2, %d, %d", instruction, strings.Join(all, ", "), a, sign[p.negate[0]], sign[p.negate[1]])
		transposed := map[bool]int{true: 1}
		if size == 2 && !p.registers {
			fmt.Fprintf(&b, ", %d", transposed[p.layoutA.major])
		}
		if size == 2 {
			fmt.Fprintf(&b, ", %d", transposed[p.layoutB.major])
		}
		b.WriteString(";\n")
		if step == 0 {
			b.WriteString("\t" + p.between + "\n")
		}
	}
	fmt.Fprintf(&b, "\twgmma.commit_group.sync.aligned;\n\t%s\n\t%s\n\tmul.wide.u32 %%d3, %%tid, %d; add.s64 %%d3, %%d3, %%out;\n", p.wait, p.after, 4*count)
	for i, r := range all {
		fmt.Fprintf(&b, "\tst.global.b32 [%%d3+%d], %s;\n", 4*i, r)
	}
	b.WriteString("\tret;\n}\n")
	return b.String()
}

// withDefaults fills in what makes the program a correct one.
func (p productTest) withDefaults() productTest {
	fill := func(s *string, text string) {
		if *s == "" {
			*s = text
		}
	}
	fill(&p.d, "f32")
	fill(&p.a, "bf16")
	fill(&p.b, p.a)
	fill(&p.proxyFence, "fence.proxy.async.shared::cta;")
	fill(&p.productFence, "wgmma.fence.sync.aligned;")
	fill(&p.wait, "wgmma.wait_group.sync.aligned 0;")
	p.steps = max(p.steps, 1)
	return p
}

// run gives the fault of the program, and compares its results with those of a plain product.
func (p productTest) run(t *testing.T, o Options) (string, error) {
	t.Helper()
	p = p.withDefaults()
	typeA, typeB := testTypes[p.a], testTypes[p.b]
	k := p.steps * 32 / typeA.bytes
	random := rand.New(rand.NewPCG(uint64(p.n), 1))
	matrix := func(rows int, encode func(float32) uint16) [][]uint16 {
		all := make([][]uint16, rows)
		for i := range all {
			all[i] = make([]uint16, k)
			for j := range all[i] {
				all[i][j] = encode(float32(random.NormFloat64()))
			}
		}
		return all
	}
	a, b := matrix(64, typeA.encode), matrix(p.n, typeB.encode)
	imageA, imageB := p.layoutA.image(a, typeA.bytes), p.layoutB.image(b, typeB.bytes)
	in := append(append([]byte(nil), imageA...), imageB...)
	if p.registers {
		per := 4 / typeA.bytes
		for thread := range 128 {
			for step := range p.steps {
				for i := range 4 {
					row, column := thread/32*16+thread%32/4+i%2*8, step*32/typeA.bytes+thread%4*per+i/2*4*per
					var word uint32
					for j := range per {
						word |= uint32(a[row][column+j]) << (8 * typeA.bytes * j)
					}
					in = binary.LittleEndian.AppendUint32(in, word)
				}
			}
		}
	}
	text := p.text(len(imageA), len(imageB))
	count := p.n / 2
	if p.d == "f16" {
		count = p.n / 4
	}
	o.CheckGlobal = true
	got, err := machine{threads: 128, shared: len(imageA) + len(imageB) + 2048, in: in, outBytes: 128 * 4 * count, options: o}.run(t, text)
	if err != nil {
		return text, err
	}
	sign := 1.0
	if p.negate[0] != p.negate[1] {
		sign = -1
	}
	for thread := range 128 {
		for i := range p.n / 2 {
			row, column := thread/32*16+thread%32/4+i/2%2*8, i/4*8+thread%4*2+i%2
			want, size := 0.0, 1.0
			if p.accumulate {
				want = float64(thread)
			}
			for x := range k {
				product := float64(typeA.decode(a[row][x])) * float64(typeB.decode(b[column][x]))
				want += sign * product
				size += math.Abs(product)
			}
			have, unit := 0.0, 0x1p-21
			if p.d == "f16" {
				have, unit = float64(fromFP16(binary.LittleEndian.Uint16(got[4*thread*count+2*i:]))), 0x1p-9
			} else {
				have = float64(math.Float32frombits(binary.LittleEndian.Uint32(got[4*(thread*count+i):])))
			}
			if math.Abs(have-want) > unit*(size+math.Abs(want)) {
				t.Fatalf("%v: (%d,%d) is %v, want %v", p, row, column, have, want)
			}
		}
	}
	return text, nil
}

// TestProducts compares wgmma of every form with a plain product, in every order of completion.
func TestProducts(t *testing.T) {
	var all []productTest
	layouts := []operandLayout{{0, false}, {32, false}, {64, false}, {128, false}, {0, true}, {32, true}, {64, true}, {128, true}}
	for _, a := range layouts { // every pair of layouts
		for _, b := range layouts {
			all = append(all, productTest{n: 64, layoutA: a, layoutB: b, steps: 4}, productTest{n: 136, a: "f16", layoutA: a, layoutB: b, steps: 2, accumulate: true})
		}
	}
	for n := 8; n <= 256; n += 8 { // every N
		l := operandLayout{128, n%16 == 0}
		all = append(all, productTest{n: n, layoutA: operandLayout{128, false}, layoutB: l, accumulate: n%3 == 0},
			productTest{n: n, d: "f16", a: "f16", layoutA: operandLayout{64, n%24 == 0}, layoutB: l},
			productTest{n: n, a: "e4m3", b: "e5m2", layoutA: operandLayout{128, false}, layoutB: operandLayout{32, false}, steps: 2})
	}
	for _, b := range layouts {
		all = append(all, productTest{n: 96, registers: true, layoutB: b, steps: 3}, productTest{n: 176, a: "f16", registers: true, layoutB: b, accumulate: true})
	}
	for _, x := range []string{"e4m3", "e5m2"} {
		for _, y := range []string{"e4m3", "e5m2"} {
			for _, l := range layouts[:4] {
				all = append(all, productTest{n: 32, a: x, b: y, layoutA: l, layoutB: l, steps: 4},
					productTest{n: 40, d: "f16", a: x, b: y, registers: true, layoutB: l, steps: 2})
			}
		}
	}
	for _, negate := range [][2]bool{{true, false}, {false, true}, {true, true}} {
		all = append(all, productTest{n: 24, negate: negate, layoutA: layouts[3], layoutB: layouts[3], accumulate: true})
	}
	for i, p := range all {
		t.Run(p.withDefaults().String(), func(t *testing.T) {
			o := orders(2)[i%6]
			if _, err := p.run(t, o); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestProductFaults finds what is wrong about programs with wgmma.
func TestProductFaults(t *testing.T) {
	base := productTest{n: 16, layoutA: operandLayout{128, false}, layoutB: operandLayout{128, false}, steps: 2}
	for name, c := range map[string]struct {
		change func(p *productTest)
		want   string
	}{
		"no proxy fence":            {func(p *productTest) { p.proxyFence = "\t" }, string(MissingFence)},
		"proxy fence of one warp":   {func(p *productTest) { p.proxyFence = "setp.ge.s32 %p5, %tid, 32; @%p5 bra ON; fence.proxy.async; ON:" }, string(MissingFence)},
		"fence behind the barrier":  {func(p *productTest) { p.proxyFence, p.before = "\t", "fence.proxy.async;" }, ""},
		"no wgmma.fence":            {func(p *productTest) { p.productFence = "\t" }, string(MissingFence)},
		"write behind the fence":    {func(p *productTest) { p.productFence = "wgmma.fence.sync.aligned; mov.b32 %acc3, 0;" }, string(MissingFence)},
		"write between steps":       {func(p *productTest) { p.between = "add.f32 %acc3, %f1, %f1;" }, string(RegisterInFlight)},
		"no wait":                   {func(p *productTest) { p.wait = "\t" }, string(RegisterInFlight)},
		"wait for the group before": {func(p *productTest) { p.wait = "wgmma.wait_group.sync.aligned 1;" }, string(RegisterInFlight)},
		"read early":                {func(p *productTest) { p.between = "add.f32 %f2, %acc2, %f1;" }, string(RegisterInFlight)},
		"other registers between":   {func(p *productTest) { p.between = "add.f32 %f2, %f1, %f1;" }, ""},
		"no commit":                 {func(p *productTest) { p.wait = "ret;" }, string(LeakedProduct)},
		"A changed early":           {func(p *productTest) { p.registers, p.between = true, "add.s32 %a1, %r1, 1;" }, string(RegisterInFlight)},
		"operand overwritten early": {func(p *productTest) { p.between = "st.shared.u32 [%r1+64], %tid;" }, string(Race)},
		"operand overwritten": {func(p *productTest) {
			p.after = "bar.sync 0; setp.ne.s32 %p3, %tid, 0; @!%p3 st.shared.u32 [%r1+64], %tid;"
		}, ""},
		"operand beyond shared":      {func(p *productTest) { p.before = "or.b64 %desc1, %desc1, 0x3fff;" }, string(OutOfBounds)},
		"descriptor with other bits": {func(p *productTest) { p.descriptorMask = 1 << 14 }, string(BadDescriptor)},
		"descriptors differ by lane": {func(p *productTest) { p.before = "cvt.u64.u32 %d9, %tid; add.s64 %desc2, %desc2, %d9;" }, string(Divergent)},
		"descriptors differ by warp": {func(p *productTest) {
			p.before = "shr.u32 %r9, %tid, 5; cvt.u64.u32 %d9, %r9; add.s64 %desc2, %desc2, %d9;"
		}, string(Divergent)},
		"a warp does not take part":  {func(p *productTest) { p.before = "setp.lt.s32 %p4, %tid, 96; @!%p4 ret;" }, string(Deadlock)},
		"a lane does not take part":  {func(p *productTest) { p.before = "setp.eq.s32 %p4, %tid, 96; @%p4 ret;" }, string(Divergent)},
		"scale-d differs between":    {func(p *productTest) { p.between = "setp.lt.s32 %p2, %tid, 3;" }, ""},
		"a register moved in flight": {func(p *productTest) { p.between = "mov.b32 %r20, %acc2;" }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for _, o := range orders(2) {
				p := base
				c.change(&p)
				p = p.withDefaults()
				_, err := p.run(t, o)
				if got := kinds(err); c.want == "" && err != nil || !strings.Contains(got, c.want) {
					t.Errorf("completion %d, seed %d: %s, want %q", o.Copies, o.Seed, got, c.want)
				}
			}
		})
	}
}

func BenchmarkProduct(b *testing.B) {
	for _, checks := range []bool{true, false} {
		b.Run(fmt.Sprintf("m64n128k16/checks=%v", checks), func(b *testing.B) {
			p := productTest{n: 128, layoutA: operandLayout{128, false}, layoutB: operandLayout{128, false}, steps: 4}.withDefaults()
			bytesA, bytesB := 64*64*2, 128*64*2
			const loops = 64
			text := strings.Replace(p.text(bytesA, bytesB), "\twgmma.fence.sync.aligned;", "\tmov.u32 %r30, 0;\nLOOP:\n\twgmma.fence.sync.aligned;", 1)
			text = strings.Replace(text, p.wait, fmt.Sprintf("%s\n\tadd.s32 %%r30, %%r30, 1; setp.lt.s32 %%p9, %%r30, %d; @%%p9 bra LOOP;", p.wait, loops), 1)
			m := machine{threads: 128, shared: bytesA + bytesB + 2048, in: make([]byte, bytesA+bytesB), outBytes: 128 * 4 * 64, options: Options{NoChecks: !checks}}
			n := 0
			for b.Loop() {
				if _, err := m.run(b, text); err != nil {
					b.Fatal(err)
				}
				n += loops * p.steps
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(n), "µs/wgmma")
		})
	}
}
