package emulator

import (
	"math"
	"strings"

	"github.com/sigattn/sigattn/internal/emulator/ptx"
)

func init() {
	for _, f := range ptx.Forms() {
		if strings.HasPrefix(f.Name, "ldmatrix.") {
			defineMasked(buildLoadMatrix, f.Name)
		}
	}
	defineMasked(buildMultiply(unpackBF16), "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32")
	defineMasked(buildMultiply(unpackFP16), "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32")
}

// buildLoadMatrix makes ldmatrix: of each 8 × 8 matrix, lane l gets elements 2(l%4) and 2(l%4)+1 of row l/4, or with trans
// of column l/4. The rows of matrix i lie where lanes 8i to 8i+7 point.
func buildLoadMatrix(c *compiler, in *ptx.Instruction) func(*warp) {
	at := c.addressOperand(1)
	slots, _ := c.elements(0)
	n := len(slots)
	transposed := strings.Contains(in.Form.Name, ".trans")
	return func(w *warp) {
		if !w.collective(w.exists) {
			return
		}
		var a vec64
		at.lanes(w, &a)
		s := &w.block.shared
		check := s.checked()
		var rows [lanes][4]uint32
		for lane := range 8 * n {
			offset, ok := w.sharedAt(lane, a[lane], 16)
			if !ok {
				rows[lane] = [4]uint32{canonicalNaN, canonicalNaN, canonicalNaN, canonicalNaN}
				continue
			}
			if check {
				w.noteRead(lane, readerWarp, offset/4, 4, wholeWord)
			}
			rows[lane] = [4]uint32(s.words[offset/4:])
		}
		for i, slot := range slots {
			d, m := &w.r[slot], rows[8*i:8*i+8]
			for lane := range lanes {
				if !transposed {
					d[lane] = m[lane/4][lane%4]
					continue
				}
				column := lane / 4
				shift := column % 2 * 16
				low, high := m[lane%4*2][column/2]>>shift, m[lane%4*2+1][column/2]>>shift
				d[lane] = low&0xffff | high<<16
			}
		}
	}
}

// pairs are the two elements that each lane of a packed register holds.
type pairs [lanes][2]float64

func unpackBF16(r *vec32, to *pairs) {
	for i, x := range r {
		to[i] = [2]float64{float64(fromBF16(uint16(x))), float64(fromBF16(uint16(x >> 16)))}
	}
}

func unpackFP16(r *vec32, to *pairs) {
	for i, x := range r {
		to[i] = [2]float64{float64(fromFP16(uint16(x))), float64(fromFP16(uint16(x >> 16)))}
	}
}

// buildMultiply makes mma.m16n8k16 from a function that decodes the elements of A and B. Lane 4g+q holds of A rows g and
// g+8, columns 2q, 2q+1, 2q+8 and 2q+9; of B the rows with the numbers of those columns, column g; of C and D rows g and g+8,
// columns 2q and 2q+1.
func buildMultiply(unpack func(*vec32, *pairs)) builder {
	return func(c *compiler, _ *ptx.Instruction) func(*warp) {
		d, _ := c.elements(0)
		a, _ := c.elements(1)
		b, _ := c.elements(2)
		accumulators, _ := c.elements(3)
		return func(w *warp) {
			if !w.collective(w.exists) {
				return
			}
			var (
				held    pairs
				rows    [16][8][2]float64 // of A, columns in pairs
				columns [8][8][2]float64  // of B, rows in pairs
				result  [4]vec32
			)
			for i, slot := range a {
				unpack(&w.r[slot], &held)
				for lane, x := range held {
					rows[lane/4+i%2*8][lane%4+i/2*4] = x
				}
			}
			for i, slot := range b {
				unpack(&w.r[slot], &held)
				for lane, x := range held {
					columns[lane/4][lane%4+i*4] = x
				}
			}
			for i, slot := range accumulators {
				r := &w.r[slot]
				for lane := range lanes {
					sum := dot(&rows[lane/4+i/2*8], &columns[lane%4*2+i%2])
					result[i][lane] = canonical(float32(sum + float64(math.Float32frombits(r[lane]))))
				}
			}
			for i, slot := range d {
				w.r[slot] = result[i]
			}
		}
	}
}

// dot is the sum of products in float64, where each product is exact.
func dot(a, b *[8][2]float64) float64 {
	s0 := a[0][0]*b[0][0] + a[0][1]*b[0][1] + a[1][0]*b[1][0] + a[1][1]*b[1][1]
	s1 := a[2][0]*b[2][0] + a[2][1]*b[2][1] + a[3][0]*b[3][0] + a[3][1]*b[3][1]
	s2 := a[4][0]*b[4][0] + a[4][1]*b[4][1] + a[5][0]*b[5][0] + a[5][1]*b[5][1]
	s3 := a[6][0]*b[6][0] + a[6][1]*b[6][1] + a[7][0]*b[7][0] + a[7][1]*b[7][1]
	return (s0 + s1) + (s2 + s3)
}
