package emulator

import (
	"math"

	"github.com/sigattn/sigattn/internal/emulator/ptx"
)

// ordered is what integer comparisons work on.
type ordered interface {
	~int16 | ~uint16 | ~int32 | ~uint32 | ~int64 | ~uint64
}

func init() {
	defineComparisons[uint16]("u16", func(f func(uint16, uint16) bool) builder {
		return testWW(func(a, b *vec32) uint32 { return compare(func(i int) bool { return f(uint16(a[i]), uint16(b[i])) }) })
	})
	defineComparisons[int16]("s16", func(f func(int16, int16) bool) builder {
		return testWW(func(a, b *vec32) uint32 { return compare(func(i int) bool { return f(int16(a[i]), int16(b[i])) }) })
	})
	defineComparisons[uint32]("u32", func(f func(uint32, uint32) bool) builder {
		return testWW(func(a, b *vec32) uint32 { return compare(func(i int) bool { return f(a[i], b[i]) }) })
	})
	defineComparisons[int32]("s32", func(f func(int32, int32) bool) builder {
		return testWW(func(a, b *vec32) uint32 { return compare(func(i int) bool { return f(int32(a[i]), int32(b[i])) }) })
	})
	defineComparisons[uint64]("u64", func(f func(uint64, uint64) bool) builder {
		return testDD(func(a, b *vec64) uint32 { return compare(func(i int) bool { return f(a[i], b[i]) }) })
	})
	defineComparisons[int64]("s64", func(f func(int64, int64) bool) builder {
		return testDD(func(a, b *vec64) uint32 { return compare(func(i int) bool { return f(int64(a[i]), int64(b[i])) }) })
	})
	builders["setp.eq.b32"], builders["setp.ne.b32"] = builders["setp.eq.u32"], builders["setp.ne.u32"]
	for name, holds := range floatComparisons {
		define(testWW(func(a, b *vec32) uint32 {
			return compare(func(i int) bool { return holds(math.Float32frombits(a[i]), math.Float32frombits(b[i])) })
		}), "setp."+name+".f32")
	}
	define(buildSelect, "selp.b16", "selp.u16", "selp.s16", "selp.b32", "selp.u32", "selp.s32", "selp.f32")
	define(buildSelect64, "selp.b64", "selp.u64", "selp.s64")
}

// floatComparisons are the comparisons of floats, of any width, by name; those that end in u hold for NaN too.
var floatComparisons = map[string]func(a, b float32) bool{
	"eq": func(a, b float32) bool { return a == b }, "equ": func(a, b float32) bool { return !(a < b || a > b) },
	"ne": func(a, b float32) bool { return a < b || a > b }, "neu": func(a, b float32) bool { return a != b },
	"lt": func(a, b float32) bool { return a < b }, "ltu": func(a, b float32) bool { return !(a >= b) },
	"le": func(a, b float32) bool { return a <= b }, "leu": func(a, b float32) bool { return !(a > b) },
	"gt": func(a, b float32) bool { return a > b }, "gtu": func(a, b float32) bool { return !(a <= b) },
	"ge": func(a, b float32) bool { return a >= b }, "geu": func(a, b float32) bool { return !(a < b) },
	"num": func(a, b float32) bool { return a == a && b == b }, "nan": func(a, b float32) bool { return a != a || b != b },
}

// defineComparisons defines setp of an integer type.
func defineComparisons[T ordered](typ string, with func(func(a, b T) bool) builder) {
	define(with(func(a, b T) bool { return a == b }), "setp.eq."+typ)
	define(with(func(a, b T) bool { return a != b }), "setp.ne."+typ)
	define(with(func(a, b T) bool { return a < b }), "setp.lt."+typ)
	define(with(func(a, b T) bool { return a <= b }), "setp.le."+typ)
	define(with(func(a, b T) bool { return a > b }), "setp.gt."+typ)
	define(with(func(a, b T) bool { return a >= b }), "setp.ge."+typ)
}

// compare collects one bit for each lane.
func compare(holds func(lane int) bool) (set uint32) {
	for i := range lanes {
		if holds(i) {
			set |= 1 << i
		}
	}
	return set
}

func buildSelect(c *compiler, _ *ptx.Instruction) func(*warp) {
	d, a, b, p := c.slot(0), c.slot(1), c.slot(2), c.predicate(3)
	return func(w *warp) {
		d, a, b, p := &w.r[d], &w.r[a], &w.r[b], p.of(w)
		for i := range d {
			take := -(p >> i & 1) // all ones where a is taken: no branch that would be mispredicted
			d[i] = a[i]&take | b[i]&^take
		}
	}
}

func buildSelect64(c *compiler, _ *ptx.Instruction) func(*warp) {
	d, a, b, p := c.slot(0), c.slot(1), c.slot(2), c.predicate(3)
	return func(w *warp) {
		d, a, b, p := &w.d[d], &w.d[a], &w.d[b], p.of(w)
		for i := range d {
			take := -uint64(p >> i & 1)
			d[i] = a[i]&take | b[i]&^take
		}
	}
}
