package verify

import (
	"math"
	"math/rand/v2"

	"github.com/sigattn/sigattn"
)

// Kind is a distribution of inputs.
type Kind string

// Kinds of inputs.
const (
	Normal       Kind = "normal"    // N(0,1)
	Outliers     Kind = "outliers"  // N(0,1) with two large channels in Q and K and one large element in 256 in V and dO
	LargeLogits  Kind = "large"     // logits of standard deviation 9: most P are near 0 or 1
	SmallLogits  Kind = "small"     // logits of standard deviation 1/64, V and dO of 1/16
	ConstantRows Kind = "constant"  // all keys equal, all values equal, dO constant within a row: errors add up
	Denormal     Kind = "denormal"  // subnormal numbers among normal ones; in fp16 V and dO are all subnormal
	NonFinite    Kind = "nonfinite" // NaN and ±∞ where some or all rows see them
	HiddenValues Kind = "hidden"    // NaN and ±∞ in keys that early queries, and queries that late keys, must not see
	Periodic     Kind = "periodic"  // N(0,1) rows that repeat with a prime period, so that whole sums stay cheap
)

// periodOfRows is prime, so that no tile divides it.
const periodOfRows = 509

// Tensors of a problem in the order that seeds count them.
const (
	seedQ = iota
	seedK
	seedV
	seedDO
	seedPlaces
)

// generate makes inputs of shape s. Equal arguments give equal bits. Each row has a generator of its own, so that rows
// are made in parallel.
func generate(kind Kind, s Shape, f *storage, mask sigattn.Mask, seed uint64, on *pool) inputs {
	in := inputs{q: s.newQ(), k: s.newK(), v: s.newK(), dO: s.newQ()}
	if kind == Periodic {
		in.period = periodOfRows
	}
	for id, t := range []*tensor{in.q, in.k, in.v, in.dO} {
		on.each(t.batch*t.seqLen, func(i int) {
			for h := range t.heads {
				x := rowIndex{i / t.seqLen, i % t.seqLen, h}
				fill(t.row(x), f, kind, id, rowSource(kind, id, t, x, seed))
			}
		})
	}
	switch kind {
	case NonFinite:
		placeVisible(in, f, seed)
	case HiddenValues:
		placeHidden(in, f, s, mask, seed)
	}
	return in
}

// rowSource is the generator of one row; rows that are to be equal share one.
func rowSource(kind Kind, id int, t *tensor, x rowIndex, seed uint64) *rand.Rand {
	switch {
	case kind == Periodic:
		x.seq %= periodOfRows
	case kind == ConstantRows && (id == seedK || id == seedV):
		x.seq = 0
	}
	row := uint64((x.batch*t.seqLen+x.seq)*t.heads + x.head)
	return rand.New(rand.NewPCG(seed<<3|uint64(id), row))
}

// fill makes one row of the tensor id.
func fill(row []uint16, f *storage, kind Kind, id int, r *rand.Rand) {
	ofLogits := id == seedQ || id == seedK
	common := r.NormFloat64()
	for c := range row {
		x := r.NormFloat64()
		switch kind {
		case Outliers:
			if ofLogits && (c == 1 || c == len(row)-2) {
				x *= 8
			}
			if !ofLogits && r.IntN(256) == 0 {
				x *= 16
			}
		case LargeLogits:
			if ofLogits {
				x *= 3
			}
		case SmallLogits:
			if ofLogits {
				x /= 8
			} else {
				x /= 16
			}
		case ConstantRows:
			if id == seedDO {
				x = common
			}
		case Denormal:
			x = denormal(x, f, id, r)
		}
		row[c] = f.encode(x)
	}
}

// denormal makes x subnormal: in fp16 throughout V and dO, whose float32 products are normal numbers; else, and in
// bf16, whose subnormal products float32 may flush, in one element in four, among normal ones that outweigh it.
func denormal(x float64, f *storage, id int, r *rand.Rand) float64 {
	everywhere := f == float16 && (id == seedV || id == seedDO)
	if everywhere || r.IntN(4) == 0 {
		return x / 8 * math.Ldexp(1, f.minExponent)
	}
	return x
}

// placeVisible puts one non-finite element into one tensor of each (batch, head) in turn, and leaves every fifth alone.
// Its place is random, so that under a causal mask some rows see it and some do not.
func placeVisible(in inputs, f *storage, seed uint64) {
	r := rand.New(rand.NewPCG(seed<<3|seedPlaces, 0))
	values := []float64{math.NaN(), math.Inf(1), math.Inf(-1)}
	n := 0
	for b := range in.q.batch {
		for h := range in.k.heads {
			t := []*tensor{in.v, in.q, in.dO, in.k, nil}[n%5]
			if t != nil && t.seqLen > 0 {
				head := h * (t.heads / in.k.heads)
				t.row(rowIndex{b, r.IntN(t.seqLen), head})[r.IntN(t.headDim)] = f.encode(values[n/5%3])
			}
			n++
		}
	}
}

// placeHidden puts non-finite elements into the last keys and the first queries. Queries before see none of the former
// and keys behind none of the latter under a causal mask; under a full mask every row sees them in a head that has any,
// so the odd heads have none.
func placeHidden(in inputs, f *storage, s Shape, mask sigattn.Mask, seed uint64) {
	r := rand.New(rand.NewPCG(seed<<3|seedPlaces, 0))
	values := []float64{math.NaN(), math.Inf(1), math.Inf(-1)}
	spoil := func(t *tensor, from, to int) {
		for b := range t.batch {
			for h := range t.heads {
				if mask == sigattn.Full && h*in.k.heads/t.heads%2 == 1 {
					continue
				}
				for i := from; i < to; i++ {
					t.row(rowIndex{b, i, h})[r.IntN(t.headDim)] = f.encode(values[r.IntN(3)])
				}
			}
		}
	}
	spoil(in.k, s.SeqLenK-s.SeqLenK/3, s.SeqLenK)
	spoil(in.v, s.SeqLenK-s.SeqLenK/3, s.SeqLenK)
	spoil(in.q, 0, s.SeqLenQ/3)
	spoil(in.dO, 0, s.SeqLenQ/3)
}
