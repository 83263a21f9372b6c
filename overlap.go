package sigattn

// Whether two spans share a byte is a question about integers: is there an index vector in each such that their rows'
// distance lies in (−row, row)? Dimensions in which both have the same stride need only the difference of the two
// indices. What remains is
//
//	low < distance + Σ coefficient·z < high,  z in its range, coefficients in descending order
//
// Layouts that people use are settled by residues: where the larger coefficients have a common divisor g and the smaller
// ones cannot reach a multiple of it, nothing overlaps (Q, K, V and O side by side in [batch, seq, 4, heads, dim]).
// The rest is searched from the largest coefficient down, where few values of each z can still succeed. The answer is
// exact unless the search exceeds searchSteps, which takes strides without any nesting.

// verdict is the answer to whether memory overlaps.
type verdict uint8

const (
	apart verdict = iota
	overlapping
	undecided // refused like overlapping: an overlap must not pass
)

// searchSteps bounds a search to a fraction of a millisecond.
const searchSteps = 1 << 14

// term is coefficient·z with z in [min, max].
type term struct{ coefficient, min, max int64 }

// overlap reports whether a and b share a byte.
func overlap(a, b *span) verdict {
	if a.end <= b.base || b.end <= a.base || a.empty() || b.empty() {
		return apart
	}
	return overlapWithin(a, b)
}

// overlapWithin is overlap for spans whose extremes intersect.
func overlapWithin(a, b *span) verdict {
	var terms [6]term
	n := 0
	for i, j := 0, 0; i < a.dims || j < b.dims; n++ {
		switch {
		case j == b.dims || i < a.dims && a.stride[i] > b.stride[j]:
			terms[n] = term{a.stride[i], 0, a.count[i] - 1}
			i++
		case i == a.dims || a.stride[i] < b.stride[j]:
			terms[n] = term{b.stride[j], 1 - b.count[j], 0}
			j++
		default:
			terms[n] = term{a.stride[i], 1 - b.count[j], a.count[i] - 1}
			i, j = i+1, j+1
		}
	}
	return reachable(terms[:n], int64(a.base-b.base), -a.row, b.row)
}

// overlapsItself reports whether two index vectors of s reach the same byte; repeats are not part of a span.
func overlapsItself(s *span) verdict {
	reach := s.row
	nested := true
	for i := s.dims - 1; i >= 0; i-- {
		nested = nested && s.stride[i] >= reach
		reach += s.stride[i] * (s.count[i] - 1)
	}
	if nested {
		return apart
	}
	// Two vectors differ first in dimension i, there by a positive amount without loss of generality.
	for i := range s.dims {
		var terms [3]term
		terms[i] = term{s.stride[i], 1, s.count[i] - 1}
		for j := i + 1; j < s.dims; j++ {
			terms[j] = term{s.stride[j], 1 - s.count[j], s.count[j] - 1}
		}
		if v := reachable(terms[i:s.dims], 0, -s.row, s.row); v != apart {
			return v
		}
	}
	return apart
}

// reachable answers whether low < distance + Σ terms < high has a solution.
func reachable(terms []term, distance, low, high int64) verdict {
	var least, greatest int64 // of what the terms after the current one add up to
	for _, t := range terms {
		least += t.coefficient * t.min
		greatest += t.coefficient * t.max
	}
	var divisor int64 // of the terms up to the current one
	for _, t := range terms {
		divisor = gcd(divisor, t.coefficient)
		least -= t.coefficient * t.min
		greatest -= t.coefficient * t.max
		if !multipleBetween(divisor, low-distance-greatest, high-distance-least) {
			return apart
		}
	}
	q := search{terms: terms, low: low, high: high, steps: searchSteps}
	for i := len(terms) - 1; i >= 0; i-- {
		t := terms[i]
		q.rest[i] = rest{
			least:    q.rest[i+1].least + t.coefficient*t.min,
			greatest: q.rest[i+1].greatest + t.coefficient*t.max,
			divisor:  gcd(t.coefficient, q.rest[i+1].divisor),
		}
	}
	switch {
	case q.find(0, distance):
		return overlapping
	case q.steps <= 0:
		return undecided
	}
	return apart
}

// search looks for a solution from the first term on.
type search struct {
	terms     []term
	low, high int64
	rest      [7]rest // of terms[i:]
	steps     int     // that are left
}

// rest is the range of a sum of terms and the common divisor of its coefficients.
type rest struct{ least, greatest, divisor int64 }

// find looks for values of terms[i:] that bring distance between the bounds.
func (q *search) find(i int, distance int64) bool {
	if q.steps--; q.steps <= 0 {
		return false
	}
	if i == len(q.terms) {
		return q.low < distance && distance < q.high
	}
	if !multipleBetween(q.rest[i].divisor, q.low-distance, q.high-distance) {
		return false
	}
	t, after := q.terms[i], &q.rest[i+1]
	first := max(t.min, floorDiv(q.low-distance-after.greatest, t.coefficient)+1)
	last := min(t.max, -floorDiv(-(q.high-distance-after.least), t.coefficient)-1)
	for z := first; z <= last; z++ {
		if q.find(i+1, distance+t.coefficient*z) {
			return true
		}
	}
	return false
}

// multipleBetween reports whether low < k·g < high for an integer k; g ≥ 0.
func multipleBetween(g, low, high int64) bool {
	if g == 0 {
		return low < 0 && 0 < high
	}
	return (floorDiv(low, g)+1)*g < high
}

// floorDiv is ⌊a/b⌋ for b > 0.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// gcd is the greatest common divisor of two numbers ≥ 0.
func gcd(a, b int64) int64 {
	if a == 0 {
		return b
	}
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
