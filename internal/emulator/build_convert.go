package emulator

import "math"

func init() {
	define(buildMove(toW(func(d, a *vec32) { *d = *a })), "mov.b16", "mov.u16", "mov.s16", "mov.b32", "mov.u32", "mov.s32", "mov.f32")
	// Addresses of the spaces are those of the windows that generic addresses would show them through.
	define(toD(func(d, a *vec64) { *d = *a }), "cvta.to.global.u64", "cvta.to.shared.u64", "cvta.global.u64", "cvta.shared.u64")
	define(buildMove(toD(func(d, a *vec64) { *d = *a })), "mov.b64", "mov.u64", "mov.s64")

	define(fromW(func(d *vec64, a *vec32) {
		for i := range d {
			d[i] = uint64(int64(int32(a[i])))
		}
	}), "cvt.s64.s32", "cvt.u64.s32")
	define(fromW(func(d *vec64, a *vec32) {
		for i := range d {
			d[i] = uint64(a[i])
		}
	}), "cvt.s64.u32", "cvt.u64.u32", "cvt.s64.u16", "cvt.u64.u16")
	define(fromW(func(d *vec64, a *vec32) {
		for i := range d {
			d[i] = uint64(int64(int16(a[i])))
		}
	}), "cvt.s64.s16", "cvt.u64.s16")
	define(fromD(func(d *vec32, a *vec64) {
		for i := range d {
			d[i] = uint32(a[i])
		}
	}), "cvt.s32.s64", "cvt.s32.u64", "cvt.u32.s64", "cvt.u32.u64")
	define(fromD(func(d *vec32, a *vec64) {
		for i := range d {
			d[i] = uint32(uint16(a[i]))
		}
	}), "cvt.s16.s64", "cvt.s16.u64", "cvt.u16.s64", "cvt.u16.u64")
	define(eachW(func(a uint32) uint32 { return a & 0xffff }),
		"cvt.s32.u16", "cvt.u32.u16", "cvt.s16.s32", "cvt.s16.u32", "cvt.u16.s32", "cvt.u16.u32")
	define(eachW(func(a uint32) uint32 { return uint32(int32(int16(a))) }), "cvt.s32.s16", "cvt.u32.s16")
	define(eachW(func(a uint32) uint32 { return uint32(int32(int8(a))) }), "cvt.s32.s8", "cvt.u32.s8")
	define(eachW(func(a uint32) uint32 { return a & 0xff }), "cvt.s32.u8", "cvt.u32.u8")

	define(eachW(func(a uint32) uint32 { return math.Float32bits(float32(int32(a))) }), "cvt.rn.f32.s32")
	define(eachW(func(a uint32) uint32 { return math.Float32bits(float32(a)) }), "cvt.rn.f32.u32")
	for name, round := range map[string]func(float64) float64{"rzi": math.Trunc, "rni": math.RoundToEven} {
		define(eachW(func(a uint32) uint32 { return uint32(int32(toInteger(a, round, math.MinInt32, math.MaxInt32))) }), "cvt."+name+".s32.f32")
		define(eachW(func(a uint32) uint32 { return uint32(toInteger(a, round, 0, math.MaxUint32)) }), "cvt."+name+".u32.f32")
	}
	define(eachW(func(a uint32) uint32 { return canonical(fromFP16(uint16(a))) }), "cvt.f32.f16")
	define(eachW(func(a uint32) uint32 { return canonical(fromBF16(uint16(a))) }), "cvt.f32.bf16")
	define(eachW(func(a uint32) uint32 { return uint32(toFP16(math.Float32frombits(a))) }), "cvt.rn.f16.f32")
	define(eachW(func(a uint32) uint32 { return uint32(toBF16(math.Float32frombits(a))) }), "cvt.rn.bf16.f32")
	define(toWW(func(d, a, b *vec32) { // the first source becomes the upper half
		for i := range d {
			d[i] = uint32(toBF16(math.Float32frombits(a[i])))<<16 | uint32(toBF16(math.Float32frombits(b[i])))
		}
	}), "cvt.rn.bf16x2.f32")
	define(toWW(func(d, a, b *vec32) {
		for i := range d {
			d[i] = uint32(toFP16(math.Float32frombits(a[i])))<<16 | uint32(toFP16(math.Float32frombits(b[i])))
		}
	}), "cvt.rn.f16x2.f32")
}

// toInteger rounds a float to an integer within limits; NaN is 0.
func toInteger(a uint32, round func(float64) float64, low, high float64) int64 {
	x := float64(math.Float32frombits(a))
	if x != x {
		return 0
	}
	return int64(min(max(round(x), low), high))
}
