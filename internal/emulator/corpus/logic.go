package corpus

import "fmt"

// logicPrograms are operations on bits.
func logicPrograms() []*Program {
	r := random(2)
	word := r.next
	return []*Program{
		lanewise{name: "logic", operands: combine(2, specials64, 256, word), cases: []laneCase{
			{forms: "and.{b16,b32,b64,pred}", want: func(x args) uint64 { return x[0] & x[1] }},
			{forms: "or.{b16,b32,b64,pred}", want: func(x args) uint64 { return x[0] | x[1] }},
			{forms: "xor.{b16,b32,b64,pred}", want: func(x args) uint64 { return x[0] ^ x[1] }},
			{forms: "not.{b16,b32,b64,pred}", want: func(x args) uint64 { return ^x[0] }},
			{forms: "mov.{b16,u16,s16,b32,u32,s32,f32,b64,u64,s64,pred}", want: func(x args) uint64 { return x[0] }},
		}}.program(),
		lanewise{name: "shift", operands: shifts(&r), cases: []laneCase{
			{forms: "shl.{b16,b32,b64}", want: func(x args) uint64 { return x[0] << x[1] }},
			{forms: "shr.{u16,b16,u32,b32,u64,b64}", want: func(x args) uint64 { return x[0] >> x[1] }},
			{forms: "shr.s16", want: func(x args) uint64 { return uint64(x.s16(0) >> x[1]) }},
			{forms: "shr.s32", want: func(x args) uint64 { return uint64(x.s32(0) >> x[1]) }},
			{forms: "shr.s64", want: func(x args) uint64 { return uint64(x.s64(0) >> x[1]) }},
		}}.program(),
		lanewise{name: "permute", operands: combine(3, []uint64{0x80402010, 0x7f8090ff, 0x3210, 0x7654, 0xfedc, 0xba98}, 448, word), cases: []laneCase{
			{forms: "prmt.b32", want: permuted},
		}}.program(),
		lanewise{name: "insert", operands: inserts(&r), cases: []laneCase{{forms: "bfi.b32", want: inserted}}}.program(),
		lanewise{name: "logic3", operands: combine(3, []uint64{0xf0f0f0f0, 0xcccccccc, 0xaaaaaaaa, 0x12345678}, 64, word), cases: truthTables()}.program(),
	}
}

// shifts has every amount that matters for some values, and random ones.
func shifts(r *random) columns {
	var c columns = make([][]uint64, 2)
	for _, by := range []uint64{0, 1, 7, 8, 15, 16, 17, 31, 32, 33, 47, 48, 63, 64, 65, 127, 128, 255, 256, 1 << 16, 1 << 31, 1<<32 - 1} {
		for _, x := range []uint64{0xffffffffffffffff, 0x8000000080008000, 0x7fffffff7fff7fff, 0x0123456789abcdef} {
			c[0], c[1] = append(c[0], x), append(c[1], by)
		}
	}
	for range 100 {
		c[0], c[1] = append(c[0], r.next()), append(c[1], r.next()%70)
	}
	return c.padded()
}

func permuted(x args) uint64 {
	bytes := x[1]<<32 | x[0]
	var d uint64
	for i := range 4 {
		pick := x[2] >> (4 * i) & 15
		b := bytes >> (pick % 8 * 8) & 0xff
		if pick >= 8 {
			b = b >> 7 * 0xff
		}
		d |= b << (8 * i)
	}
	return d
}

func inserts(r *random) columns {
	c := make(columns, 4)
	row := func(position, length uint64) {
		for i, x := range []uint64{r.next(), r.next(), position, length} {
			c[i] = append(c[i], x)
		}
	}
	for _, position := range []uint64{0, 1, 16, 31, 32, 33, 64, 255} {
		for _, length := range []uint64{0, 1, 15, 16, 31, 32, 33, 64, 255} {
			row(position, length)
		}
	}
	for range 120 {
		row(r.next()%32, r.next()%33)
	}
	for range 64 { // only the low bytes of position and length count
		row(r.next()&^0xe0, r.next()&^0xc0)
	}
	return c.padded()
}

func inserted(x args) uint64 {
	d := x[1]
	position, length := x[2]&0xff, x[3]&0xff
	for i := uint64(0); i < length && position+i < 32; i++ {
		d = d&^(1<<(position+i)) | x[0]>>i&1<<(position+i)
	}
	return d
}

// truthTables are all 256 of lop3.
func truthTables() (all []laneCase) {
	for table := range uint64(256) {
		all = append(all, laneCase{forms: "lop3.b32", tail: fmt.Sprintf(", %#x", table), want: func(x args) (d uint64) {
			for bit := range 32 {
				row := x[0]>>bit&1<<2 | x[1]>>bit&1<<1 | x[2]>>bit&1
				d |= table >> row & 1 << bit
			}
			return d
		}})
	}
	return all
}
