package emulator

// shared is a block's shared memory in words, from sharedBase on, and what is known of each word.
//
// How races are found is in shadow.go.
type shared struct {
	words  []uint32
	writes []writeShadow
	reads  [][]readShadow // by agent; nil until its first
}

// sharedPoison is what shared memory holds before it is written: a NaN in every type.
const sharedPoison = 0xffffffff

func newShared(bytes, agents int, checked bool) shared {
	n := (bytes + 3) / 4
	s := shared{words: make([]uint32, n)}
	if checked {
		s.writes = make([]writeShadow, n)
		s.reads = make([][]readShadow, agents)
	}
	return s
}

// clear makes everything undefined.
func (s *shared) clear() {
	for i := range s.words {
		s.words[i] = sharedPoison
	}
	clear(s.writes)
	for _, r := range s.reads {
		clear(r)
	}
}

// checked reports whether accesses are noted.
func (s *shared) checked() bool { return s.writes != nil }

// load reads n ≤ 8 bytes at an offset that is a multiple of n.
func (s *shared) load(offset, n int) uint64 {
	word := offset / 4
	switch n {
	case 4:
		return uint64(s.words[word])
	case 8:
		return uint64(s.words[word]) | uint64(s.words[word+1])<<32
	}
	return uint64(s.words[word]>>(8*(offset%4))) & (1<<(8*n) - 1)
}

// merge is a word of which n < 4 bytes at an offset are replaced.
func merge(word, x uint32, offset, n int) uint32 {
	shift := 8 * (offset % 4)
	mask := uint32(1<<(8*n)-1) << shift
	return word&^mask | x<<shift&mask
}

// bytesOf is which bytes of its word an access of n bytes touches.
func bytesOf(offset, n int) uint8 {
	if n >= 4 {
		return wholeWord
	}
	return (1<<n - 1) << (offset % 4)
}
