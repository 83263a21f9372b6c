package corpus

// comparePrograms are comparisons and selections.
func comparePrograms() []*Program {
	r := random(3)
	word := r.next
	return []*Program{
		lanewise{name: "compare_integer", operands: combine(2, specials64, 320, word), cases: integerComparisons()}.program(),
		lanewise{name: "compare_float", operands: combine(2, specialsFloat, 384, spread(&r)), cases: floatComparisons()}.program(),
		lanewise{name: "select", operands: combine(3, []uint64{0, 1, 0xffffffffffffffff, 0x7fa000017fa0fffe}, 128, word), cases: []laneCase{
			{forms: "selp.{b16,u16,s16,b32,u32,s32,f32,b64,u64,s64}", want: func(x args) uint64 {
				if x[2] != 0 {
					return x[0]
				}
				return x[1]
			}},
		}}.program(),
	}
}

// less compares operands of a type.
type less struct {
	typ string
	lt  func(x args, a, b int) bool
}

func integerComparisons() (all []laneCase) {
	unsigned := func(x args, a, b int) bool { return x[a] < x[b] }
	for _, t := range []less{
		{"u16", unsigned}, {"u32", unsigned}, {"u64", unsigned},
		{"s16", func(x args, a, b int) bool { return x.s16(a) < x.s16(b) }},
		{"s32", func(x args, a, b int) bool { return x.s32(a) < x.s32(b) }},
		{"s64", func(x args, a, b int) bool { return x.s64(a) < x.s64(b) }},
	} {
		all = append(all,
			laneCase{forms: "setp.lt." + t.typ, want: func(x args) uint64 { return truth(t.lt(x, 0, 1)) }},
			laneCase{forms: "setp.gt." + t.typ, want: func(x args) uint64 { return truth(t.lt(x, 1, 0)) }},
			laneCase{forms: "setp.le." + t.typ, want: func(x args) uint64 { return truth(!t.lt(x, 1, 0)) }},
			laneCase{forms: "setp.ge." + t.typ, want: func(x args) uint64 { return truth(!t.lt(x, 0, 1)) }},
		)
	}
	return append(all,
		laneCase{forms: "setp.eq.{u16,s16,b32,u32,s32,u64,s64}", want: func(x args) uint64 { return truth(x[0] == x[1]) }},
		laneCase{forms: "setp.ne.{u16,s16,b32,u32,s32,u64,s64}", want: func(x args) uint64 { return truth(x[0] != x[1]) }},
	)
}
