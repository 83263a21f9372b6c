package corpus

import (
	"fmt"
	"math"
	"strings"
)

// Threads of a warpgroup, and rows of A that it multiplies.
const (
	warpgroup    = 128
	warpgroupM   = 64
	tileAlign    = 1024
	tileSlack    = 32 << 10 // shared memory behind the operands, so that a layout that is wrong reads what is there
	productStart = 64       // the first register of the accumulators
)

// tileProduct is D = ±A·B + D by wgmma, over some instructions along K.
type tileProduct struct {
	n          int
	d          string // f32 or f16; f32 where empty
	a, b       string // types; B is A's where empty
	layoutA    tileLayout
	layoutB    tileLayout
	registers  bool // A comes from registers
	steps      int
	negateA    bool
	negateB    bool
	accumulate bool    // onto numbers, else onto nothing
	real       bool    // elements are about N(0, 1), else small integers
	scale      float64 // of the numbers that are accumulated onto; 1 where it is 0
	spread     int     // so many binary orders up and down, among which real elements lie
	special    bool    // some elements are subnormal, infinities and NaNs
	groups     bool    // every instruction is a group of its own, and the results are read when all are complete
}

var (
	alongK   = tileLayout{128, false}
	alongMN  = tileLayout{128, true}
	alongK64 = tileLayout{64, false}
	alongK32 = tileLayout{32, false}
	plainK   = tileLayout{0, false}
	plainMN  = tileLayout{0, true}
)

