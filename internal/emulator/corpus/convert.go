package corpus

import "math"

// convertPrograms are conversions.
func convertPrograms() []*Program {
	r := random(5)
	return []*Program{
		lanewise{name: "convert_integer", operands: combine(1, append(specials64, specials32...), 320, r.next), cases: []laneCase{
			{forms: "cvt.{s64,u64}.{u32,u16}", want: func(x args) uint64 { return x[0] }},
			{forms: "cvt.{s64,u64}.s32", want: func(x args) uint64 { return uint64(x.s32(0)) }},
			{forms: "cvt.{s64,u64}.s16", want: func(x args) uint64 { return uint64(x.s16(0)) }},
			{forms: "cvt.{s32,u32}.{s64,u64,u16}", want: func(x args) uint64 { return x[0] }},
			{forms: "cvt.{s32,u32}.s16", want: func(x args) uint64 { return uint64(x.s16(0)) }},
			{forms: "cvt.{s32,u32}.s8", want: func(x args) uint64 { return uint64(int8(x[0])) }},
			{forms: "cvt.{s32,u32}.u8", want: func(x args) uint64 { return x[0] & 0xff }},
			{forms: "cvt.{s16,u16}.{s32,u32,s64,u64}", want: func(x args) uint64 { return x[0] }},
			{forms: "cvt.rn.f32.s32", want: func(x args) uint64 { return floatBits(float32(x.s32(0))) }},
			{forms: "cvt.rn.f32.u32", want: func(x args) uint64 { return floatBits(float32(x.u32(0))) }},
		}}.program(),
		lanewise{name: "convert_to_integer", operands: nearIntegers(&r), cases: []laneCase{
			{forms: "cvt.rzi.s32.f32", want: func(x args) uint64 { return toInteger(x, math.Trunc, math.MinInt32, math.MaxInt32) }},
			{forms: "cvt.rzi.u32.f32", want: func(x args) uint64 { return toInteger(x, math.Trunc, 0, math.MaxUint32) }},
			{forms: "cvt.rni.s32.f32", want: func(x args) uint64 { return toInteger(x, math.RoundToEven, math.MinInt32, math.MaxInt32) }},
			{forms: "cvt.rni.u32.f32", want: func(x args) uint64 { return toInteger(x, math.RoundToEven, 0, math.MaxUint32) }},
		}}.program(),
		lanewise{name: "convert_from_half", operands: halves(&r), cases: []laneCase{
			{forms: "cvt.f32.f16", rule: Float32, want: func(x args) uint64 { return floatBits(float32(fp16.value(x[0]))) }},
		}}.program(),
		lanewise{name: "convert_from_bfloat", target: "sm_90", operands: halves(&r), cases: []laneCase{
			{forms: "cvt.f32.bf16", rule: Float32, want: func(x args) uint64 { return x[0] << 16 }},
		}}.program(),
		lanewise{name: "convert_to_half", operands: nearHalves(&r), cases: []laneCase{
			{forms: "cvt.rn.f16.f32", rule: Float16, want: func(x args) uint64 { return fp16.round(x.f32(0)) }},
			{forms: "cvt.rn.bf16.f32", rule: BFloat16, want: func(x args) uint64 { return bf16.round(x.f32(0)) }},
			{forms: "cvt.rn.f16x2.f32", rule: Float16x2, want: func(x args) uint64 { return fp16.round(x.f32(0))<<16 | fp16.round(x.f32(1)) }},
			{forms: "cvt.rn.bf16x2.f32", rule: BFloat16x2, want: func(x args) uint64 { return bf16.round(x.f32(0))<<16 | bf16.round(x.f32(1)) }},
		}}.program(),
	}
}

func toInteger(x args, round func(float64) float64, low, high float64) uint64 {
	f := float64(x.f32(0))
	if f != f {
		return 0
	}
	return uint64(int64(max(low, min(high, round(f)))))
}

// nearIntegers has floats beside the limits of integers, and halves, which round to even.
func nearIntegers(r *random) columns {
	values := append([]uint64{}, specialsFloat...)
	for _, x := range []float32{0.5, 1.5, 2.5, 0.49999997, 0.50000006, 8388607.5, 8388608, 16777215, 2147483520, 2147483648, 4294967040, 4294967296} {
		values = append(values, floatBits(x), floatBits(-x))
	}
	return combine(1, values, 256, func() uint64 { return r.next()&0x807fffff | uint64(120+r.below(42))<<23 })
}

// halves has the special values of both formats of 16 bits, and random ones.
func halves(r *random) columns {
	values := []uint64{
		0, 0x8000, 1, 0x8001, 0x3ff, 0x83ff, 0x400, 0x3c00, 0xbc00, 0x3c01, 0x7bff, 0xfbff, 0x7c00, 0xfc00, 0x7c01, 0xfe00,
		0x7f, 0x80, 0x3f80, 0xbf81, 0x7f7f, 0xff7f, 0x7f80, 0xff80, 0x7f81, 0xffc0, 0x7fff, 0xffff,
	}
	return combine(1, values, 512, r.next)
}

// nearHalves has floats that are ties between numbers of 16 bits, or nearly, and floats beyond and below these.
func nearHalves(r *random) columns {
	values := append([]uint64{}, specialsFloat...)
	for _, x := range []float32{65504, 65519.996, 65520, 0x1p-14, 0x1.ffcp-15, 0x1p-24, 0x1p-25, 0x1.000002p-25, 0x1.8p-24, 0x1.fep127, 0x1.fefffep127, 0x1.ffp127} {
		values = append(values, floatBits(x), floatBits(-x))
	}
	draw := spread(r)
	c := combine(1, values, 640, func() uint64 {
		x := draw()
		switch r.below(4) {
		case 0: // a tie of bfloat16
			return x&^0xffff | 0x8000 + uint64(r.below(3)) - 1
		case 1: // a tie of normal fp16
			return x&0x807fe000 | uint64(113+r.below(30))<<23 | 0x1000 + uint64(r.below(3)) - 1
		case 2: // a subnormal of fp16
			return x&0x807fffff&^(1<<r.below(23)-1) | uint64(100+r.below(14))<<23
		}
		return x
	})
	second := append(append([]uint64{}, c[0][37:]...), c[0][:37]...)
	return columns{c[0], second}
}
