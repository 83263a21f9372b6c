package corpus

// floatComparisons are setp.f32: the six relations, which are false of NaNs, the same with u, which are true of them, and
// the tests for NaNs.
func floatComparisons() []laneCase {
	all := []laneCase{
		{forms: "setp.num.f32", want: func(x args) uint64 { return truth(!unordered(x)) }},
		{forms: "setp.nan.f32", want: func(x args) uint64 { return truth(unordered(x)) }},
	}
	for _, c := range []struct {
		name  string
		holds func(a, b float32) bool
	}{
		{"eq", func(a, b float32) bool { return a == b }},
		{"ne", func(a, b float32) bool { return a != b }},
		{"lt", func(a, b float32) bool { return a < b }},
		{"le", func(a, b float32) bool { return a <= b }},
		{"gt", func(a, b float32) bool { return a > b }},
		{"ge", func(a, b float32) bool { return a >= b }},
	} {
		all = append(all,
			laneCase{forms: "setp." + c.name + ".f32", want: func(x args) uint64 { return truth(!unordered(x) && c.holds(x.f32(0), x.f32(1))) }},
			laneCase{forms: "setp." + c.name + "u.f32", want: func(x args) uint64 { return truth(unordered(x) || c.holds(x.f32(0), x.f32(1))) }},
		)
	}
	return all
}

func unordered(x args) bool { return x.f32(0) != x.f32(0) || x.f32(1) != x.f32(1) }