// productPrograms are wgmma: shapes, layouts, types and signs.
func productPrograms() []*Program {
	r := random(20)
	sizes := []int{8, 64, 96, 128, 176, 256}
	each := func(f func(i, n int) tileProduct) (all []tileProduct) {
		for i, n := range sizes {
			all = append(all, f(i, n))
		}
		return all
	}
	layouts := func(n int, layouts ...tileLayout) (all []tileProduct) {
		for i, l := range layouts {
			all = append(all, tileProduct{n: n, a: "bf16", layoutA: alongK, layoutB: l, steps: 4, accumulate: i%2 == 0},
				tileProduct{n: n, a: "f16", layoutA: l, layoutB: alongK, steps: 2, accumulate: i%2 == 1})
		}
		return all
	}
	signs := func(a, b bool) tileProduct {
		return tileProduct{n: 24, a: "bf16", layoutA: alongK, layoutB: alongMN, steps: 2, negateA: a, negateB: b, accumulate: true}
	}
	return []*Program{
		multiplyTiles(&r, "wgmma_bf16", each(func(i, n int) tileProduct {
			return tileProduct{n: n, a: "bf16", layoutA: alongK, layoutB: alongK, steps: 4, accumulate: i%2 == 1}
		})),
		multiplyTiles(&r, "wgmma_transposed", each(func(i, n int) tileProduct {
			return tileProduct{n: n, a: []string{"bf16", "f16"}[i%2], layoutA: alongK, layoutB: alongMN, steps: 4, accumulate: i/2%2 == 1}
		})),
		multiplyTiles(&r, "wgmma_registers", each(func(i, n int) tileProduct {
			return tileProduct{n: n, a: []string{"bf16", "f16"}[i/2%2], registers: true, layoutB: []tileLayout{alongK, alongMN}[i%2], steps: 3, accumulate: i/2%2 == 1}
		})),
		multiplyTiles(&r, "wgmma_regions", []tileProduct{ // panels of 64 columns and an operand along M
			{n: 64, a: "bf16", layoutA: alongK, layoutB: alongK, steps: 8},
			{n: 128, a: "bf16", layoutA: alongMN, layoutB: alongMN, steps: 4, accumulate: true},
			{n: 256, a: "f16", layoutA: alongMN, layoutB: alongK, steps: 8},
			{n: 192, a: "f16", registers: true, layoutB: alongMN, steps: 5},
		}),
		multiplyTiles(&r, "wgmma_swizzle", layouts(64, alongK64, alongK32, tileLayout{64, true}, tileLayout{32, true})),
		multiplyTiles(&r, "wgmma_swizzle_wide", layouts(176, alongK64, alongK32, tileLayout{64, true}, tileLayout{32, true})),
		multiplyTiles(&r, "wgmma_signs", []tileProduct{signs(false, false), signs(true, false), signs(false, true), signs(true, true)}),
		multiplyTiles(&r, "wgmma_half", []tileProduct{
			{n: 8, d: "f16", a: "f16", layoutA: alongK, layoutB: alongK, steps: 4},
			{n: 64, d: "f16", a: "f16", layoutA: alongMN, layoutB: alongMN, steps: 2, accumulate: true},
			{n: 256, d: "f16", a: "f16", registers: true, layoutB: alongMN, steps: 2, accumulate: true},
		}),
		multiplyTiles(&r, "wgmma_fp8", []tileProduct{
			{n: 8, a: "e4m3", layoutA: alongK, layoutB: alongK, steps: 4},
			{n: 64, a: "e4m3", b: "e5m2", layoutA: alongK, layoutB: alongK64, steps: 4, accumulate: true},
			{n: 128, a: "e5m2", b: "e4m3", registers: true, layoutB: alongK, steps: 8},
			{n: 96, a: "e5m2", layoutA: alongK32, layoutB: alongK, steps: 2, accumulate: true},
			{n: 64, d: "f16", a: "e4m3", layoutA: alongK, layoutB: alongK, steps: 2, accumulate: true},
			{n: 32, d: "f16", a: "e5m2", b: "e4m3", registers: true, layoutB: alongK, steps: 1},
		}),
		multiplyTiles(&r, "wgmma_rounding", []tileProduct{
			{n: 32, a: "bf16", layoutA: alongK, layoutB: alongK, steps: 4, real: true},
			{n: 32, a: "f16", layoutA: alongK, layoutB: alongMN, steps: 1, accumulate: true, real: true},
			{n: 32, a: "e4m3", layoutA: alongK, layoutB: alongK, steps: 1, real: true},
			{n: 32, a: "e5m2", layoutA: alongK, layoutB: alongK, steps: 4, accumulate: true, real: true},
			{n: 16, a: "bf16", layoutA: alongK, layoutB: alongK, steps: 1, accumulate: true, real: true, scale: 0x1p-12},
			{n: 16, a: "bf16", layoutA: alongK, layoutB: alongK, steps: 2, accumulate: true, real: true, scale: 0x1p10},
			{n: 16, a: "f16", layoutA: alongK, layoutB: alongK, steps: 1, accumulate: true, real: true, scale: 0x1p20},
			{n: 16, a: "bf16", layoutA: alongK, layoutB: alongK, steps: 1, real: true, spread: 10},
			{n: 16, a: "f16", registers: true, layoutB: alongMN, steps: 2, real: true, spread: 5},
			{n: 16, a: "e4m3", layoutA: alongK, layoutB: alongK, steps: 1, accumulate: true, real: true, scale: 0x1p10, spread: 3},
			{n: 16, d: "f16", a: "f16", layoutA: alongK, layoutB: alongK, steps: 4, accumulate: true, real: true, scale: 0x1p-3},
			{n: 16, d: "f16", a: "e5m2", layoutA: alongK, layoutB: alongK, steps: 1, real: true},
		}),
		multiplyTiles(&r, "wgmma_special", []tileProduct{
			{n: 32, a: "bf16", layoutA: alongK, layoutB: alongK, steps: 1, real: true, special: true},
			{n: 32, a: "f16", layoutA: alongK, layoutB: alongK, steps: 1, accumulate: true, real: true, special: true},
			{n: 32, a: "e4m3", layoutA: alongK, layoutB: alongK, steps: 1, real: true, special: true},
			{n: 32, a: "e5m2", layoutA: alongK, layoutB: alongK, steps: 1, real: true, special: true},
		}),
		multiplyTiles(&r, "wgmma_groups", []tileProduct{
			{n: 64, a: "bf16", layoutA: alongK, layoutB: alongK, steps: 4, groups: true},
			{n: 64, a: "f16", registers: true, layoutB: alongMN, steps: 4, groups: true, accumulate: true},
		}),
		multiplyTiles(&r, "wgmma_plain", []tileProduct{
			{n: 64, a: "bf16", layoutA: plainK, layoutB: plainK, steps: 4},
			{n: 96, a: "f16", registers: true, layoutB: plainK, steps: 2, accumulate: true},
			{n: 64, a: "e4m3", layoutA: plainK, layoutB: plainK, steps: 2},
		}),
		multiplyTiles(&r, "wgmma_plain_transposed", []tileProduct{
			{n: 64, a: "bf16", layoutA: alongK, layoutB: plainMN, steps: 4},
			{n: 64, a: "f16", layoutA: plainMN, layoutB: alongK, steps: 2, accumulate: true},
			{n: 96, a: "f16", registers: true, layoutB: plainMN, steps: 2},
		}),
	}
}

