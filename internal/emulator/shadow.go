package emulator

// Races in shared memory are found by vector clocks of warps, and of what works beside them (agents.go). The shadow holds each
// word's last write and, for every warp, its last read, with the epoch of the warp in which that was. Two accesses of which one writes race unless the epoch of the
// earlier is known to the later's warp, through barriers; within a warp, unless one lane makes both or a bar.warp.sync or
// barrier lies between. A cp.async writes from when it is issued until its thread has waited for it.
//
// Nothing is made up; some races are missed. Two writes of the same value are let pass, as they are where every thread of a
// block sets one flag. Of accesses to parts of one word only the last is kept, so that it may hide an earlier one from a
// third. And what happens to come in order in every run, by barriers that are there for something else, is in order.

// writeShadow packs the last write to a word: epoch 22 | step 20 | in flight 1 | agent 8 | lane 5 | bytes 4 | bytes ever
// written 4. An agent is a warp, or what acts beside warps: see agents.go.
type writeShadow uint64

// readShadow packs a warp's last reads of a word: epoch 22 | step 20 | unused 11 | overwritten 1 | bytes 4 | reader 6, which is
// a lane or one of the below.
type readShadow uint64

const (
	readerMany = 32 // several lanes in one epoch
	readerWarp = 33 // the warp as a whole, which orders it with the warp's later instructions
)

const inFlight = writeShadow(1) << 21

// overwritten marks reads that an ordinary write came after.
const overwritten = readShadow(1) << 10

func makeWrite(epoch uint32, step, agent, lane int, bytes uint8) writeShadow {
	return writeShadow(epoch)<<42 | writeShadow(step&0xfffff)<<22 | writeShadow(agent)<<13 | writeShadow(lane)<<8 | writeShadow(bytes)<<4 | writeShadow(bytes)
}

func (s writeShadow) epoch() uint32  { return uint32(s >> 42) }
func (s writeShadow) step() int      { return int(s >> 22 & 0xfffff) }
func (s writeShadow) warp() int      { return int(s >> 13 & 0xff) }
func (s writeShadow) lane() int      { return int(s >> 8 & 31) }
func (s writeShadow) bytes() uint8   { return uint8(s >> 4 & 15) }
func (s writeShadow) written() uint8 { return uint8(s & 15) }

func makeRead(epoch uint32, step int, bytes uint8, reader int) readShadow {
	return readShadow(epoch)<<42 | readShadow(step&0xfffff)<<22 | readShadow(bytes)<<6 | readShadow(reader)
}

func (s readShadow) epoch() uint32 { return uint32(s >> 42) }
func (s readShadow) step() int     { return int(s >> 22 & 0xfffff) }
func (s readShadow) bytes() uint8  { return uint8(s >> 6 & 15) }
func (s readShadow) reader() int   { return int(s & 63) }

const wholeWord = 15

// noteRead checks that a lane may read n words from one on, of which bytes says the bytes of each, and notes that it does.
func (w *warp) noteRead(lane, reader, word, n int, bytes uint8) {
	w.noteReadOf(&w.block.shared, lane, reader, word, n, bytes)
}

// noteReadOf is noteRead in a block's shared memory.
func (w *warp) noteReadOf(s *shared, lane, reader, word, n int, bytes uint8) {
	mine := s.readsOf(w.id)[word : word+n]
	now := makeRead(w.clock[w.id], w.at, bytes, reader)
	var known writeShadow // a write that was found in order
	for i, last := range s.writes[word : word+n] {
		if last != known || last == 0 {
			if last.written()&bytes != bytes {
				w.reportShared(Uninitialised, lane, word+i, "nothing has written these bytes")
			} else if last.bytes()&bytes != 0 && !w.follows(last, lane) {
				w.reportRace(lane, word+i, "reads", last)
			}
			known = last
		}
		switch old := mine[i]; {
		case old == now:
		case old.epoch() == now.epoch() && old.reader() != reader && old.reader() != readerWarp:
			mine[i] = makeRead(now.epoch(), w.at, bytes|old.bytes(), readerMany)
		default:
			mine[i] = now
		}
	}
}

// follows reports whether a write happened before what a lane does now.
func (w *warp) follows(last writeShadow, lane int) bool {
	switch {
	case last == 0:
		return true
	case last&inFlight != 0:
		return false
	case last.warp() != w.id:
		return last.epoch() <= w.clock[last.warp()]
	}
	return last.lane() == lane || last.epoch() < w.clock[w.id]
}

// noteWrite checks that a lane may write words from one on, and notes that it does; bytes says the bytes of each, flying
// is inFlight where the write is asynchronous. Writes of what is there already may come in any order.
func (w *warp) noteWrite(lane, word int, values []uint32, bytes uint8, flying writeShadow) {
	w.noteWriteOf(&w.block.shared, lane, word, values, bytes, flying)
}

// noteWriteOf is noteWrite in a block's shared memory.
func (w *warp) noteWriteOf(s *shared, lane, word int, values []uint32, bytes uint8, flying writeShadow) {
	now := makeWrite(w.clock[w.id], w.at, w.id, lane, bytes) | flying
	n := len(values)
	for i, value := range values {
		last := s.writes[word+i]
		if last.bytes()&bytes != 0 && !w.follows(last, lane) && ((last|flying)&inFlight != 0 || value != s.words[word+i]) {
			w.reportRace(lane, word+i, "writes", last)
		}
		s.writes[word+i] = now | writeShadow(last.written())
	}
	w.checkReaders(s, lane, word, n, bytes)
	if a := &w.block.cluster.agents; a.fences {
		markOverwritten(s.reads[:a.warps], word, n, bytes)
	}
}

// markOverwritten marks warps' reads of words from one on of which all bytes are written.
func markOverwritten(all [][]readShadow, word, n int, bytes uint8) {
	for _, reads := range all {
		if reads == nil {
			continue
		}
		for i, r := range reads[word : word+n] {
			if r != 0 && r.bytes()&^bytes == 0 {
				reads[word+i] = r | overwritten
			}
		}
	}
}

// checkReaders reports reads that nothing orders before what a lane writes.
func (w *warp) checkReaders(s *shared, lane, word, n int, bytes uint8) {
	for other, reads := range s.reads {
		if reads == nil {
			continue
		}
		known := w.clock[other]
		for i, r := range reads[word : word+n] {
			if r.epoch() < known || r.bytes()&bytes == 0 {
				continue
			}
			if other == w.id {
				if r.reader() != lane && r.reader() != readerWarp {
					w.reportReadRace(lane, word+i, other, r)
				}
			} else if r.epoch() > known {
				w.reportReadRace(lane, word+i, other, r)
			}
		}
	}
}

// land makes a write that was in flight one of now, by the lane that waited for it.
func (w *warp) land(step, lane, word, n int) {
	now := makeWrite(w.clock[w.id], step, w.id, lane, wholeWord)
	for i := range w.block.shared.writes[word : word+n] {
		w.block.shared.writes[word+i] = now
	}
}
