package corpus

import (
	"math"
	"math/big"
)

// product is what one warp multiplies: D = A·B + C.
type product struct {
	a     [16][16]uint64 // encoded
	b     [16][8]uint64
	c     [16][8]float32
	exact bool // every partial sum is a float32
}

// multiply runs mma.m16n8k16, one product a block.
func multiply(r *random, name, form string, h halfFormat) *Program {
	products := products(r, h)
	b := newBuilder(name)
	b.program.Blocks, b.program.Threads = len(products), warpLanes
	var a, bs, c []uint32
	for i := range products {
		p := &products[i]
		for lane := range warpLanes {
			row, k := lane/4, lane%4*2
			for i := range 4 {
				at := p.a[row+i%2*8][k+i/2*8:]
				a = append(a, uint32(at[0]|at[1]<<16))
				c = append(c, math.Float32bits(p.c[row+i/2*8][k+i%2]))
			}
			for i := range 2 {
				bs = append(bs, uint32(p.b[k+8*i][row]|p.b[k+8*i+1][row]<<16))
			}
		}
	}
	b.address("%d30", b.input(words32(a)), "%r0", 16)
	b.address("%d31", b.input(words32(bs)), "%r0", 8)
	b.address("%d32", b.input(words32(c)), "%r0", 16)
	b.address("%d33", "%d0", "%r0", 16)
	b.lines(`
		ld.global.v4.b32 {%r10, %r11, %r12, %r13}, [%d30];
		ld.global.v2.b32 {%r14, %r15}, [%d31];
		ld.global.v4.f32 {%r16, %r17, %r18, %r19}, [%d32];`)
	b.line("%s {%%r20, %%r21, %%r22, %%r23}, {%%r10, %%r11, %%r12, %%r13}, {%%r14, %%r15}, {%%r16, %%r17, %%r18, %%r19};", form)
	at := b.output(Output{Name: form, Size: 4, Count: 4 * warpLanes * len(products), Near: func(i int) Near {
		lane := i / 4 % warpLanes
		return products[i/(4*warpLanes)].near(h, lane/4+i%4/2*8, lane%4*2+i%2)
	}})
	b.line("st.global.v4.f32 [%%d33+%d], {%%r20, %%r21, %%r22, %%r23};", at)
	return b.finish()
}

// near is the exact element of D and the error that the package's comment derives.
func (p *product) near(h halfFormat, row, column int) Near {
	var plain, magnitudes float64
	sum := new(big.Float).SetPrec(700)
	add := func(x float64) {
		plain += x
		magnitudes += math.Abs(x)
		if !math.IsNaN(x) && !math.IsInf(x, 0) {
			sum.Add(sum, big.NewFloat(x))
		}
	}
	add(float64(p.c[row][column]))
	for k := range 16 {
		add(h.value(p.a[row][k]) * h.value(p.b[k][column]))
	}
	if math.IsNaN(plain) || math.IsInf(plain, 0) {
		return Near{Value: plain}
	}
	v, _ := sum.Float64()
	if p.exact {
		return Near{Value: v}
	}
	return Near{Value: v, Error: max(18*0x1p-23*magnitudes, 2*math.SmallestNonzeroFloat32)}
}

// products are small integers, ordinary numbers, sums that cancel, accumulators far above and below the products,
// subnormal elements, and infinities and NaNs.
func products(r *random, h halfFormat) []product {
	normal := r.normal
	encode := func(x float64) uint64 { return h.round(float32(x)) }
	fill := func(a, b, c func(row, column int) float64) (p product) {
		for i := range 16 {
			for k := range 16 {
				p.a[i][k] = encode(a(i, k))
			}
			for j := range 8 {
				p.b[i][j] = encode(b(i, j))
				p.c[i][j] = float32(c(i, j))
			}
		}
		return p
	}
	draw := func(scale float64) func(int, int) float64 {
		return func(int, int) float64 { return scale * normal() }
	}
	spread := func(bits int) func(int, int) float64 {
		return func(int, int) float64 { return math.Ldexp(normal(), r.below(2*bits)-bits) }
	}
	var all []product
	add := func(p product, exact bool) {
		p.exact = exact
		all = append(all, p)
	}
	whole := func(limit int) func(int, int) float64 {
		return func(int, int) float64 { return float64(r.below(2*limit+1) - limit) }
	}
	counted := func(i, k int) float64 { return float64(16*i + k) }
	unit := func(i, j int) float64 {
		if i == j {
			return 1
		}
		return 0
	}
	zero := func(int, int) float64 { return 0 }
	add(fill(counted, unit, zero), true) // a layout that is wrong shows at once
	add(fill(func(i, k int) float64 { return unit(i, k) }, func(k, j int) float64 { return float64(8*k + j) }, counted), true)
	for range 2 {
		add(fill(whole(15), whole(15), whole(1<<20)), true)
	}
	for range 4 {
		add(fill(draw(1), draw(1), draw(1)), false)
	}
	for _, scale := range []float64{0x1p-24, 0x1p-12, 0x1p8, 0x1p20, 0x1p30} {
		add(fill(draw(1), draw(1), draw(scale)), false)
	}
	for _, bits := range []int{2, 5, 10} {
		add(fill(spread(bits), draw(1), spread(bits)), false)
	}
	cancel := fill(draw(1), draw(1), draw(0x1p-10)) // the second half of k takes the first away
	for i := range 16 {
		for k := range 8 {
			cancel.a[i][k+8] = cancel.a[i][k] ^ 0x8000
		}
		for j := range 8 {
			cancel.b[i/2*2+1][j] = cancel.b[i/2*2][j]
			cancel.b[(i+8)%16][j] = cancel.b[i][j]
		}
	}
	add(cancel, false)
	opposite := fill(draw(1), draw(1), zero) // the accumulator takes the products away
	for i := range 16 {
		for j := range 8 {
			opposite.c[i][j] = float32(-opposite.near(h, i, j).Value)
		}
	}
	add(opposite, false)
	tiny := fill(draw(1), draw(0x1p-9), draw(0x1p-30))
	for i := range 16 {
		for k := range 16 {
			tiny.a[i][k] &^= uint64(h.infinity()) // subnormal
		}
	}
	add(tiny, false)
	scale := math.Ldexp(1, min(12, -h.least)) // brings the products of subnormal elements back
	restored := fill(draw(1), draw(scale), zero)
	restored.a = tiny.a
	add(restored, false)
	if h == bf16 { // products that are subnormal in float32
		add(fill(draw(0x1p-70), draw(0x1p-68), draw(0x1p-138)), false)
	}
	wild := fill(whole(3), whole(3), draw(1))
	wild.a[0][3], wild.a[1][0], wild.a[2][15], wild.b[5][2], wild.b[9][3] = h.infinity(), h.infinity()|0x8000, h.infinity()|1, h.infinity(), h.infinity()+8
	wild.c[4][4], wild.c[5][5], wild.c[0][6] = float32(math.Inf(1)), float32(math.NaN()), float32(math.Inf(-1))
	add(wild, false)
	return all
}
