package corpus

import (
	"encoding/binary"
	"fmt"
)

// bulkPrograms are copies by the asynchronous proxy without tensor maps.
func bulkPrograms() []*Program {
	r := random(21)
	return []*Program{bulkLoad(&r), bulkStore(&r), bulkReduce(&r), reduceVector(&r)}
}

// maxWaits bounds how often a program looks at an mbarrier, waitTime for about how many nanoseconds each time: one that never
// completes must not hang the device.
const (
	maxWaits = 1000
	waitTime = 10_000
)

// mbarriers makes %r39 the address of mbarriers with these counts of arrivals.
func (b *builder) mbarriers(counts ...int) {
	b.declare(fmt.Sprintf(".shared .align 8 .b8 mbarriers[%d];", 8*len(counts)))
	b.line("mov.u32 %%r39, mbarriers;")
	b.line("setp.eq.u32 %%p7, %%r1, 0;") // the thread that does what one does
	for i, n := range counts {
		b.line("@%%p7 mbarrier.init.shared::cta.b64 [%%r39+%d], %d;", 8*i, n)
	}
	b.line("@%%p7 fence.mbarrier_init.release.cluster;")
	b.line("fence.proxy.async;")
	b.line("bar.sync 0;")
}

// await waits for a phase of an mbarrier, a bounded time.
func (b *builder) await(number, parity int) {
	b.waits++
	b.lines(fmt.Sprintf(`
		mov.u32 %%r47, %[3]d;
		mov.u32 %%r48, 0;
		mbarrier.try_wait.parity.shared::cta.b64 %%p9, [%%r39+%[2]d], %%r47;
		@%%p9 bra done%[1]d;
		mov.u32 %%r49, %[5]d;
		wait%[1]d:
		mbarrier.try_wait.parity.shared::cta.b64 %%p9, [%%r39+%[2]d], %%r47, %%r49;
		@%%p9 bra done%[1]d;
		add.s32 %%r48, %%r48, 1;
		setp.lt.u32 %%p9, %%r48, %[4]d;
		@%%p9 bra wait%[1]d;
		done%[1]d:`, b.waits, 8*number, parity, maxWaits, waitTime))
}

// eachChunk calls f for the thread's part of n bytes: 16 at its offset, again and again.
func (b *builder) eachChunk(n int, f func(guard string, offset int)) {
	step := 16 * b.program.Threads
	for offset := 0; offset < n; offset += step {
		guard := ""
		if rest := n - offset; rest < step {
			b.line("setp.lt.u32 %%p6, %%r1, %d;", rest/16)
			guard = "@%p6 "
		}
		f(guard, offset)
	}
}

// images makes %r40 the address of shared memory for n bytes, %r41 and %d32 the thread's part of it and of the outputs, and
// fills it with poison.
func (b *builder) images(n int) {
	b.tiles()
	b.program.SharedBytes = max(b.program.SharedBytes, n+tileAlign)
	b.line("mad.lo.s32 %%r41, %%r1, 16, %%r40;")
	b.address("%d32", "%d0", "%r1", 16)
	b.line("mov.b32 %%r50, %#x;", uint32(poisoned&0xffffffff))
	b.eachChunk(n, func(guard string, offset int) {
		b.line("%sst.shared.v4.b32 [%%r41+%d], {%%r50, %%r50, %%r50, %%r50};", guard, offset)
	})
}

// fill copies an input to shared memory.
func (b *builder) fill(at int, memory []byte) {
	b.address("%d33", b.input(memory), "%r1", 16)
	b.eachChunk(len(memory), func(guard string, offset int) {
		b.line("%sld.global.v4.b32 {%%r50, %%r51, %%r52, %%r53}, [%%d33+%d];", guard, offset)
		b.line("%sst.shared.v4.b32 [%%r41+%d], {%%r50, %%r51, %%r52, %%r53};", guard, at+offset)
	})
}

