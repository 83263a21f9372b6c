package verify

import (
	"fmt"
	"math"
)

// The criterion. An output passes where
//
//	‖out − exact‖₂² ≤ (κ·‖floor − exact‖₂)² + (4·2⁻²⁴·‖A‖₂)²,  κ = 1.25
//
// floor being the float64 computation with only P, dS and the result rounded to the storage type. The second term is
// for outputs whose roundings happen to cost nothing: A is, per row, the sum of the absolute terms of every float32 sum
// that leads to it, so 4·2⁻²⁴·A is a few ulps of what a float32 kernel really adds up. The terms' errors are
// independent, so they add as squares, and where rounding costs what it usually does the second is lost in the first.
//
// Over few rows the floor itself is a matter of luck: with one row, P may round to within a thousandth of an ulp. Below
// minRows independent rows the floor is therefore at least its expectation (every rounding error uniform over its
// interval), and κ grows by 1/√N − 1/√minRows, about two standard deviations of a root mean square over N samples; at
// minRows that is 0. N weighs the rows by their share of the noise.
//
// An L2 norm over many rows hides one bad row, so each row must also keep within rowFactor times its own floor or
// expected floor, whichever is larger, and 4·2⁻²⁴·A.
//
// The bias gradient is float32 and sums every rounding error away, so what remains is the sigmoid's own error, which
// no other output shows: the sum that errors of the documented size and of one sign would leave is allowed besides.
const (
	floorFactor = 1.25
	rowFactor   = 6
	minRows     = 256
	ulps        = 4 * 0x1p-24
	tiny        = 0x1p-126 // float32 arithmetic may flush what is smaller
)

// Output is how one output of a launch compares with the reference. Errors are relative to the reference's L2 norm, or
// absolute where that is 0.
type Output struct {
	Name     string   `json:"name"`               // O, dQ, dK, dV or dbias
	Rows     int      `json:"rows"`               // compared; heads for dbias
	RelL2    float64  `json:"rel_l2"`             // error
	Floor    float64  `json:"floor"`              // what rounding to the storage type alone costs
	Limit    float64  `json:"limit"`              // the largest error that passes
	Ratio    float64  `json:"ratio"`              // RelL2 / Floor, 0 where the floor is 0
	MaxAbs   float64  `json:"max_abs"`            // largest absolute error of an element
	WorstRow float64  `json:"worst_row"`          // largest error of a row in units of its own floor
	Failures []string `json:"failures,omitempty"` // why it does not pass
	NotDone  string   `json:"not_done,omitempty"` // why it was not compared
}

// Pass reports whether nothing failed.
func (o Output) Pass() bool { return len(o.Failures) == 0 }

// measure adds up one output's errors.
type measure struct {
	out                            Output
	name                           func(row int) string
	errors, exact, floor           float64 // squares, over elements whose reference is finite
	noise, noise2, slack, coherent float64 // Σ noise, Σ noise², Σ slack², Σ coherent²
	elements                       int
	classes, rows, zeros           tally
}

// tally counts failures of one kind and keeps the first.
type tally struct {
	count int
	first string
}

func (t *tally) add(describe func() string) {
	if t.count++; t.count == 1 {
		t.first = describe()
	}
}

func (t *tally) report(to *Output, what string) {
	if t.count > 0 {
		to.Failures = append(to.Failures, fmt.Sprintf("%d %s, first %s", t.count, what, t.first))
	}
}

// compareRows holds got to the reference's rows.
func compareRows(p *problem, name string, want *rows, got *tensor) Output {
	m := measure{out: Output{Name: name}, name: func(i int) string {
		x := want.index[i]
		return fmt.Sprintf("batch %d head %d row %d", x.batch, x.head, x.seq)
	}}
	gradient := name != "O"
	values, expected := make([]float64, want.dim), make([]float64, want.dim)
	for i, x := range want.index {
		exact := want.at(want.exact, i)
		for c, bits := range got.row(x) {
			values[c] = p.storage.decode(bits)
			expected[c] = p.storage.round(exact[c])
		}
		if want.pairs[i] == 0 {
			m.zeroRow(i, values)
			continue
		}
		m.row(i, values, exact, expected, want.at(want.floor, i), want.noise[i], want.slack[i], 0, gradient)
	}
	return m.finish()
}

