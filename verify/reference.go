package verify

import "math"

// The reference computes, in float64, every output row as a sum over the rows of the opposite side that it shares a
// visible pair with. Seen from either side the mathematics has one shape: a fixed row (a, b) and streamed rows (a', b')
//
//	s = scale·a·a' + bias    P = σ(s)    dP = b·b'    dS = P(1−P)·dP
//	Σ P·b'   and   scale·Σ dS·a'
//
// where a query fixes (Q, dO), streams (K, V) and gains O and dQ, and a key fixes (K, V), streams (Q, dO) of every
// query head of its group and gains dV and dK. An invisible pair takes no part at all, so that what is NaN or infinite
// in it cannot matter. Beside each sum runs the floor's: the same with P and dS rounded to the storage type.

// rows are the reference's results for some rows of one output.
type rows struct {
	index []rowIndex
	dim   int
	exact []float64 // [len(index)][dim], in float64
	floor []float64 // the same with P and dS rounded to the storage precision and the result to the storage type
	noise []float64 // per row: the floor's expected squared error, each rounding taken as uniform over its interval
	slack []float64 // per row: first-order bound of float32 evaluation's error, in units of 2^-24
	pairs []int     // per row: visible pairs; where 0 the row is exactly 0
}

func newRows(index []rowIndex, dim int) *rows {
	n := len(index)
	return &rows{index, dim, make([]float64, n*dim), make([]float64, n*dim), make([]float64, n), make([]float64, n), make([]int, n)}
}

// at is row i of x, one of the results' slices.
func (r *rows) at(x []float64, i int) []float64 { return x[i*r.dim : (i+1)*r.dim] }

// headSums are the reference's bias gradients, per query head.
type headSums struct {
	exact, floor []float64
	noise        []float64 // expected squared error of the floor
	slack        []float64 // as of rows
	coherent     []float64 // Σ dP·dσ, for dσ the error that the sigmoid mode is documented to allow P, of one sign
}

func newHeadSums(heads int) *headSums {
	x := make([]float64, 5*heads)
	return &headSums{x[:heads:heads], x[heads : 2*heads : 2*heads], x[2*heads : 3*heads : 3*heads], x[3*heads : 4*heads : 4*heads], x[4*heads:]}
}

// reference are the results for one problem. Outputs that were not wanted are nil.
type reference struct {
	o, dQ, dK, dV *rows
	dBias         *headSums
}

// Sizes of the reference's working set: fixed rows of one task, and streamed rows decoded at a time.
const (
	fixedRows    = 32
	streamedRows = 64
)

// wanted says which rows the reference computes.
type wanted struct {
	queries, keys []rowIndex // sorted
	dBias         bool       // needs every query row, or periodic inputs
}

// compute runs the reference on the pool.
func compute(p *problem, w wanted, on *pool) *reference {
	backward := p.inputs.dO != nil
	r := &reference{o: newRows(w.queries, p.HeadDim)}
	queries := &side{problem: p, mixed: r.o, seq: p.keysOf}
	if backward {
		r.dQ = newRows(w.queries, p.HeadDim)
		queries.gradient = r.dQ
	}
	tasks := queries.tasks(func(x rowIndex) (fixed source, streamed []source) {
		kv := rowIndex{batch: x.batch, head: x.head / p.group()}
		return source{p.inputs.q, p.inputs.dO, x}, []source{{p.inputs.k, p.inputs.v, kv}}
	})
	if backward {
		r.dK, r.dV = newRows(w.keys, p.HeadDim), newRows(w.keys, p.HeadDim)
		keys := &side{problem: p, mixed: r.dV, gradient: r.dK, seq: p.queriesOf}
		tasks = append(tasks, keys.tasks(func(x rowIndex) (fixed source, streamed []source) {
			for h := x.head * p.group(); h < (x.head+1)*p.group(); h++ {
				streamed = append(streamed, source{p.inputs.q, p.inputs.dO, rowIndex{batch: x.batch, head: h}})
			}
			return source{p.inputs.k, p.inputs.v, x}, streamed
		})...)
	}
	on.each(len(tasks), func(i int) { tasks[i].run() })
	if backward && w.dBias {
		if p.inputs.period > 0 {
			r.dBias = periodicBias(p, on)
		} else {
			r.dBias = sumBias(p, tasks)
		}
	}
	return r
}

// sumBias adds the tasks' shares in their order.
func sumBias(p *problem, tasks []*task) *headSums {
	sums := newHeadSums(p.HeadsQ)
	for _, t := range tasks {
		if t.ofQueries() {
			sums.add(t.mixed.index[t.from].head, t.dBias)
		}
	}
	return sums
}

