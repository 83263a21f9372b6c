package corpus

import (
	"fmt"
	"math/bits"
)

// warpLanes is how many threads a warp has.
const warpLanes = 32

// warpPrograms are instructions among the threads of a warp.
func warpPrograms() []*Program {
	r := random(9)
	return []*Program{
		shuffle(&r, "shuffle", []string{"bfly", "idx", "up", "down"}, []uint64{0x1f, 0x181f, 0x1c1f, 0x100f, 0x1f1f, 0x1807}),
		shuffle(&r, "shuffle_up", []string{"up"}, []uint64{0, 0x1800, 0x1c00, 0x1000, 0x10}),
		shuffle(&r, "shuffle_clamp", []string{"bfly", "idx", "up", "down"}, []uint64{0, 0x0f, 0x10, 0x1c03, 0x1001, 0x0a15}),
		vote(&r),
	}
}

// shuffle runs shfl in some modes over clamps with segment masks and over distances; one warp a block, each with its own.
func shuffle(r *random, name string, modes []string, clamps []uint64) *Program {
	b := newBuilder(name)
	c := make(columns, 3) // the value, the lane or distance, and the clamp and segment mask
	warp := func(clamp uint64, by func(lane int) uint64) {
		for lane := range warpLanes {
			for i, x := range []uint64{r.next() & 0xffffffff, by(lane), clamp} {
				c[i] = append(c[i], x)
			}
		}
	}
	for _, clamp := range clamps {
		for _, by := range []uint64{0, 1, 2, 5, 16, 31} {
			warp(clamp, func(int) uint64 { return by })
		}
		warp(clamp, func(lane int) uint64 { return uint64(31 - lane) })
		warp(clamp, func(int) uint64 { return r.next() & 0xffffffff }) // only its low 5 bits count
	}
	b.program.Threads = warpLanes
	b.program.Blocks = len(c[0]) / warpLanes
	b.perThread()
	for i, column := range c {
		b.address("%d30", b.input(words64(column)), "%r0", 8)
		b.line("ld.global.b32 %%r%d, [%%d30];", 8+i)
	}
	row := func(i int) shuffled { return shuffled{i % warpLanes, c[0][i/warpLanes*warpLanes:], c[1][i], c[2][i]} }
	for _, mode := range modes {
		name := "shfl.sync." + mode + ".b32"
		b.line("%s %%r20|%%p20, %%r8, %%r9, %%r10, 0xffffffff;", name)
		b.store(32, "%r20", Output{Name: name, Size: 4, Count: len(c[0]), Want: func(i int) uint64 { return row(i).value(mode) }})
		b.store(1, "%p20", Output{Name: name + " predicate", Size: 4, Count: len(c[0]), Want: func(i int) uint64 {
			_, within := row(i).source(mode)
			return truth(within)
		}})
	}
	// Half a warp, whose lanes read each other.
	b.lines(`
		setp.lt.u32 %p21, %r1, 16;
		mov.b32 %r20, 0x77777777;
		@%p21 shfl.sync.bfly.b32 %r20, %r8, 5, 31, 0xffff;`)
	b.store(32, "%r20", Output{Name: "shfl.sync.bfly.b32 of 16 lanes", Size: 4, Count: len(c[0]), Want: func(i int) uint64 {
		if i%warpLanes >= 16 {
			return 0x77777777
		}
		return c[0][i^5]
	}})
	return b.finish()
}

// shuffled is one lane's shuffle, as the ISA defines it.
type shuffled struct {
	lane   int
	values []uint64 // of the warp
	b, c   uint64
}

// source is the lane that is read, and whether it is one of the segment.
func (s shuffled) source(mode string) (lane int, within bool) {
	segment, clamp := int(s.c>>8&31), int(s.c&31)
	by := int(s.b & 31)
	highest := s.lane&segment | clamp&^segment
	lowest := s.lane & segment
	switch mode {
	case "up":
		lane = s.lane - by
		return lane, lane >= highest
	case "down":
		lane = s.lane + by
	case "bfly":
		lane = s.lane ^ by
	default:
		lane = lowest | by&^segment
	}
	return lane, lane <= highest
}