// compareBias holds a bias gradient to the reference's.
func compareBias(want *headSums, got []float32) Output {
	m := measure{out: Output{Name: "dbias"}, name: func(i int) string { return fmt.Sprintf("head %d", i) }}
	for h, g := range got {
		exact := want.exact[h : h+1]
		expected := []float64{float64(float32(exact[0]))}
		floor := []float64{float64(float32(want.floor[h]))}
		m.row(h, []float64{float64(g)}, exact, expected, floor, want.noise[h], want.slack[h], want.coherent[h], true)
	}
	return m.finish()
}

// zeroRow checks a row without visible pairs.
func (m *measure) zeroRow(i int, values []float64) {
	m.out.Rows++
	for c, v := range values {
		if v != 0 {
			m.zeros.add(func() string { return fmt.Sprintf("%s element %d: %g", m.name(i), c, v) })
		}
	}
}

// row adds one row: values against exact, both of one length. expected is exact as the output's type holds it.
func (m *measure) row(i int, values, exact, expected, floor []float64, noise, slack, coherent float64, gradient bool) {
	m.out.Rows++
	var errors, lost float64
	for c, v := range values {
		if !finite(expected[c]) || !finite(v) {
			if !sameClass(v, expected[c], gradient) {
				m.classes.add(func() string {
					return fmt.Sprintf("%s element %d: %g, the reference is %g", m.name(i), c, v, expected[c])
				})
			}
			continue
		}
		e := math.Abs(v - exact[c])
		m.out.MaxAbs = max(m.out.MaxAbs, e)
		m.elements++
		errors += e * e
		m.exact += square(exact[c])
		addFinite(&lost, square(floor[c]-exact[c]))
	}
	m.errors += errors
	m.floor += lost
	m.noise += noise
	m.noise2 += square(noise)
	m.slack += square(slack)
	m.coherent += square(coherent)
	unit := math.Sqrt(max(lost, noise) + square(ulps*slack) + square(coherent) + float64(len(values))*square(tiny))
	worst := math.Sqrt(errors) / unit
	m.out.WorstRow = max(m.out.WorstRow, worst)
	if worst > rowFactor {
		m.rows.add(func() string { return fmt.Sprintf("%s: %.1f times", m.name(i), worst) })
	}
}

// sameClass reports whether a value agrees with a NaN or infinite reference. A gradient's NaN that is 0·∞, the 0 being
// P(1−P) of a saturated sigmoid, may be an infinity in a kernel whose 1−P is not quite 0.
func sameClass(v, want float64, gradient bool) bool {
	if math.IsNaN(want) {
		return math.IsNaN(v) || gradient && math.IsInf(v, 0)
	}
	return v == want
}

func finite(x float64) bool { return x-x == 0 }

// finish applies the criterion to what was added up.
func (m *measure) finish() Output {
	floor, factor := m.floor, floorFactor
	if m.noise > 0 {
		if n := square(m.noise) / m.noise2; n < minRows {
			floor = max(m.floor, m.noise)
			factor += 1/math.Sqrt(n) - 1/math.Sqrt(minRows)
		}
	}
	limit := math.Sqrt(square(factor)*floor + square(ulps)*m.slack + m.coherent + float64(m.elements)*square(tiny))
	norm := math.Sqrt(m.exact)
	if norm == 0 {
		norm = 1
	}
	o := &m.out
	o.RelL2, o.Floor, o.Limit = math.Sqrt(m.errors)/norm, math.Sqrt(floor)/norm, limit/norm
	if o.Floor > 0 {
		o.Ratio = o.RelL2 / o.Floor
	}
	if !(o.RelL2 <= o.Limit) {
		o.Failures = append(o.Failures, fmt.Sprintf("relative L2 error %.3g is above %.3g (floor %.3g)", o.RelL2, o.Limit, o.Floor))
	}
	m.rows.report(o, fmt.Sprintf("rows err by more than %d times their floor", rowFactor))
	m.classes.report(o, "elements differ in being NaN or infinite")
	m.zeros.report(o, "elements of rows without visible pairs are not 0")
	return m.out
}