// side is the mathematics seen from one side.
type side struct {
	*problem
	mixed    *rows                    // gains Σ P·b'
	gradient *rows                    // gains scale·Σ dS·a', or nil
	seq      func(int) (from, to int) // streamed rows that a fixed one sees
}

// source names the sequence of rows (a, b) of one batch and head. b is nil where there is no gradient to compute.
type source struct {
	a, b *tensor
	rowIndex
}

// task computes the fixed rows from..to−1 of a side's results, which share batch and head.
type task struct {
	*side
	from, to int
	fixed    source
	streamed []source
	dBias    biasSum
}

// biasSum is a share of one head's bias gradient.
type biasSum struct{ exact, floor, noise, slack, coherent float64 }

func (s *headSums) add(head int, b biasSum) {
	s.exact[head] += b.exact
	s.floor[head] += b.floor
	s.noise[head] += b.noise
	s.slack[head] += b.slack
	s.coherent[head] += b.coherent
}

// ofQueries reports whether the fixed rows are queries.
func (t *task) ofQueries() bool { return t.fixed.a == t.inputs.q }

// tasks cuts the side's rows into tasks; sources says where a row's data are.
func (s *side) tasks(sources func(rowIndex) (source, []source)) []*task {
	var tasks []*task
	index := s.mixed.index
	for from := 0; from < len(index); {
		to := from + 1
		for to < len(index) && to < from+fixedRows && index[to].batch == index[from].batch && index[to].head == index[from].head {
			to++
		}
		t := &task{side: s, from: from, to: to}
		t.fixed, t.streamed = sources(index[from])
		tasks = append(tasks, t)
		from = to
	}
	return tasks
}

// decoded holds rows of one tensor in float64, and the norm of each over its finite elements.
type decoded struct{ values, norms []float64 }

func newDecoded(n, dim int) *decoded { return &decoded{make([]float64, n*dim), make([]float64, n)} }

// load decodes one row into place i.
func (d *decoded) load(i int, f *storage, bits []uint16) {
	row := d.values[i*len(bits) : (i+1)*len(bits)]
	var squares float64
	for c, b := range bits {
		x := float64(f.decoded[b])
		row[c] = x
		if x-x == 0 {
			squares += x * x
		}
	}
	d.norms[i] = math.Sqrt(squares)
}

// weights are what one fixed row's pairs with the streamed rows at hand weigh.
type weights struct {
	p, rest, pRounded, dS, dSRounded [streamedRows]float64 // rest is 1−P
}

func (t *task) run() {
	n, d := t.to-t.from, t.HeadDim
	a, b := newDecoded(n, d), newDecoded(n, d)
	lowest, highest := math.MaxInt, 0
	from, to := make([]int, n), make([]int, n)
	for i := range n {
		x := t.mixed.index[t.from+i]
		a.load(i, t.storage, t.fixed.a.row(x))
		if t.gradient != nil {
			b.load(i, t.storage, t.fixed.b.row(x))
		}
		from[i], to[i] = t.seq(x.seq)
		if from[i] < to[i] {
			lowest, highest = min(lowest, from[i]), max(highest, to[i])
		}
	}
	streamedA, streamedB := newDecoded(streamedRows, d), newDecoded(streamedRows, d)
	var s, dP [2][streamedRows]float64
	var w weights
	for _, source := range t.streamed {
		for j0 := lowest; j0 < highest; j0 += streamedRows {
			m := min(streamedRows, highest-j0)
			for j := range m {
				x := rowIndex{source.batch, j0 + j, source.head}
				streamedA.load(j, t.storage, source.a.row(x))
				if source.b != nil {
					streamedB.load(j, t.storage, source.b.row(x))
				}
			}
			for i0 := 0; i0 < n; i0 += 2 {
				i1 := min(i0+1, n-1)
				first, last := min(from[i0], from[i1]), max(to[i0], to[i1])
				first, last = max(first-j0, 0), min(last-j0, m)
				if first >= last {
					continue
				}
				dots(s[0][first:last], s[1][first:last], rowOf(a, i0, d), rowOf(a, i1, d), streamedA.values[first*d:])
				if t.gradient != nil {
					dots(dP[0][first:last], dP[1][first:last], rowOf(b, i0, d), rowOf(b, i1, d), streamedB.values[first*d:])
				}
				for i := i0; i < min(i0+2, n); i++ {
					first, last := max(from[i]-j0, 0), min(to[i]-j0, m)
					if first < last {
						t.pairs(i, first, last, a.norms[i], b.norms[i], &s[i-i0], &dP[i-i0], &w, streamedA, streamedB)
					}
				}
			}
		}
	}
	t.finish()
}

func rowOf(x *decoded, i, d int) []float64 { return x.values[i*d : (i+1)*d] }

