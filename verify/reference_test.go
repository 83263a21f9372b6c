package verify

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/sigattn/sigattn"
)

// testPool is every test's.
var testPool = newPool(2)

// newProblem is a problem with seeded inputs and default scale and bias.
func newProblem(s Shape, f *storage, mask sigattn.Mask, kind Kind, seed uint64) *problem {
	return &problem{
		Shape: s, storage: f, mask: mask, sigmoid: sigmoidErrorOf(sigattn.Accurate, sigattn.BF16),
		scale: defaultScale(s), bias: defaultBias(s), inputs: generate(kind, s, f, mask, seed, testPool),
	}
}

// reals is a tensor in float64.
func reals(t *tensor, f *storage) []float64 {
	x := make([]float64, len(t.bits))
	for i, b := range t.bits {
		x[i] = f.decode(b)
	}
	return x
}

// plainForward is O by the definition, one sum at a time; q, k, v are laid out as the tensors. It shares nothing with
// the reference but the meaning.
func plainForward(p *problem, q, k, v []float64, bias []float64) []float64 {
	s := p.Shape
	at := func(seqLen, heads, b, i, h, c int) int { return ((b*seqLen+i)*heads+h)*s.HeadDim + c }
	o := make([]float64, len(q))
	for b := range s.Batch {
		for h := range s.HeadsQ {
			hk := h * s.HeadsKV / s.HeadsQ
			for i := range s.SeqLenQ {
				for j := range s.SeqLenK {
					if p.mask == sigattn.Causal && j > i+s.SeqLenK-s.SeqLenQ {
						continue
					}
					logit := bias[h]
					for c := range s.HeadDim {
						logit += p.scale * q[at(s.SeqLenQ, s.HeadsQ, b, i, h, c)] * k[at(s.SeqLenK, s.HeadsKV, b, j, hk, c)]
					}
					for c := range s.HeadDim {
						o[at(s.SeqLenQ, s.HeadsQ, b, i, h, c)] += v[at(s.SeqLenK, s.HeadsKV, b, j, hk, c)] / (1 + math.Exp(-logit))
					}
				}
			}
		}
	}
	return o
}

var referenceShapes = []Shape{
	{1, 1, 1, 1, 1, 8}, {2, 2, 1, 5, 3, 8}, {1, 4, 2, 3, 7, 16}, {2, 3, 3, 37, 70, 8}, {1, 2, 1, 70, 37, 8}, {1, 1, 1, 4, 0, 8}, {1, 2, 2, 0, 4, 8},
}

func all(p *problem) wanted {
	return wanted{allRows(p.inputs.q), allRows(p.inputs.k), true}
}

func TestReferenceForwardIsTheDefinition(t *testing.T) {
	for _, mask := range []sigattn.Mask{sigattn.Full, sigattn.Causal} {
		for _, s := range referenceShapes {
			t.Run(fmt.Sprint(mask, s), func(t *testing.T) {
				p := newProblem(s, bfloat16, mask, Normal, 1)
				got := compute(p, all(p), testPool).o
				bias := make([]float64, s.HeadsQ)
				for h := range bias {
					bias[h] = p.bias
				}
				want := plainForward(p, reals(p.inputs.q, bfloat16), reals(p.inputs.k, bfloat16), reals(p.inputs.v, bfloat16), bias)
				for i, w := range inTensorOrder(got, p.newQ()) {
					if math.Abs(w-want[i]) > 1e-12*(1+math.Abs(want[i])) {
						t.Fatalf("element %d: %g, want %g", i, w, want[i])
					}
				}
			})
		}
	}
}

// inTensorOrder puts whole results into the order of a tensor's elements.
func inTensorOrder(r *rows, like *tensor) []float64 {
	x := make([]float64, len(like.bits))
	for i, at := range r.index {
		copy(x[((at.batch*like.seqLen+at.seq)*like.heads+at.head)*like.headDim:], r.at(r.exact, i))
	}
	return x
}

// TestGradientsAreSlopes holds every gradient to central differences of plainForward.
func TestGradientsAreSlopes(t *testing.T) {
	for _, mask := range []sigattn.Mask{sigattn.Full, sigattn.Causal} {
		for _, s := range referenceShapes[:5] {
			t.Run(fmt.Sprint(mask, s), func(t *testing.T) {
				p := newProblem(s, float16, mask, Normal, 2)
				r := compute(p, all(p), testPool)
				l := newLoss(p)
				random := rand.New(rand.NewPCG(3, 3))
				check := func(name string, x, gradient []float64) {
					for range min(len(x), 40) {
						i := random.IntN(len(x))
						if slope := l.slope(x, i); math.Abs(slope-gradient[i]) > 1e-7*(1+math.Abs(slope)) {
							t.Fatalf("%s element %d: gradient %g, slope %g", name, i, gradient[i], slope)
						}
					}
				}
				check("dQ", l.q, inTensorOrder(r.dQ, p.newQ()))
				check("dK", l.k, inTensorOrder(r.dK, p.newK()))
				check("dV", l.v, inTensorOrder(r.dV, p.newK()))
				check("dbias", l.bias, r.dBias.exact)
			})
		}
	}
}

