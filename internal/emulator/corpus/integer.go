package corpus

import "math/bits"

// integerPrograms are arithmetic on integers of each width.
func integerPrograms() []*Program {
	r := random(1)
	word := r.next
	divisible := combine(2, specials32[1:], 512, word) // division by zero is undefined
	for j, x := range divisible[1] {
		if uint32(x) == 0 || int32(x) == -1 && uint32(divisible[0][j]) == 1<<31 { // and so is an overflow
			divisible[1][j] = 7
		}
		if j%3 == 0 && j > 300 {
			divisible[1][j] = divisible[1][j]&0xffff | 1
		}
	}
	r64 := random(26) // its own, so that the other programs keep their operands
	divisible64 := combine(2, specials64, 384, r64.next)
	for j, x := range divisible64[1] {
		if x == 0 || int64(x) == -1 && divisible64[0][j] == 1<<63 {
			divisible64[1][j] = 7
		}
		if j%3 == 0 && j > 300 {
			divisible64[1][j] = x>>40 | 1
		}
	}
	return []*Program{
		lanewise{name: "integer16", operands: combine(2, specials16, 384, word), cases: []laneCase{
			{forms: "add.{s16,u16}", want: func(x args) uint64 { return x[0] + x[1] }},
			{forms: "sub.{s16,u16}", want: func(x args) uint64 { return x[0] - x[1] }},
			{forms: "mul.lo.{s16,u16}", want: func(x args) uint64 { return x[0] * x[1] }},
			{forms: "min.s16", want: func(x args) uint64 { return uint64(min(x.s16(0), x.s16(1))) }},
			{forms: "min.u16", want: func(x args) uint64 { return min(x[0], x[1]) }},
			{forms: "max.s16", want: func(x args) uint64 { return uint64(max(x.s16(0), x.s16(1))) }},
			{forms: "max.u16", want: func(x args) uint64 { return max(x[0], x[1]) }},
			{forms: "mul.wide.s16", want: func(x args) uint64 { return uint64(int32(x.s16(0)) * int32(x.s16(1))) }},
			{forms: "mul.wide.u16", want: func(x args) uint64 { return x[0] * x[1] }},
		}}.program(),
		lanewise{name: "integer32", operands: combine(2, specials32, 512, word), cases: []laneCase{
			{forms: "add.{s32,u32}", want: func(x args) uint64 { return x[0] + x[1] }},
			{forms: "sub.{s32,u32}", want: func(x args) uint64 { return x[0] - x[1] }},
			{forms: "mul.lo.{s32,u32}", want: func(x args) uint64 { return x[0] * x[1] }},
			{forms: "min.s32", want: func(x args) uint64 { return uint64(min(x.s32(0), x.s32(1))) }},
			{forms: "min.u32", want: func(x args) uint64 { return min(x[0], x[1]) }},
			{forms: "max.s32", want: func(x args) uint64 { return uint64(max(x.s32(0), x.s32(1))) }},
			{forms: "max.u32", want: func(x args) uint64 { return max(x[0], x[1]) }},
			{forms: "mul.hi.s32", want: func(x args) uint64 { return uint64(int64(x.s32(0)) * int64(x.s32(1)) >> 32) }},
			{forms: "mul.hi.u32", want: func(x args) uint64 { return x[0] * x[1] >> 32 }},
			{forms: "mul.wide.s32", want: func(x args) uint64 { return uint64(int64(x.s32(0)) * int64(x.s32(1))) }},
			{forms: "mul.wide.u32", want: func(x args) uint64 { return x[0] * x[1] }},
			{forms: "neg.s32", want: func(x args) uint64 { return -x[0] }},
			{forms: "abs.s32", want: func(x args) uint64 { return magnitude(x.s32(0)) }},
			{forms: "popc.b32", want: func(x args) uint64 { return uint64(bits.OnesCount64(x[0])) }},
			{forms: "clz.b32", want: func(x args) uint64 { return uint64(bits.LeadingZeros64(x[0]) - 32) }},
			{forms: "brev.b32", want: func(x args) uint64 { return bits.Reverse64(x[0]) >> 32 }},
		}}.program(),
		lanewise{name: "divide32", operands: divisible, cases: []laneCase{
			{forms: "div.s32", want: func(x args) uint64 { return uint64(int64(x.s32(0)) / int64(x.s32(1))) }},
			{forms: "div.u32", want: func(x args) uint64 { return x[0] / x[1] }},
			{forms: "rem.s32", want: func(x args) uint64 { return uint64(int64(x.s32(0)) % int64(x.s32(1))) }},
			{forms: "rem.u32", want: func(x args) uint64 { return x[0] % x[1] }},
		}}.program(),
		lanewise{name: "divide64", operands: divisible64, cases: []laneCase{
			{forms: "div.s64", want: func(x args) uint64 { return uint64(x.s64(0) / x.s64(1)) }},
			{forms: "div.u64", want: func(x args) uint64 { return x[0] / x[1] }},
			{forms: "rem.s64", want: func(x args) uint64 { return uint64(x.s64(0) % x.s64(1)) }},
			{forms: "rem.u64", want: func(x args) uint64 { return x[0] % x[1] }},
		}}.program(),
		lanewise{name: "integer64", operands: combine(2, specials64, 384, word), cases: []laneCase{
			{forms: "add.{s64,u64}", want: func(x args) uint64 { return x[0] + x[1] }},
			{forms: "sub.{s64,u64}", want: func(x args) uint64 { return x[0] - x[1] }},
			{forms: "mul.lo.{s64,u64}", want: func(x args) uint64 { return x[0] * x[1] }},
			{forms: "min.s64", want: func(x args) uint64 { return uint64(min(x.s64(0), x.s64(1))) }},
			{forms: "min.u64", want: func(x args) uint64 { return min(x[0], x[1]) }},
			{forms: "max.s64", want: func(x args) uint64 { return uint64(max(x.s64(0), x.s64(1))) }},
			{forms: "max.u64", want: func(x args) uint64 { return max(x[0], x[1]) }},
			{forms: "neg.s64", want: func(x args) uint64 { return -x[0] }},
		}}.program(),
		lanewise{name: "multiply_add", operands: combine(3, specials64[5:11], 384, word), cases: []laneCase{
			{forms: "mad.lo.{s32,u32,s64,u64}", want: func(x args) uint64 { return x[0]*x[1] + x[2] }},
			{forms: "mad.wide.s32", want: func(x args) uint64 { return uint64(int64(x.s32(0))*int64(x.s32(1))) + x[2] }},
			{forms: "mad.wide.u32", want: func(x args) uint64 { return x[0]*x[1] + x[2] }},
		}}.program(),
	}
}

// magnitude is an absolute value; that of the least number is itself.
func magnitude(x int32) uint64 {
	if x < 0 {
		return uint64(uint32(-x))
	}
	return uint64(uint32(x))
}