// numberFormat encodes the elements of operands.
type numberFormat struct {
	bytes  int
	encode func(x float64) uint64
	value  func(bits uint64) float64
	// specials are subnormal numbers, the largest ones, infinities and NaNs.
	specials []uint64
}

var numberFormats = map[string]numberFormat{
	"bf16": {2, func(x float64) uint64 { return bf16.round(float32(x)) }, bf16.value, []uint64{1, 0x807f, 0x40, 0x0080, 0x8000, 0x5f7f, 0x7f80, 0xff80, 0x7fc0}},
	"f16":  {2, func(x float64) uint64 { return fp16.round(float32(x)) }, fp16.value, []uint64{1, 0x83ff, 0x200, 0x0400, 0x8000, 0x7bff, 0x7c00, 0xfc00, 0x7e00}},
	"e4m3": {1, e4m3.round, e4m3.value, []uint64{1, 0x87, 4, 8, 0x80, 0x7e, 0xfe, 0x7f, 0xff}},
	"e5m2": {1, e5m2.round, e5m2.value, []uint64{1, 0x83, 2, 4, 0x80, 0x7b, 0x7c, 0xfc, 0x7e}},
}

// operands are the elements of a product: A by row and B by column, and then along K.
type operands struct {
	a, b [][]uint64
}

func (p *tileProduct) k() int { return p.steps * 32 / numberFormats[p.a].bytes }

func (p *tileProduct) tiles() (a, b tile) {
	bytes := numberFormats[p.a].bytes
	return tile{p.layoutA, warpgroupM, p.k(), bytes}, tile{p.layoutB, p.n, p.k(), bytes}
}

func (p *tileProduct) draw(r *random) (o operands) {
	number := func() float64 { return float64(r.below(7) - 3) }
	if p.real {
		number = func() float64 {
			x := r.normal()
			if p.spread > 0 {
				x = math.Ldexp(x, r.below(2*p.spread)-p.spread)
			}
			return x
		}
	}
	fill := func(rows int, f numberFormat) [][]uint64 {
		all := make([][]uint64, rows)
		for i := range all {
			for range p.k() {
				x := f.encode(number())
				if p.special && r.below(40) == 0 {
					x = f.specials[r.below(len(f.specials))]
				}
				all[i] = append(all[i], x)
			}
		}
		return all
	}
	return operands{fill(warpgroupM, numberFormats[p.a]), fill(p.n, numberFormats[p.b])}
}

// before is what an accumulator's element holds: of an instruction's register, and of its low or high half.
func (p *tileProduct) before(register, half int) float64 {
	switch {
	case !p.accumulate:
		return 0
	case p.scale != 0:
		return p.scale * (1 + float64(register*37%64)/64) * float64(1-register%2*2)
	case p.d == "f16":
		return float64(2*register + half + 1)
	}
	return float64(register + 1)
}

// near is the exact element of D and the error that it may have: the package's comment says which.
func (p *tileProduct) near(o operands, row, column int, before float64) Near {
	sum, magnitudes := before, math.Abs(before)
	for k, x := range o.a[row] {
		product := numberFormats[p.a].value(x) * numberFormats[p.b].value(o.b[column][k])
		magnitudes += math.Abs(product)
		if p.negateA != p.negateB {
			product = -product
		}
		sum += product
	}
	if !p.real {
		return Near{Value: sum}
	}
	if math.IsNaN(sum) || math.IsInf(sum, 0) {
		return Near{Value: sum}
	}
	unit := 18 * 0x1p-23
	switch {
	case p.d == "f16":
		unit = 0x1p-9
	case numberFormats[p.a].bytes == 1:
		unit = 34 * 0x1p-13
	}
	return Near{Value: sum, Error: float64(p.steps) * max(unit*magnitudes, 0x1p-140)}
}