// dump copies shared memory, which should hold an image, to an output.
func (b *builder) dump(name string, at int, image []byte) {
	to := b.output(imageOutput(name, image))
	b.eachChunk(len(image), func(guard string, offset int) {
		b.line("%sld.shared.v4.b32 {%%r50, %%r51, %%r52, %%r53}, [%%r41+%d];", guard, at+offset)
		b.line("%sst.global.v4.b32 [%%d32+%d], {%%r50, %%r51, %%r52, %%r53};", guard, to+offset)
	})
}

// start copies an input to an output.
func (b *builder) start(to int, memory []byte) {
	b.address("%d33", b.input(memory), "%r1", 16)
	b.eachChunk(len(memory), func(guard string, offset int) {
		b.line("%sld.global.v4.b32 {%%r50, %%r51, %%r52, %%r53}, [%%d33+%d];", guard, offset)
		b.line("%sst.global.v4.b32 [%%d32+%d], {%%r50, %%r51, %%r52, %%r53};", guard, to+offset)
	})
}

func imageOutput(name string, image []byte) Output {
	return Output{Name: name, Size: 4, Count: len(image) / 4, Want: func(i int) uint64 { return uint64(binary.LittleEndian.Uint32(image[4*i:])) }}
}

// unwritten is n bytes of poison.
func unwritten(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = poison
	}
	return b
}

// move is a copy of some bytes.
type move struct{ to, from, bytes int }

var moves = []move{{0, 48, 16}, {32, 16, 32}, {128, 0, 240}, {512, 1008, 1040}, {2048, 2048, 2048}}

func bulkLoad(r *random) *Program {
	const n = 4096
	b := onHopper("bulk_load", 128)
	b.images(n)
	b.mbarriers(1, 1)
	memory := r.bytes(n)
	from := b.input(memory)
	total := 0
	for _, m := range moves {
		total += m.bytes
	}
	b.line("createpolicy.fractional.L2::evict_last.b64 %%d60, 1.0;")
	image := unwritten(n)
	for i, parity := range []int{0, 1} { // two phases of one mbarrier
		b.line("@%%p7 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%%r39], %d;", total)
		for j, m := range moves {
			hint, policy := "", ""
			if j%2 == i {
				hint, policy = ".L2::cache_hint", ", %d60"
			}
			source := (m.from + 16*i) % (n - m.bytes + 16)
			b.line("add.s32 %%r42, %%r40, %d;", m.to)
			b.line("@%%p7 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes%s [%%r42], [%s+%d], %d, [%%r39]%s;", hint, from, source, m.bytes, policy)
			copy(image[m.to:m.to+m.bytes], memory[source:])
		}
		b.await(0, parity)
		b.dump(fmt.Sprintf("cp.async.bulk to shared memory, phase %d", i), 0, append([]byte(nil), image...))
		b.line("fence.proxy.async;")
		b.line("bar.sync 0;")
	}
	return b.finish()
}

func bulkStore(r *random) *Program {
	const n = 4096
	b := onHopper("bulk_store", 128)
	b.images(n)
	b.mbarriers(1)
	memory := r.bytes(n)
	b.fill(0, memory)
	b.line("fence.proxy.async;")
	b.line("bar.sync 0;")
	image := unwritten(n)
	to := b.output(imageOutput("cp.async.bulk to global memory", image))
	for _, m := range moves {
		copy(image[m.to:m.to+m.bytes], memory[m.from:])
		b.line("add.s32 %%r42, %%r40, %d;", m.from)
		b.line("@%%p7 cp.async.bulk.global.shared::cta.bulk_group [%%d0+%d], [%%r42], %d;", to+m.to, m.bytes)
		b.line("@%%p7 cp.async.bulk.commit_group;")
	}
	b.line("cp.async.bulk.wait_group.read 1;")
	b.line("cp.async.bulk.wait_group 0;")
	return b.finish()
}

