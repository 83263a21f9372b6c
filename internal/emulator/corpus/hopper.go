package corpus

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// hopperPrograms are the other forms of sm_90.
func hopperPrograms() []*Program {
	r := random(24)
	return []*Program{
		storeMatrix(&r), elect(), fences(), comparePairs(&r), compareHalf(&r), convertSmall(&r), convertFromSmall(),
	}
}

// storeMatrix runs every stmatrix, to rows of 16 bytes in no order.
func storeMatrix(r *random) *Program {
	const region = 16 * warpLanes
	b := onHopper("store_matrix", warpLanes)
	forms := expand("stmatrix.sync.aligned.m8n8.{x1,x2,x4}{,.trans}.shared.b16")
	b.images(region * len(forms))
	registers := make([]uint32, 4*warpLanes)
	for i := range registers {
		registers[i] = uint32(r.next())
	}
	b.address("%d33", b.input(words32(registers)), "%r1", 16)
	b.lines(`
		ld.global.v4.b32 {%r54, %r55, %r56, %r57}, [%d33];
		mad.lo.s32 %r42, %r1, 21, 5;
		and.b32 %r42, %r42, 31;
		mad.lo.s32 %r42, %r42, 16, %r40;
		bar.sync 0;`)
	names := []string{"%r54", "%r55", "%r56", "%r57"}
	for i, form := range forms {
		n := int(form[len("stmatrix.sync.aligned.m8n8.x")] - '0')
		b.line("%s [%%r42+%d], {%s};", form, region*i, strings.Join(names[:n], ", "))
	}
	b.line("bar.sync 0;")
	for i, form := range forms {
		n := int(form[len("stmatrix.sync.aligned.m8n8.x")] - '0')
		image := unwritten(region)
		for lane := range 8 * n {
			row := image[(lane*21+5)%32*16:]
			for column := range 8 {
				x, y := lane%8, column
				if strings.Contains(form, ".trans") {
					x, y = y, x
				}
				word := registers[4*(4*x+y/2)+lane/8]
				binary.LittleEndian.PutUint16(row[2*column:], uint16(word>>(16*(y%2))))
			}
		}
		b.dump(form, region*i, image)
	}
	return b.finish()
}

// elect has a warp elect one of all its lanes and one of a part. Which one is the chip's to say.
func elect() *Program {
	b := onHopper("elect", warpLanes)
	for _, mask := range []uint32{0xffffffff, 0xffff0000, 0x00f0f000, 0x80000000} {
		guard := ""
		if mask != 0xffffffff {
			b.line("shr.u32 %%r42, %#x, %%r1;", mask)
			b.line("and.b32 %%r42, %%r42, 1;")
			b.line("setp.ne.u32 %%p8, %%r42, 0;")
			guard = "@%p8 "
		}
		b.line("mov.u32 %%r20, 77;")
		b.line("setp.ne.u32 %%p20, %%r1, %%r1;")
		b.line("%select.sync %%r20|%%p20, %#x;", guard, mask)
		b.store(32, "%r20", Output{Name: fmt.Sprintf("elected of %#x", mask), Size: 4, Count: warpLanes})
		b.store(1, "%p20", Output{Name: fmt.Sprintf("whether elected of %#x", mask), Size: 4, Count: warpLanes})
	}
	return b.finish()
}

// registerPrograms are last: a device that gave a kernel fewer registers than it asks for would wait forever.
func registerPrograms() []*Program { return []*Program{registerCounts()} }

