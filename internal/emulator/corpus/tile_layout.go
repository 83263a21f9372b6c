package corpus

// tileLayout is how an operand of wgmma lies in shared memory, by the ISA's canonical layouts: rows are those of M or N,
// columns those of K.
type tileLayout struct {
	swizzle int  // bytes; 0 is none
	major   bool // contiguous along M or N, else along K
}

// tile is an operand with its layout.
type tile struct {
	layout        tileLayout
	rows, columns int
	bytes         int // of an element, 2 where the layout is contiguous along M or N
}

// place is the byte offset of an element.
//
// Without a swizzle, core matrices of 8 lines by 16 bytes lie one behind another, those along K closest for a layout along
// K and those along M or N else. With one, lines of its length lie one behind another, in panels as wide as it.
func (t tile) place(row, column int) int {
	line, along, lines := row, column, t.rows // along is in the contiguous direction
	if t.layout.major {
		line, along, lines = column, row, t.columns
	}
	at := along * t.bytes
	if t.layout.swizzle == 0 {
		across := t.along() * t.bytes / 16
		return (line/8*across+at/16)*128 + line%8*16 + at%16
	}
	w := t.layout.swizzle
	at = at/w*lines*w + line*w + at%w
	return at ^ at>>7&(w/16-1)<<4 // a chunk's number is xored with that of the 128 bytes it lies in
}

// along is the length of the contiguous direction.
func (t tile) along() int {
	if t.layout.major {
		return t.rows
	}
	return t.columns
}

// size is that of the image, in whole patterns of the widest swizzle.
func (t tile) size() int {
	lines, along := t.rows, t.along()*t.bytes
	if t.layout.major {
		lines = t.columns
	}
	if w := t.layout.swizzle; w > 0 {
		along = (along + w - 1) / w * w
	}
	return (lines*along + 1023) / 1024 * 1024
}

// image lays elements out.
func (t tile) image(element func(row, column int) uint64) []byte {
	image := make([]byte, t.size())
	for i := range t.rows {
		for j := range t.columns {
			x, at := element(i, j), t.place(i, j)
			for k := range t.bytes {
				image[at+k] = byte(x >> (8 * k))
			}
		}
	}
	return image
}

// descriptor is that of a tile at the address 0.
func (t tile) descriptor() uint64 {
	w := t.layout.swizzle
	leading, stride := 16, 8*w // bytes; with a swizzle and along K the first is not used
	switch {
	case w == 0 && !t.layout.major: // from a core matrix to the next along K, and along M or N
		leading, stride = 128, t.columns*t.bytes/16*128
	case w == 0: // from a core matrix to the next along K, and along M or N
		leading, stride = t.rows*t.bytes/16*128, 128
	case t.layout.major: // from a panel to the next, and from 8 of K to the next
		leading = t.columns * w
	}
	mode := map[int]uint64{0: 0, 128: 1, 64: 2, 32: 3}[w]
	return uint64(leading/16)<<16 | uint64(stride/16)<<32 | mode<<62
}

// step is the byte offset of the instruction number i along K, each of which takes 32 bytes of a row of K.
func (t tile) step(i int) int {
	if w := t.layout.swizzle; w > 0 && !t.layout.major {
		return 32*i/w*t.rows*w + 32*i%w
	}
	return t.place(0, 32/t.bytes*i)
}