func (s shuffled) value(mode string) uint64 {
	lane, within := s.source(mode)
	if !within {
		lane = s.lane
	}
	return s.values[lane]
}

// vote runs the votes over masks of lanes, whole warps and half ones.
func vote(r *random) *Program {
	b := newBuilder("vote")
	masks := []uint32{0, 0xffffffff, 1, 0x80000000, 0xfffffffe, 0x7fffffff, 0xffff0000, 0xffff, 0xffff7fff, 0x10000, 0xaaaaaaaa, uint32(r.next())}
	b.program.Threads = warpLanes
	b.program.Blocks = len(masks)
	b.perThread()
	b.address("%d30", b.input(words32(masks)), "%r2", 4)
	b.lines(`
		ld.global.b32 %r8, [%d30];
		shr.u32 %r9, %r8, %r1;
		and.b32 %r9, %r9, 1;
		setp.ne.b32 %p8, %r9, 0;
		setp.lt.u32 %p9, %r1, 16;`)
	for _, half := range []bool{false, true} {
		members, guard, from := uint32(0xffffffff), "", ""
		if half {
			members, guard, from = 0xffff, "@%p9 ", " of 16 lanes"
		}
		for _, inverted := range []bool{false, true} {
			source := "%p8"
			votes := func(i int) uint32 { return masks[i/warpLanes] & members }
			if inverted {
				source = "!%p8"
				votes = func(i int) uint32 { return ^masks[i/warpLanes] & members }
			}
			add := func(name, register, before string, w uint8, absent uint64, result func(votes uint32) uint64) {
				b.line("%s;", before)
				b.line("%s%s %s, %s, %#x;", guard, name, register, source, members)
				o := Output{Name: name + " of " + source + from, Size: 4, Count: len(masks) * warpLanes, Want: func(i int) uint64 {
					if half && i%warpLanes >= 16 {
						return absent
					}
					return result(votes(i))
				}}
				if w == 1 {
					b.store(1, register, o)
				} else {
					b.store(32, register, o)
				}
			}
			unset := "setp.lt.u32 %p20, %r1, 0"
			add("vote.sync.all.pred", "%p20", unset, 1, 0, func(v uint32) uint64 { return truth(v == members) })
			add("vote.sync.any.pred", "%p20", unset, 1, 0, func(v uint32) uint64 { return truth(v != 0) })
			add("vote.sync.ballot.b32", "%r20", "mov.b32 %r20, 7", 32, 7, func(v uint32) uint64 { return uint64(v) })
		}
	}
	return b.finish()
}

// barrierPrograms are instructions among the threads of a block.
func barrierPrograms() []*Program { return []*Program{barrier(), barrierVote()} }

