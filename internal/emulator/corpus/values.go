package corpus

import (
	"encoding/binary"
	"math"
)

// random is SplitMix64: the same numbers for a seed everywhere and always, which recordings depend on.
type random uint64

func (r *random) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below is a number from 0 to n-1.
func (r *random) below(n int) int { return int(r.next() >> 33 % uint64(n)) }

// normal is a number about N(0, 1).
func (r *random) normal() float64 {
	s := 0.0
	for range 12 {
		s += float64(r.next()>>11) * 0x1p-53
	}
	return s - 6
}

// many is n random words.
func (r *random) many(n int) []uint64 {
	all := make([]uint64, n)
	for i := range all {
		all[i] = r.next()
	}
	return all
}

// bytes is n random bytes.
func (r *random) bytes(n int) []byte { return words64(r.many((n + 7) / 8))[:n] }

// words64 and words32 are the bytes of words in memory.
func words64(all []uint64) []byte {
	b := make([]byte, 0, 8*len(all))
	for _, x := range all {
		b = binary.LittleEndian.AppendUint64(b, x)
	}
	return b
}

func words32(all []uint32) []byte {
	b := make([]byte, 0, 4*len(all))
	for _, x := range all {
		b = binary.LittleEndian.AppendUint32(b, x)
	}
	return b
}

// columns are operands: columns[i][j] is what operand i is in row j. Every program has a row for each thread.
type columns [][]uint64

// combine has rows for every combination of n operands from some values, and behind them random ones from draw up to
// a number of rows in all.
func combine(n int, values []uint64, rows int, draw func() uint64) columns {
	c := make(columns, n)
	combinations := 1
	for range n {
		combinations *= len(values)
	}
	for j := range max(rows, combinations) {
		rest := j
		for i := range c {
			x := values[rest%len(values)]
			rest /= len(values)
			if j >= combinations {
				x = draw()
			}
			c[i] = append(c[i], x)
		}
	}
	return c.padded()
}

// padded repeats rows up to whole blocks.
func (c columns) padded() columns {
	for i := range c {
		for j := 0; len(c[i])%blockThreads != 0; j++ {
			c[i] = append(c[i], c[i][j])
		}
	}
	return c
}

// Values that tell wrong integer arithmetic apart, by width.
var (
	specials16 = []uint64{0, 1, 2, 0xf, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0x8001, 0xfffe, 0xffff, 0x1234, 0xabcd, 0x100, 0xff00}
	specials32 = []uint64{0, 1, 2, 31, 32, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff, 0x12345678, 0x9abcdef0}
	specials64 = []uint64{0, 1, 2, 63, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x7fffffffffffffff, 0x8000000000000000, 0x8000000000000001,
		0xfffffffffffffffe, 0xffffffffffffffff, 0x0123456789abcdef, 0xfedcba9876543210, 0xffffffff00000000}
)

// Values that tell wrong float32 arithmetic apart: zeros, subnormals, the least and largest numbers, infinities, quiet and
// signalling NaNs with payloads, and neighbours of one.
var specialsFloat = []uint64{
	0x00000000, 0x80000000, 0x00000001, 0x807fffff, 0x00800000, 0x80800001, 0x3f800000, 0xbf800001, 0x3f7fffff, 0x40490fdb,
	0x7f7fffff, 0xff7fffff, 0x7f800000, 0xff800000, 0x7fc01234, 0xffa00001,
}

// fewFloats are those that triples are made of.
var fewFloats = []uint64{0x00000000, 0x80000000, 0x00000003, 0x80800000, 0x3f800001, 0xff7fffff, 0x7f800000, 0x7fc01234}

// spread draws float32 whose exponents are all equally likely, and now and then one that is near another or a tie.
func spread(r *random) func() uint64 {
	last := uint64(0x3f800000)
	return func() uint64 {
		x := r.next() & 0xffffffff
		switch r.below(4) {
		case 0: // near the one before, so that sums cancel
			x = last ^ r.next()&0x80000fff
		case 1: // few bits, so that products and sums are ties
			x &= 0xfffff000
		case 2: // near one, so that products are not out of range
			x = x&0x807fffff | uint64(110+r.below(34))<<23
		}
		last = x
		return x
	}
}

func floatBits(x float32) uint64 { return uint64(math.Float32bits(x)) }

func float(bits uint64) float32 { return math.Float32frombits(uint32(bits)) }