func TestRowsWithoutPairsAreZero(t *testing.T) {
	p := newProblem(Shape{1, 1, 1, 9, 4, 8}, bfloat16, sigattn.Causal, Normal, 1)
	for i := range 5 { // queries that see no key
		p.inputs.q.row(rowIndex{seq: i})[0] = bfloat16.encode(math.NaN())
		p.inputs.dO.row(rowIndex{seq: i})[0] = bfloat16.encode(math.Inf(1))
	}
	r := compute(p, all(p), testPool)
	for i := range 9 {
		if got, want := r.o.pairs[i], max(0, i-4); got != want {
			t.Errorf("query %d sees %d keys, want %d", i, got, want)
		}
	}
	for name, x := range map[string][]float64{"O": r.o.exact[:5*8], "dQ": r.dQ.exact[:5*8]} {
		for i, v := range x {
			if v != 0 {
				t.Errorf("%s element %d is %g", name, i, v)
			}
		}
	}
	for name, x := range map[string][]float64{"dK": r.dK.exact, "dV": r.dV.exact, "dbias": r.dBias.exact} {
		for i, v := range x {
			if !finite(v) {
				t.Errorf("%s element %d is %g: a query without keys leaked", name, i, v)
			}
		}
	}
}

func TestNonFiniteStaysWithThoseWhoSeeIt(t *testing.T) {
	const n, spoilt = 90, 70
	p := newProblem(Shape{1, 1, 1, n, n, 8}, bfloat16, sigattn.Causal, Normal, 1)
	p.inputs.v.row(rowIndex{seq: spoilt})[3] = bfloat16.encode(math.NaN())
	r := compute(p, all(p), testPool)
	for i := range n {
		for c, x := range r.o.at(r.o.exact, i) {
			if want := i >= spoilt && c == 3; math.IsNaN(x) != want {
				t.Errorf("O[%d][%d] is %g", i, c, x)
			}
		}
		for c, x := range r.dQ.at(r.dQ.exact, i) { // dP is NaN for every query that sees the key
			if want := i >= spoilt; math.IsNaN(x) != want {
				t.Errorf("dQ[%d][%d] is %g", i, c, x)
			}
		}
		for c, x := range r.dV.at(r.dV.exact, i) {
			if math.IsNaN(x) {
				t.Errorf("dV[%d][%d] is %g", i, c, x)
			}
		}
	}
}

func TestPeriodicBiasIsTheWholeSum(t *testing.T) {
	for _, mask := range []sigattn.Mask{sigattn.Full, sigattn.Causal} {
		for _, s := range []Shape{{2, 2, 1, 600, 1100, 8}, {1, 1, 1, 1100, 600, 8}, {1, 1, 1, 5, 700, 8}} {
			p := newProblem(s, bfloat16, mask, Periodic, 4)
			short := compute(p, all(p), testPool).dBias
			p.inputs.period = 0
			whole := compute(p, all(p), testPool).dBias
			for h := range s.HeadsQ {
				for name, x := range map[string][2]float64{
					"exact": {short.exact[h], whole.exact[h]}, "floor": {short.floor[h], whole.floor[h]},
					"slack": {short.slack[h], whole.slack[h]}, "coherent": {short.coherent[h], whole.coherent[h]},
				} {
					if math.Abs(x[0]-x[1]) > 1e-9*whole.slack[h] {
						t.Errorf("%v %v head %d: %s is %g, by the whole sum %g", mask, s, h, name, x[0], x[1])
					}
				}
			}
		}
	}
}

func TestExpectedFloorIsTheFloor(t *testing.T) {
	for _, f := range []*storage{bfloat16, float16} {
		p := newProblem(Shape{1, 2, 1, 256, 300, 32}, f, sigattn.Causal, Normal, 5)
		r := compute(p, all(p), testPool)
		for name, x := range map[string]*rows{"O": r.o, "dQ": r.dQ, "dK": r.dK, "dV": r.dV} {
			var got, want float64
			for i := range x.index {
				want += x.noise[i]
			}
			for i, e := range x.exact {
				got += square(x.floor[i] - e)
			}
			if ratio := math.Sqrt(got / want); ratio < 0.95 || ratio > 1.05 {
				t.Errorf("%s %s: the floor is %.3f times its expectation", f.name, name, ratio)
			}
		}
	}
}