// registerCounts moves registers between the warpgroups of a block.
func registerCounts() *Program {
	b := onHopper("register_counts", 384)
	b.directives = "\n.maxntid 384, 1, 1\n.minnctapersm 1"
	b.lines(`
		mul.lo.s32 %r42, %r1, 0x9e3779b1;
		setp.lt.u32 %p8, %r1, 128;
		@%p8 bra few;
		setmaxnreg.inc.sync.aligned.u32 240;
		xor.b32 %r43, %r42, 0x55555555;
		setmaxnreg.dec.sync.aligned.u32 160;
		bra.uni over;
		few:
		setmaxnreg.dec.sync.aligned.u32 24;
		add.s32 %r43, %r42, 12345;
		setmaxnreg.inc.sync.aligned.u32 152;
		over:
		bar.sync 0;`)
	b.store(32, "%r43", Output{Name: "setmaxnreg", Size: 4, Count: 384, Want: func(i int) uint64 {
		x := uint32(i) * 0x9e3779b1
		if i < 128 {
			return uint64(x + 12345)
		}
		return uint64(x ^ 0x55555555)
	}})
	return b.finish()
}

// fences are what orders, and what only hints, around stores that other threads read.
func fences() *Program {
	b := onHopper("fences", 128)
	b.images(4 * 128)
	b.mbarriers(1)
	b.line("mad.lo.s32 %%r41, %%r1, 4, %%r40;")
	b.line("xor.b32 %%r43, %%r1, 37;")
	b.line("mad.lo.s32 %%r43, %%r43, 4, %%r40;")
	for i, form := range expand("fence{.proxy.async,.proxy.async.global,.proxy.async.shared::cta,.mbarrier_init.release.cluster,.acq_rel.cta,.acq_rel.cluster,.acq_rel.gpu,.sc.gpu,.sc.cta,.acq_rel.sys}") {
		b.line("add.s32 %%r42, %%r0, %d;", 1000*i)
		b.line("st.shared.b32 [%%r41], %%r42;")
		b.line("%s;", form)
		b.line("bar.sync 0;")
		b.line("ld.shared.b32 %%r20, [%%r43];")
		b.store(32, "%r20", Output{Name: form, Size: 4, Count: 128, Want: func(thread int) uint64 { return uint64(thread ^ 37 + 1000*i) }})
		b.line("bar.sync 0;")
	}
	b.lines(`
		griddepcontrol.launch_dependents;
		griddepcontrol.wait;
		prefetch.global.L2 [%d0];
		nanosleep.u32 20;`)
	b.store(32, "%r0", Output{Name: "griddepcontrol", Size: 4, Count: 128, Want: func(i int) uint64 { return uint64(i) }})
	return b.finish()
}

// comparisons of floats by name; those that end in u hold for NaN too.
var comparisons = map[string]func(a, b float64) bool{
	"eq": func(a, b float64) bool { return a == b }, "equ": func(a, b float64) bool { return !(a < b || a > b) },
	"ne": func(a, b float64) bool { return a < b || a > b }, "neu": func(a, b float64) bool { return a != b },
	"lt": func(a, b float64) bool { return a < b }, "ltu": func(a, b float64) bool { return !(a >= b) },
	"le": func(a, b float64) bool { return a <= b }, "leu": func(a, b float64) bool { return !(a > b) },
	"gt": func(a, b float64) bool { return a > b }, "gtu": func(a, b float64) bool { return !(a <= b) },
	"ge": func(a, b float64) bool { return a >= b }, "geu": func(a, b float64) bool { return !(a < b) },
	"num": func(a, b float64) bool { return a == a && b == b }, "nan": func(a, b float64) bool { return a != a || b != b },
}

const comparisonNames = "{eq,ne,lt,le,gt,ge,equ,neu,ltu,leu,gtu,geu,num,nan}"

// pairs are operands of two halves each.
func pairs(r *random) columns {
	values := halves(r)[0][:28]
	c := combine(2, values, 28*28, r.next)
	for i := range c {
		for j := range c[i] {
			c[i][j] = c[i][j]&0xffff | c[i][(j*5+3)%len(c[i])]<<16
		}
	}
	return c
}

// comparePairs runs setp on two halves at once, into two predicates.
func comparePairs(r *random) *Program {
	b := newBuilder("compare_pairs")
	b.program.Target = hopper
	c := pairs(r)
	rows := len(c[0])
	b.program.Blocks = rows / blockThreads
	b.perThread()
	for i, column := range c {
		b.address("%d30", b.input(words64(column)), "%r0", 8)
		b.line("ld.global.b32 %%r%d, [%%d30];", 8+i)
	}
	b.compare("f16", fp16, c)
	b.compare("bf16", bf16, c)
	return b.finish()
}