// multiplyTiles runs products one after another on a warpgroup. The operands' images are copied to shared memory as they
// are.
func multiplyTiles(r *random, name string, products []tileProduct) *Program {
	b := onHopper(name, warpgroup)
	b.tiles()
	b.lines(`
		mad.lo.s32 %r41, %r1, 16, %r40;`)
	for i := range products {
		p := &products[i]
		if p.b == "" {
			p.b = p.a
		}
		if p.d == "" {
			p.d = "f32"
		}
		b.product(r, p, i)
	}
	b.program.SharedBytes += tileAlign + tileSlack
	return b.finish()
}

// tiles makes %r40 the address of dynamic shared memory, rounded up to tileAlign.
func (b *builder) tiles() {
	b.declare(".extern .shared .align 1024 .b8 dynamic[];")
	b.lines(`
		mov.u32 %r40, dynamic;
		add.s32 %r40, %r40, 1023;
		and.b32 %r40, %r40, -1024;`)
}

// product adds one.
func (b *builder) product(r *random, p *tileProduct, number int) {
	o := p.draw(r)
	tileA, tileB := p.tiles()
	var image []byte
	if !p.registers {
		image = tileA.image(func(i, j int) uint64 { return o.a[i][j] })
	}
	offsetB := len(image)
	image = append(image, tileB.image(func(i, j int) uint64 { return o.b[i][j] })...)
	image = append(image, make([]byte, -len(image)&(16*warpgroup-1))...) // every round of the copy is whole
	b.program.SharedBytes = max(b.program.SharedBytes, len(image))
	b.address("%d30", b.input(image), "%r1", 16)
	b.line("bar.sync 0;") // the operands before are no longer read
	b.lines(fmt.Sprintf(`
		mov.u32 %%r42, 0;
		fill%[1]d:
		ld.global.v4.b32 {%%r50, %%r51, %%r52, %%r53}, [%%d30];
		add.s32 %%r43, %%r41, %%r42;
		st.shared.v4.b32 [%%r43], {%%r50, %%r51, %%r52, %%r53};
		add.s64 %%d30, %%d30, %[2]d;
		add.s32 %%r42, %%r42, %[2]d;
		setp.lt.u32 %%p8, %%r42, %[3]d;
		@%%p8 bra fill%[1]d;
		fence.proxy.async.shared::cta;
		bar.sync 0;`, number, 16*warpgroup, len(image)))
	if p.registers {
		b.address("%d31", b.input(p.fragments(o)), "%r1", 16)
		for step := range p.steps {
			a := 200 + 4*step
			b.line("ld.global.v4.b32 {%%r%d, %%r%d, %%r%d, %%r%d}, [%%d31+%d];", a, a+1, a+2, a+3, 16*warpgroup*step)
		}
	}
	count := p.n / 2
	if p.d == "f16" {
		count = p.n / 4
	}
	var accumulators []string
	for i := range count {
		accumulators = append(accumulators, fmt.Sprintf("%%r%d", productStart+i))
		if !p.accumulate {
			continue
		}
		bits := floatBits(float32(p.before(i, 0)))
		if p.d == "f16" {
			bits = fp16.round(float32(p.before(i, 0))) | fp16.round(float32(p.before(i, 1)))<<16
		}
		b.line("mov.b32 %%r%d, %#x;", productStart+i, bits)
	}
	b.line("setp.eq.b32 %%p10, 1, %d;", truth(p.accumulate))
	b.line("setp.eq.b32 %%p11, 1, 1;")
	describe := func(register string, t tile, offset int) {
		b.lines(fmt.Sprintf(`
			add.s32 %%r45, %%r40, %d;
			shr.u32 %%r45, %%r45, 4;
			cvt.u64.u32 %[2]s, %%r45;
			or.b64 %[2]s, %[2]s, %#[3]x;`, offset, register, t.descriptor()))
	}
	k := 32 / numberFormats[p.a].bytes
	form := fmt.Sprintf("wgmma.mma_async.sync.aligned.m64n%dk%d.%s.%s.%s", p.n, k, p.d, p.a, p.b)
	for step := range p.steps {
		if !p.registers {
			describe(fmt.Sprintf("%%d%d", 60+2*step), tileA, tileA.step(step))
		}
		describe(fmt.Sprintf("%%d%d", 61+2*step), tileB, offsetB+tileB.step(step))
	}
	b.line("wgmma.fence.sync.aligned;")
	sign := map[bool]int{false: 1, true: -1}
	transposed := map[bool]int{true: 1}
	for step := range p.steps {
		a := fmt.Sprintf("%%d%d", 60+2*step)
		if p.registers {
			a = fmt.Sprintf("{%%r%d, %%r%d, %%r%d, %%r%d}", 200+4*step, 201+4*step, 202+4*step, 203+4*step)
		}
		flags := fmt.Sprintf("%d, %d", sign[p.negateA], sign[p.negateB])
		if k == 16 {
			if !p.registers {
				flags += fmt.Sprintf(", %d", transposed[p.layoutA.major])
			}
			flags += fmt.Sprintf(", %d", transposed[p.layoutB.major])
		}
		b.line("%s {%s}, %s, %%d%d, %%p%d, %s;", form, strings.Join(accumulators, ", "), a, 61+2*step, 10+min(step, 1), flags)
		if p.groups && step < p.steps-1 {
			b.line("wgmma.commit_group.sync.aligned;")
		}
	}
	b.line("wgmma.commit_group.sync.aligned;")
	if p.groups {
		b.line("wgmma.wait_group.sync.aligned 1;")
	}
	b.line("wgmma.wait_group.sync.aligned 0;")
	at := b.output(p.output(form, o, count))
	for i, register := range accumulators {
		if p.d == "f16" && p.real {
			b.line("mov.b32 {%%h8, %%h9}, %s;", register)
			for half := range 2 {
				b.line("cvt.f32.f16 %%r50, %%h%d;", 8+half)
				b.line("st.global.b32 [%%d41+%d], %%r50;", at+4*warpgroup*(2*i+half))
			}
			continue
		}
		b.line("st.global.b32 [%%d41+%d], %s;", at+4*warpgroup*i, register)
	}
}