// sums are what a bulk reduction makes of two words of memory, by the type of its elements.
var sums = map[string]struct {
	rule Rule
	add  func(a, b uint64) uint64
}{
	"u32": {Bits, func(a, b uint64) uint64 { return (a + b) & 0xffffffff }},
	"f32": {Float32, func(a, b uint64) uint64 { return floatBits(float(a) + float(b)) }}, // subnormals stay
	"noftz.f16": {Float16x2, func(a, b uint64) uint64 {
		return fp16.sum(a&0xffff, b&0xffff) | fp16.sum(a>>16, b>>16)<<16
	}},
	"noftz.bf16": {BFloat16x2, func(a, b uint64) uint64 {
		return bf16.sum(a&0xffff, b&0xffff) | bf16.sum(a>>16, b>>16)<<16
	}},
}

// sumFlushed is what red and atom make of two floats.
func sumFlushed(a, b uint64) uint64 {
	return flushed(float64(flushFloat(float(a))) + float64(flushFloat(float(b))))
}

func (h halfFormat) sum(a, b uint64) uint64 { return h.round(float32(h.value(a) + h.value(b))) }

// addends are two vectors of words for a type's sums.
func addends(r *random, typ string) (a, b []uint32) {
	c := combine(2, specialsFloat, 512, spread(r))
	if typ != "f32" {
		h := halves(r)[0]
		pairs := make([]uint64, 32)
		for i := range pairs {
			pairs[i] = h[i] | h[(i*7+3)%len(h)]<<16
		}
		c = combine(2, pairs[:16], 512, r.next)
	}
	for i := range 512 {
		a, b = append(a, uint32(c[0][i])), append(b, uint32(c[1][i]))
	}
	return a, b
}

// sumOutput is the sums of two vectors.
func sumOutput(name, typ string, x, y []uint32) Output {
	s := sums[typ]
	return Output{Name: name, Size: 4, Count: len(x), Rule: s.rule, Want: func(i int) uint64 { return s.add(uint64(x[i]), uint64(y[i])) }}
}

func bulkReduce(r *random) *Program {
	b := onHopper("bulk_reduce", 128)
	b.images(4 * 2048)
	b.mbarriers(1)
	types := []string{"f32", "u32", "noftz.f16", "noftz.bf16"}
	var to []int
	for i, typ := range types {
		x, y := addends(r, typ)
		to = append(to, b.output(sumOutput("cp.reduce.async.bulk of "+typ, typ, x, y)))
		b.start(to[i], words32(x))
		b.fill(2048*i, words32(y))
	}
	b.line("fence.proxy.async;")
	b.line("bar.sync 0;")
	for i, typ := range types {
		b.line("add.s32 %%r42, %%r40, %d;", 2048*i)
		b.line("@%%p7 cp.reduce.async.bulk.global.shared::cta.bulk_group.add.%s [%%d0+%d], [%%r42], 2048;", typ, to[i])
	}
	b.line("@%%p7 cp.async.bulk.commit_group;")
	b.line("cp.async.bulk.wait_group 0;")
	return b.finish()
}

// reduceVector adds 2 and 4 float32 at once, each thread to its own.
func reduceVector(r *random) *Program {
	b := onHopper("reduce_vector", 128)
	b.address("%d32", "%d0", "%r1", 16)
	for _, form := range []string{"red.global.add.v4.f32", "red.relaxed.gpu.global.add.v2.f32"} {
		x, y := addends(r, "f32")
		o := sumOutput(form, "f32", x, y)
		o.Want = func(i int) uint64 { return sumFlushed(uint64(x[i]), uint64(y[i])) }
		to := b.output(o)
		b.start(to, words32(x))
		b.address("%d34", b.input(words32(y)), "%r1", 16)
		b.line("ld.global.v4.f32 {%%r54, %%r55, %%r56, %%r57}, [%%d34];")
		if form == "red.global.add.v4.f32" {
			b.line("%s [%%d32+%d], {%%r54, %%r55, %%r56, %%r57};", form, to)
			continue
		}
		b.line("%s [%%d32+%d], {%%r54, %%r55};", form, to)
		b.line("%s [%%d32+%d], {%%r56, %%r57};", form, to+8)
	}
	return b.finish()
}
