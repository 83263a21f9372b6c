package emulator

import (
	"fmt"
	"math"

	"github.com/sigattn/sigattn/internal/emulator/ptx"
)

// productForm is a wgmma instruction: its shape, types and registers.
type productForm struct {
	n         int
	elements  elementType // of A
	elementsB elementType // of B; as wide
	half      bool        // accumulators are fp16 in pairs
	d, a      []int32     // slots; a is nil where A lies in shared memory
	negate    bool
	majorA    bool // contiguous along M
	majorB    bool // along N
}

// elementType is how elements of operands are read.
type elementType struct {
	bytes  int
	decode func(uint16) float32
}

// productRows is M of each warp; productBytes is the length of K.
const (
	productRows  = 16
	productBytes = 32
	maxProductN  = 256
	maxProductK  = 32
)

// tileRow is a row of A or a column of B.
type tileRow [maxProductK]float64

// noteOperands checks where the operands lie, and notes that they are read. It is false where they lie beyond shared memory.
func (w *warp) noteOperands(x *product) bool {
	ok := true
	s := &w.block.shared
	size := 4 * len(s.words)
	agent := w.matrix.group.agent
	check := s.checked()
	note := func(at int) {
		offset := at - sharedBase
		if offset < 0 || offset+chunkBytes > size {
			if ok {
				w.report(Report{Kind: OutOfBounds, Space: ptx.Shared, Address: uint64(at), Detail: fmt.Sprintf("an operand reaches there, shared memory is [%#x, %#x)", sharedBase, sharedBase+size)}, w.active)
			}
			ok = false
			return
		}
		if check {
			w.noteAgentRead(s, agent, uint32(x.group), offset/4, chunkBytes/4)
		}
	}
	if x.productForm.a == nil {
		x.eachChunkA(w.index%warpgroupWarps, func(at, _, _ int) { note(at) })
	}
	x.eachChunkB(func(at, _, _ int) { note(at) })
	return ok
}

// eachChunkA calls f with the address of each 16 bytes of A that a warp reads, and the row and element of K that they begin at.
func (x *product) eachChunkA(warp int, f func(at, row, k int)) {
	eachChunk(&x.a, x.majorA, warp*productRows, productRows, x.elements.bytes, func(at, row, k int) { f(at, row-warp*productRows, k) })
}

func (x *product) eachChunkB(f func(at, column, k int)) {
	eachChunk(&x.b, x.majorB, 0, x.n, x.elements.bytes, f)
}

func eachChunk(d *matrixDescriptor, majorMN bool, first, n, bytes int, f func(at, row, k int)) {
	if majorMN {
		for chunk := first / 8; chunk < (first+n)/8; chunk++ {
			for k := range productBytes / bytes {
				f(d.chunkMN(chunk, k), 8*chunk, k)
			}
		}
		return
	}
	for row := first; row < first+n; row++ {
		for chunk := range productBytes / chunkBytes {
			f(d.chunk(row, chunk), row, chunk*chunkBytes/bytes)
		}
	}
}

// readChunk decodes 16 bytes into rows: along K of one row, or of one k along 8 rows.
func (s *shared) readChunk(rows []tileRow, at, row, k int, majorMN bool, e elementType) {
	words := s.words[(at-sharedBase)/4:][:chunkBytes/4]
	switch {
	case e.bytes == 1:
		for i, word := range words {
			for j := range 4 {
				rows[row][k+4*i+j] = float64(e.decode(uint16(word >> (8 * j) & 0xff)))
			}
		}
	case majorMN:
		for i, word := range words {
			rows[row+2*i][k], rows[row+2*i+1][k] = float64(e.decode(uint16(word))), float64(e.decode(uint16(word>>16)))
		}
	default:
		to := rows[row][k : k+8]
		for i, word := range words {
			to[2*i], to[2*i+1] = float64(e.decode(uint16(word))), float64(e.decode(uint16(word>>16)))
		}
	}
}

// readRegisters decodes A from registers: lane 4g+q holds of rows g and g+8 the elements of K that lie in the 4 bytes q of each
// 16.
func (x *product) readRegisters(w *warp, rows []tileRow) {
	e := x.elements
	per := 4 / e.bytes
	for i, slot := range x.productForm.a {
		r := &w.r[slot]
		for lane := range lanes {
			to := &rows[lane/4+i%2*8]
			k := lane%4*per + i/2*(16/e.bytes)
			for j := range per {
				to[k+j] = float64(e.decode(uint16(r[lane] >> (8 * e.bytes * j) & (1<<(8*e.bytes) - 1))))
			}
		}
	}
}

// productTiles are operands of wgmma, decoded. A cluster's warps take turns in them, and find there the B of the last few that
// another warp of their warpgroup has computed.
type productTiles struct {
	a    [productRows]tileRow
	b    [keptTiles]columnTile
	next int // of b
}