// pairs adds the streamed rows first..last−1 at hand to fixed row i: s and dP hold a·a' and b·b'.
func (t *task) pairs(i, first, last int, normA, normB float64, s, dP *[streamedRows]float64, w *weights, a, b *decoded) {
	r, d := t.from+i, t.HeadDim
	scale := math.Abs(t.scale)
	t.mixed.pairs[r] += last - first
	for j := first; j < last; j++ {
		p, q := sigmoid(t.scale*s[j] + t.bias)
		logit := 1 + q*(scale*normA*a.norms[j]+math.Abs(t.bias)) // P's float32 error, relative, in 2^-24
		noise := square(t.sigmoid.absolute) + t.noiseOfP(p, q)
		w.p[j], w.rest[j], w.pRounded[j] = p, q, t.storage.roundPrecision(p)
		addFinite(&t.mixed.noise[r], noise*square(b.norms[j]))
		addFinite(&t.mixed.slack[r], p*logit*b.norms[j])
	}
	accumulate(t.mixed.at(t.mixed.exact, r), t.mixed.at(t.mixed.floor, r), w.p[first:last], w.pRounded[first:last], b.values[first*d:])
	if t.gradient == nil {
		return
	}
	t.gradient.pairs[r] += last - first
	for j := first; j < last; j++ {
		e := t.dS(w.p[j], w.rest[j], dP[j], scale*normA*a.norms[j], normB*b.norms[j])
		w.dS[j], w.dSRounded[j] = e.exact, e.floor
		addFinite(&t.gradient.noise[r], e.noise*square(scale*a.norms[j]))
		addFinite(&t.gradient.slack[r], e.slack*scale*a.norms[j])
		t.dBias.add(e, 1)
	}
	accumulate(t.gradient.at(t.gradient.exact, r), t.gradient.at(t.gradient.floor, r), w.dS[first:last], w.dSRounded[first:last], a.values[first*d:])
}

// dS is one pair's share of the bias gradient: dS itself and what its evaluation costs. logit and product are the sums
// of absolute terms of s, without the bias, and of dP.
func (p *problem) dS(prob, rest, dP, logit, product float64) biasSum {
	slope := prob * rest
	exact := slope * dP
	bySigmoid := (rest - prob) * dP // d(dS)/dP, P's own error
	return biasSum{
		exact:    exact,
		floor:    p.storage.roundPrecision(exact),
		noise:    square(p.storage.precisionSpacing(exact))/12 + square(p.sigmoid.absolute*bySigmoid),
		slack:    slope * (math.Abs(dP)*(1+logit+math.Abs(p.bias)) + product),
		coherent: (p.sigmoid.relative*prob + p.sigmoid.absolute) * bySigmoid,
	}
}

// add adds n times e. What is not finite counts in the sums that are compared, not in those that bound them.
func (b *biasSum) add(e biasSum, n float64) {
	b.exact += n * e.exact
	b.floor += n * e.floor
	addFinite(&b.noise, square(n)*e.noise)
	addFinite(&b.slack, n*e.slack)
	addFinite(&b.coherent, n*e.coherent)
}

// finish scales the gradient, rounds the floor to storage and adds what that rounding costs.
func (t *task) finish() {
	for r := t.from; r < t.to; r++ {
		t.storeRow(t.mixed, r, 1)
		if t.gradient != nil {
			t.storeRow(t.gradient, r, t.scale)
		}
	}
}

func (t *task) storeRow(x *rows, r int, scale float64) {
	if x.pairs[r] == 0 {
		return // exactly 0: no rounding
	}
	exact, floor := x.at(x.exact, r), x.at(x.floor, r)
	for c := range exact {
		exact[c] *= scale
		floor[c] = t.storage.round(floor[c] * scale)
		if exact[c] != 0 {
			addFinite(&x.noise[r], square(t.storage.spacing(exact[c]))/12)
		}
	}
}

// noiseOfP is the expected squared error of rounding P: uniform over the interval, but no more than 1−P, which is what
// rounding to 1 costs.
func (p *problem) noiseOfP(prob, rest float64) float64 {
	return min(square(p.storage.precisionSpacing(prob))/12, square(rest))
}

// sigmoid is σ(x) and 1−σ(x), both to full relative accuracy.
func sigmoid(x float64) (p, rest float64) {
	e := math.Exp(-math.Abs(x))
	p, rest = 1/(1+e), e/(1+e)
	if x < 0 {
		return rest, p
	}
	return p, rest
}

func square(x float64) float64 { return x * x }

// addFinite adds x where it is finite.
func addFinite(sum *float64, x float64) {
	if x-x == 0 {
		*sum += x
	}
}
