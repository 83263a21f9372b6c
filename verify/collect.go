package verify

import (
	"fmt"
	"math"
	"slices"
)

// results are the bits that one mode of a case left on the device.
type results struct {
	tensors  [roles]*tensor // the mode's outputs
	dBias    []float32
	failures []string // what guard bands, poison and repetition show
}

// collect takes the outputs out of what was read and reports whatever else has changed.
func (e *execution) collect(mode Mode, workspace *memory) (*results, error) {
	r := new(results)
	if e.Repeat > 1 || e.Capture {
		e.keepOutputs(mode)
	}
	for _, of := range mode.outputs() {
		e.takeTensor(r, of)
	}
	if mode != Forward && !e.NoDBias {
		e.takeBias(r)
	}
	for i, m := range e.buffers {
		if n, first := m.changed(); n > 0 {
			r.failures = append(r.failures, fmt.Sprintf("%d elements changed outside the outputs, first %s", n, e.whereIs(i, first)))
			if err := e.do(m.upload); err != nil { // so that one fault is reported once
				return nil, err
			}
		}
	}
	if workspace != nil {
		if n, first := workspace.changed(); n > 0 {
			r.failures = append(r.failures, fmt.Sprintf("%d elements changed around the workspace, first at byte %d", n, 2*(first-workspace.windows[0].length)))
		}
	}
	return r, nil
}

// keepOutputs keeps what was read of the outputs that must repeat, for again.
func (e *execution) keepOutputs(mode Mode) {
	for i, m := range e.buffers {
		if e.mustRepeat(mode, i) {
			m.keep()
		}
	}
}

// mustRepeat reports whether equal inputs give equal bits in all of a buffer: in those of every output where the mode
// promises it, else in those of dK, dV and dbias, whose sums have one order in every mode.
func (e *execution) mustRepeat(mode Mode, buffer int) bool {
	if e.buffers[buffer] == e.dBias {
		return mode != Forward
	}
	if !mode.bitEqual() && e.holds(buffer, roleDQ) {
		return false
	}
	return e.holds(buffer, mode.outputs()...)
}

// again submits a mode once more and demands the bits that keepOutputs kept, and of dQ without that promise the values to
// within a rounding. It reads only the outputs' buffers: once has looked at everything around them.
func (e *execution) again(first *results, mode Mode, submit func() error, workspace *memory, what string) error {
	var read []*memory
	for i, m := range e.buffers {
		if e.mustRepeat(mode, i) || e.holds(i, mode.outputs()...) {
			read = append(read, m)
		}
	}
	if err := e.submit(submit, workspace, read); err != nil {
		return err
	}
	for i, m := range e.buffers {
		if !e.mustRepeat(mode, i) {
			continue
		}
		if n, at := m.unlikeKept(); n > 0 {
			first.failures = append(first.failures, fmt.Sprintf("%s: %d elements have other bits, first %s", what, n, e.whereIs(i, at)))
		}
	}
	if mode.bitEqual() {
		return nil
	}
	if far := e.farRows(first.tensors[roleDQ]); far.count > 0 {
		first.failures = append(first.failures, fmt.Sprintf("%s: %d rows of dQ have other values, first %s", what, far.count, far.first))
	}
	return nil
}

// farRows counts the rows of dQ, as last read, that are further from the first launch's than another rounding of every
// element takes them: sums in another order differ by far less, and where they round differently by that.
func (e *execution) farRows(first *tensor) (far tally) {
	f, v := e.problem.storage, e.place.views[roleDQ]
	for b := range first.batch {
		for i := range first.seqLen {
			for h := range first.heads {
				x := rowIndex{b, i, h}
				want, got := first.row(x), e.buffers[v.buffer].read(v.offset(x), int64(e.HeadDim))
				if slices.Equal(want, got) {
					continue
				}
				var errors, roundings float64
				for c := range want {
					w := f.decode(want[c])
					d, r := f.decode(got[c])-w, f.spacing(w)
					errors += d * d
					roundings += r * r
				}
				if !(errors <= roundings) {
					far.add(func() string { return fmt.Sprintf("batch %d head %d row %d", b, h, i) })
				}
			}
		}
	}
	return far
}

func (e *execution) takeTensor(r *results, of role) {
	v, n := e.place.views[of], of.extents(e.Shape)
	t := newTensor(n[0], n[1], n[2], e.HeadDim)
	var unwritten tally
	for b := range t.batch {
		for i := range t.seqLen {
			for h := range t.heads {
				x := rowIndex{b, i, h}
				if e.buffers[v.buffer].take(t.row(x), v.offset(x)) > 0 {
					unwritten.add(func() string { return fmt.Sprintf("batch %d head %d row %d", b, h, i) })
				}
			}
		}
	}
	r.tensors[of] = t
	if unwritten.count > 0 {
		r.failures = append(r.failures, fmt.Sprintf("%s: %d rows not wholly written, first %s", roleNames[of], unwritten.count, unwritten.first))
	}
}

func (e *execution) takeBias(r *results) {
	halves := make([]uint16, 2*e.HeadsQ)
	e.dBias.take(halves, e.biasOffset())
	r.dBias = make([]float32, e.HeadsQ)
	var unwritten tally
	for h := range r.dBias {
		bits := uint32(halves[2*h]) | uint32(halves[2*h+1])<<16
		r.dBias[h] = math.Float32frombits(bits)
		if bits == poisonWord {
			unwritten.add(func() string { return fmt.Sprintf("head %d", h) })
		}
	}
	if unwritten.count > 0 {
		r.failures = append(r.failures, fmt.Sprintf("dbias: %d heads not written, first %s", unwritten.count, unwritten.first))
	}
}

// whereIs describes an element of a buffer by the tensors in it.
func (e *execution) whereIs(buffer int, offset int64) string {
	m := e.buffers[buffer]
	if m == e.dBias {
		return fmt.Sprintf("at byte %d of dbias", 2*(offset-e.biasOffset()))
	}
	for r := range roles {
		v, n := e.place.views[r], r.extents(e.Shape)
		if v.buffer != buffer {
			continue
		}
		for i := range n[0] * n[1] * n[2] {
			x := rowIndex{i / n[2] / n[1], i / n[2] % n[1], i % n[2]}
			if at := offset - v.offset(x); at >= 0 && at < int64(e.HeadDim) {
				return fmt.Sprintf("in %s, batch %d head %d row %d element %d", roleNames[r], x.batch, x.head, x.seq, at)
			}
		}
	}
	first := m.length
	for r := range roles {
		if v := e.place.views[r]; v.buffer == buffer {
			first = min(first, v.origin)
		}
	}
	return fmt.Sprintf("in the guard bands or gaps of %s, %d elements from its first row", m.name, offset-first)
}