func (b *builder) compare(typ string, h halfFormat, c columns) {
	for _, form := range expand("setp." + comparisonNames + "." + typ + "x2") {
		holds := comparisons[strings.Split(form, ".")[1]]
		b.line("%s %%p20|%%p21, %%r8, %%r9;", form)
		b.lines(`
			selp.b32 %r20, 1, 0, %p20;
			selp.b32 %r21, 2, 0, %p21;
			or.b32 %r20, %r20, %r21;`)
		b.store(32, "%r20", Output{Name: form, Size: 4, Count: len(c[0]), Want: func(i int) uint64 {
			x, y := c[0][i], c[1][i]
			return truth(holds(h.value(x&0xffff), h.value(y&0xffff))) | truth(holds(h.value(x>>16), h.value(y>>16)))<<1
		}})
	}
}

func compareHalf(r *random) *Program {
	var cases []laneCase
	for _, typ := range []string{"f16", "bf16"} {
		h := map[string]halfFormat{"f16": fp16, "bf16": bf16}[typ]
		for _, form := range expand("setp." + comparisonNames + "." + typ) {
			holds := comparisons[strings.Split(form, ".")[1]]
			cases = append(cases, laneCase{forms: form, want: func(x args) uint64 { return truth(holds(h.value(x[0]), h.value(x[1]))) }})
		}
	}
	return lanewise{name: "compare_half", target: hopper, operands: pairs(r), cases: cases}.program()
}

// convertSmall rounds to fp8: the first operand becomes the upper byte.
func convertSmall(r *random) *Program {
	values := append([]uint64{}, specialsFloat...)
	for _, f := range []smallFormat{e4m3, e5m2} {
		for code := range uint64(0x7f) {
			x, y := f.value(code), f.value(code+1)
			if y-x > 0 {
				for _, part := range []float64{0, 0.4375, 0.5, 0.5625} {
					values = append(values, floatBits(float32(x+part*(y-x))))
				}
			}
		}
	}
	for _, x := range []float32{447, 448, 449, 464, 465, 480, 57344, 61439, 61440, 61441, 65536, 1e9, 0x1p-10, 0x1.000002p-10, 0x1p-17, 0x1.000002p-17} {
		values = append(values, floatBits(x), floatBits(-x))
	}
	draw := spread(r)
	c := combine(1, values, len(values)+256, draw)
	second := append(append([]uint64{}, c[0][37:]...), c[0][:37]...)
	for i := range second {
		second[i] ^= 0x80000000
	}
	encode := func(f smallFormat) func(x args) uint64 {
		return func(x args) uint64 { return f.round(float64(x.f32(0)))<<8 | f.round(float64(x.f32(1))) }
	}
	return lanewise{name: "convert_small", target: hopper, operands: columns{c[0], second}, cases: []laneCase{
		{forms: "cvt.rn.satfinite.e4m3x2.f32", want: encode(e4m3)},
		{forms: "cvt.rn.satfinite.e5m2x2.f32", want: encode(e5m2)},
	}}.program()
}

// convertFromSmall decodes every fp8 value.
func convertFromSmall() *Program {
	c := make(columns, 1)
	for i := range uint64(256) {
		c[0] = append(c[0], i|(i*37+11)&0xff<<8)
	}
	decode := func(f smallFormat) func(x args) uint64 {
		return func(x args) uint64 {
			return fp16.round(float32(f.value(x[0]&0xff))) | fp16.round(float32(f.value(x[0]>>8&0xff)))<<16
		}
	}
	return lanewise{name: "convert_from_small", target: hopper, operands: c, cases: []laneCase{
		{forms: "cvt.rn.f16x2.e4m3x2", rule: Float16x2, want: decode(e4m3)},
		{forms: "cvt.rn.f16x2.e5m2x2", rule: Float16x2, want: decode(e5m2)},
	}}.program()
}