// keptTiles is how many B are kept: those of 128 elements along K.
const keptTiles = 8

// columnTile is B of one wgmma of a warpgroup.
type columnTile struct {
	group   *warpgroup
	call    int
	columns [maxProductN]tileRow
}

// columns gives B of a product.
func (t *productTiles) columns(w *warp, x *product) []tileRow {
	group := w.matrix.group
	for i := range t.b {
		if kept := &t.b[i]; kept.group == group && kept.call == x.call {
			return kept.columns[:x.n]
		}
	}
	to := &t.b[t.next]
	t.next = (t.next + 1) % keptTiles
	to.group, to.call = group, x.call
	b := to.columns[:x.n]
	x.eachChunkB(func(at, column, k int) { w.block.shared.readChunk(b, at, column, k, x.majorB, x.elementsB) })
	return b
}

// forget empties what is kept.
func (t *productTiles) forget() {
	for i := range t.b {
		t.b[i].group = nil
	}
}

// multiplyTiles computes the warp's 16 rows, 8 columns after the other.
func (w *warp) multiplyTiles(x *product) {
	c := w.block.cluster
	if c.tiles == nil {
		c.tiles = new(productTiles)
	}
	a, b := c.tiles.a[:], c.tiles.columns(w, x)
	s := &w.block.shared
	if x.productForm.a == nil {
		x.eachChunkA(w.index%warpgroupWarps, func(at, row, k int) { s.readChunk(a, at, row, k, x.majorA, x.elements) })
	} else {
		x.readRegisters(w, a)
	}
	steps := productBytes / x.elements.bytes / 16
	var sums [productRows][8]float64
	for column := 0; column < x.n; column += 8 {
		for row := 0; row < productRows; row += 2 {
			pair := (*[2]tileRow)(a[row:])
			for j := 0; j < 8; j += 4 {
				dots((*[4]float64)(sums[row][j:]), (*[4]float64)(sums[row+1][j:]), pair, (*[4]tileRow)(b[column+j:]), steps)
			}
		}
		if x.negate {
			for row := range sums {
				for j := range sums[row] {
					sums[row][j] = -sums[row][j]
				}
			}
		}
		if x.half {
			x.accumulateHalves(w, column/8, &sums)
		} else {
			x.accumulateFloats(w, column/8, &sums)
		}
	}
}

// dots sets the sums of the products of two rows and four columns, over so many times 16 elements. Each product is exact.
func dots(first, second *[4]float64, a *[2]tileRow, b *[4]tileRow, steps int) {
	var s0, s1, s2, s3, t0, t1, t2, t3 float64
	for i := range steps {
		x, y := (*[16]float64)(a[0][16*i:]), (*[16]float64)(a[1][16*i:])
		c0, c1, c2, c3 := (*[16]float64)(b[0][16*i:]), (*[16]float64)(b[1][16*i:]), (*[16]float64)(b[2][16*i:]), (*[16]float64)(b[3][16*i:])
		for k := range x {
			u, v := x[k], y[k]
			e := c0[k]
			s0 += u * e
			t0 += v * e
			e = c1[k]
			s1 += u * e
			t1 += v * e
			e = c2[k]
			s2 += u * e
			t2 += v * e
			e = c3[k]
			s3 += u * e
			t3 += v * e
		}
	}
	*first, *second = [4]float64{s0, s1, s2, s3}, [4]float64{t0, t1, t2, t3}
}

// accumulateFloats adds sums of 8 columns to the accumulators: lane 4g+q holds of rows g and g+8 the columns 2q and 2q+1.
func (x *product) accumulateFloats(w *warp, group int, sums *[productRows][8]float64) {
	for i, slot := range x.d[4*group:][:4] {
		d := &w.r[slot]
		for lane := range d {
			sum := sums[lane/4+i/2*8][lane%4*2+i%2]
			if x.accumulate {
				sum += float64(math.Float32frombits(d[lane]))
			}
			d[lane] = canonical(float32(sum))
		}
	}
}

// accumulateHalves is accumulateFloats for accumulators of fp16, two columns in each register.
func (x *product) accumulateHalves(w *warp, group int, sums *[productRows][8]float64) {
	for i, slot := range x.d[2*group:][:2] {
		d := &w.r[slot]
		for lane := range d {
			pair := sums[lane/4+i*8][lane%4*2:][:2]
			first, second := pair[0], pair[1]
			if x.accumulate {
				first += float64(fromFP16(uint16(d[lane])))
				second += float64(fromFP16(uint16(d[lane] >> 16)))
			}
			d[lane] = uint32(toFP16(float32(first))) | uint32(toFP16(float32(second)))<<16
		}
	}
}