// barrier has threads read through shared memory what others have written before a barrier of each form.
func barrier() *Program {
	const threads = 128
	b := newBuilder("barrier")
	b.program.Threads = threads
	b.declare(fmt.Sprintf(".shared .align 16 .b8 buffer[%d];", 16*4*threads))
	b.perThread()
	b.lines(`
		mov.u32 %r40, buffer;
		mad.lo.s32 %r41, %r1, 4, %r40;
		mul.lo.s32 %r42, %r1, 0x9e3779b1;`)
	at := 0
	exchange := func(name, sync string, by int) {
		b.line("add.s32 %%r43, %%r42, %d;", at)
		b.line("st.shared.b32 [%%r41+%d], %%r43;", at)
		b.line("%s", sync)
		b.line("xor.b32 %%r44, %%r1, %d;", by)
		b.line("mad.lo.s32 %%r44, %%r44, 4, %%r40;")
		b.line("ld.shared.b32 %%r20, [%%r44+%d];", at)
		written := uint32(at)
		b.store(32, "%r20", Output{Name: name, Size: 4, Count: threads, Want: func(i int) uint64 {
			return uint64(uint32(i^by)*0x9e3779b1 + written)
		}})
		at += 4 * threads
	}
	exchange("bar.sync", "bar.sync 0;", 127)
	exchange("bar.sync of a number in a register", "mov.u32 %r45, 3; bar.sync %r45;", 64)
	exchange("bar.sync of a count", "bar.sync 15, 128;", 97)
	exchange("barrier.sync", "barrier.sync 1;", 33)
	exchange("barrier.sync of a count", "mov.u32 %r45, 128; barrier.sync 2, %r45;", 96)
	exchange("bar.warp.sync", "bar.warp.sync 0xffffffff;", 31)
	exchange("bar.sync of one half at a time", "shr.u32 %r45, %r1, 6; add.s32 %r45, %r45, 5; bar.sync %r45, 64;", 63)
	// The lower two warps write and go on; the upper two wait for them.
	b.line("setp.ge.u32 %%p8, %%r1, 64;")
	b.line("mov.b32 %%r20, 0;")
	b.line("@%%p8 bra waits;")
	b.line("st.shared.b32 [%%r41+%d], %%r42;", at)
	b.line("bar.arrive 4, 128;")
	b.line("bra.uni met;")
	b.line("waits:")
	b.line("bar.sync 4, 128;")
	b.line("ld.shared.b32 %%r20, [%%r41+%d];", at-4*64)
	b.line("met:")
	b.store(32, "%r20", Output{Name: "bar.arrive", Size: 4, Count: threads, Want: func(i int) uint64 {
		if i < 64 {
			return 0
		}
		return uint64(uint32(i-64) * 0x9e3779b1)
	}})
	return b.finish()
}

// barrierVote runs bar.red over blocks in which no, one, most or all threads vote.
func barrierVote() *Program {
	const threads = 96
	b := newBuilder("barrier_vote")
	sets := [][3]uint32{{}, {0xffffffff, 0xffffffff, 0xffffffff}, {0, 0, 1}, {0x80000000}, {0xffffffff, 0xfffeffff, 0xffffffff}, {0x12345678, 0xffffffff, 0}}
	var words []uint32
	for _, s := range sets {
		words = append(words, s[:]...)
	}
	b.program.Blocks, b.program.Threads = len(sets), threads
	b.perThread()
	b.address("%d30", b.input(words32(words)), "%r2", 12)
	b.lines(`
		shr.u32 %r8, %r1, 5;
		mul.wide.u32 %d31, %r8, 4;
		add.s64 %d31, %d31, %d30;
		ld.global.b32 %r8, [%d31];
		and.b32 %r9, %r1, 31;
		shr.u32 %r8, %r8, %r9;
		and.b32 %r8, %r8, 1;
		setp.ne.b32 %p8, %r8, 0;`)
	count := func(i int) int {
		n := 0
		for _, s := range sets[i/threads] {
			n += bits.OnesCount32(s)
		}
		return n
	}
	b.line("bar.red.or.pred %%p20, 0, %%p8;")
	b.store(1, "%p20", Output{Name: "bar.red.or.pred", Size: 4, Count: len(sets) * threads, Want: func(i int) uint64 { return truth(count(i) > 0) }})
	b.line("bar.red.and.pred %%p20, 1, %%p8;")
	b.store(1, "%p20", Output{Name: "bar.red.and.pred", Size: 4, Count: len(sets) * threads, Want: func(i int) uint64 { return truth(count(i) == threads) }})
	b.line("bar.red.and.pred %%p20, 1, !%%p8;")
	b.store(1, "%p20", Output{Name: "bar.red.and.pred of !", Size: 4, Count: len(sets) * threads, Want: func(i int) uint64 { return truth(count(i) == 0) }})
	b.line("bar.red.popc.u32 %%r20, 0, %%p8;")
	b.store(32, "%r20", Output{Name: "bar.red.popc.u32", Size: 4, Count: len(sets) * threads, Want: func(i int) uint64 { return uint64(count(i)) }})
	return b.finish()
}