// output is the accumulators, by register and then by thread: thread 4g+q of a warp holds, of rows g and g+8 of the warp's
// 16, the columns 2q and 2q+1 of each 8.
func (p *tileProduct) output(form string, o operands, count int) Output {
	place := func(i, half int) (row, column int, before float64) {
		register, thread := i/warpgroup, i%warpgroup
		row = thread/warpLanes*16 + thread%warpLanes/4
		column = thread % 4 * 2
		if p.d == "f16" {
			return row + register%2*8, column + register/2*8 + half, p.before(register, half)
		}
		return row + register/2%2*8, column + register/4*8 + register%2, p.before(register, 0)
	}
	near := func(i, half int) Near {
		row, column, before := place(i, half)
		return p.near(o, row, column, before)
	}
	from := fmt.Sprintf("%v", p.layoutA)
	if p.registers {
		from = "registers"
	}
	out := Output{Name: fmt.Sprintf("%s, %s by %v", form, from, p.layoutB), Size: 4, Count: count * warpgroup}
	switch {
	case p.d == "f16" && p.real: // as float32, by register, half and thread
		out.Count *= 2
		out.Near = func(i int) Near {
			register, half, thread := i/(2*warpgroup), i/warpgroup%2, i%warpgroup
			return near(register*warpgroup+thread, half)
		}
	case p.d == "f16":
		out.Want = func(i int) uint64 {
			return fp16.round(float32(near(i, 0).Value)) | fp16.round(float32(near(i, 1).Value))<<16
		}
	case p.real:
		out.Near = func(i int) Near { return near(i, 0) }
	default:
		out.Want = func(i int) uint64 { return floatBits(float32(near(i, 0).Value)) }
	}
	return out
}

func (l tileLayout) String() string {
	along := "K"
	if l.major {
		along = "MN"
	}
	return fmt.Sprintf("%s/%d", along, l.swizzle)
}

// fragments are the registers of A, 4 for each thread and instruction: of rows g and g+8, the elements that lie in the 4
// bytes q of each 16.
func (p *tileProduct) fragments(o operands) []byte {
	size := numberFormats[p.a].bytes
	per := 4 / size
	var all []uint32
	for step := range p.steps {
		for thread := range warpgroup {
			for i := range 4 {
				row := thread/warpLanes*16 + thread%warpLanes/4 + i%2*8
				k := step*32/size + thread%4*per + i/2*4*per
				var word uint32
				for j := range per {
					word |= uint32(o.a[row][k+j]) << (8 * size * j)
				}
				all = append(all, word)
			}
		}
	}
	return words32(all)
}
