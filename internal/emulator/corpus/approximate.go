package corpus

import "math"

// approximatePrograms sweep the approximations over their domains.
func approximatePrograms() []*Program {
	r := random(7)
	return []*Program{
		lanewise{name: "approximate", operands: sweep(&r), cases: []laneCase{
			{forms: "ex2.approx.ftz.f32", near: func(x args) Near { return units(math.Exp2(flushedArg(x, 0)), 2.5) }},
			{forms: "rcp.approx.ftz.f32", near: func(x args) Near { return units(1/flushedArg(x, 0), 1.5) }},
			{forms: "rsqrt.approx.ftz.f32", near: func(x args) Near { return relative(1/math.Sqrt(flushedArg(x, 0)), math.Exp2(-22.9)) }},
			{forms: "lg2.approx.ftz.f32", near: nearLogarithm},
			{forms: "tanh.approx.f32", near: nearTangent},
		}}.program(),
	}
}

// units is so many units in the last place of a float32.
func units(v, n float64) Near {
	exponent := -126
	if v != 0 && !math.IsInf(v, 0) && v == v {
		exponent = max(exponent, math.Ilogb(v))
	}
	return Near{Value: v, Error: math.Ldexp(n, exponent-23), Flushed: true}
}

func relative(v, ratio float64) Near {
	n := Near{Value: v, Flushed: true}
	if !math.IsInf(v, 0) {
		n.Error = math.Abs(v) * ratio
	}
	return n
}

func nearLogarithm(x args) Near {
	n := relative(math.Log2(flushedArg(x, 0)), 0x1p-22)
	if a := flushedArg(x, 0); a > 0.5 && a < 2 {
		n.Error = 0x1p-22
	}
	return n
}

// nearTangent has no subnormal results flushed: there tanh x is x.
func nearTangent(x args) Near {
	n := relative(math.Tanh(float64(x.f32(0))), 0x1p-11)
	n.Flushed = false
	return n
}

// sweep is operands over the whole range, over the ranges where the results are numbers, and beside their ends.
func sweep(r *random) columns {
	values := append([]uint64{}, specialsFloat...)
	for _, x := range []float32{-126, -126.00001, -125.99999, -127, -150, 127.99999, 128, 127.5, 0.5, 2, 4, 0.25, 0x1p126, 0x1.000002p126, 0x1p127, 8.9, 9.1, -10} {
		values = append(values, floatBits(x))
	}
	uniform := func(from, to float64) uint64 {
		return floatBits(float32(from + (to-from)*float64(r.next()>>11)*0x1p-53))
	}
	i := 0
	c := combine(1, values, 3072, func() uint64 {
		i++
		switch i % 6 {
		case 0:
			return uniform(-150, 150)
		case 1:
			return uniform(-8, 8)
		case 2:
			return uniform(0.5, 2)
		case 3:
			return r.next() & 0x7fffffff
		case 4:
			return uniform(0, 1) & 0xfffff000
		}
		return r.next() & 0xffffffff
	})
	return c
}
