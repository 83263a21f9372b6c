package verify

import (
	"fmt"
	"math"
	"testing"

	"github.com/sigattn/sigattn"
	"github.com/sigattn/sigattn/internal/emulator"
)

// loss is Σ dO·O of plainForward, as a function of the inputs and of a bias for each query head.
type loss struct {
	*problem
	q, k, v, bias, dO []float64
}

func newLoss(p *problem) *loss {
	l := &loss{p, reals(p.inputs.q, p.storage), reals(p.inputs.k, p.storage), reals(p.inputs.v, p.storage), nil, reals(p.inputs.dO, p.storage)}
	for range p.HeadsQ {
		l.bias = append(l.bias, p.bias)
	}
	return l
}

func (l *loss) value() (sum float64) {
	for i, o := range plainForward(l.problem, l.q, l.k, l.v, l.bias) {
		sum += o * l.dO[i]
	}
	return sum
}

// slope is the central difference of the loss by element i of x, one of the inputs.
func (l *loss) slope(x []float64, i int) float64 {
	const step = 1e-5
	saved := x[i]
	x[i] = saved + step
	up := l.value()
	x[i] = saved - step
	down := l.value()
	x[i] = saved
	return (up - down) / (2 * step)
}

func (l *loss) slopes(x []float64) []float64 {
	all := make([]float64, len(x))
	for i := range x {
		all[i] = l.slope(x, i)
	}
	return all
}

// TestKernelsGradientsAreSlopes holds the gradients that kernels of both families make, in either mode, to central differences
// of the loss; the reference's own gradients have no part in it.
//
// A gradient of a tensor is a sum of a few terms, P or dS times an input. That weight is rounded to storage, and so is the sum: either
// errs by half a spacing at most, relative to a term or to the sum, which are about as large as the tensor's largest element. What the
// sigmoid may err by is less. Of the bias's gradient, a sum in float32 of dS as it is before the rounding, it is all.
func TestKernelsGradientsAreSlopes(t *testing.T) {
	for _, headDim := range []int{32, 128, 256} {
		for _, m := range []sigattn.Mask{sigattn.Full, sigattn.Causal} {
			for i, s := range []Shape{{1, 2, 1, 5, 7, 32}, {2, 2, 2, 6, 4, 32}} {
				d := []sigattn.DType{sigattn.BF16, sigattn.FP16}[(i+headDim/64)%2]
				c := Case{Shape: s, Layout: BSHD, Inputs: Normal, Seed: 6}
				p := find(t, headDim, d, m)
				t.Run(fmt.Sprint(p.Name, s), func(t *testing.T) { checkSlopes(t, p, c) })
			}
		}
	}
}

func checkSlopes(t *testing.T, p *sigattn.Package, c Case) {
	problem, err := c.problem(p, true, testPool)
	if err != nil {
		t.Fatal(err)
	}
	l := newLoss(problem)
	want := map[string][]float64{"dQ": l.slopes(l.q), "dK": l.slopes(l.k), "dV": l.slopes(l.v), "dbias": l.slopes(l.bias)}
	r, err := newRun(Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = withEmulator(emulator.Options{}, func(on Device) error {
		r.on = on
		subjects, err := r.subjects(p)
		if err != nil {
			return err
		}
		for _, x := range subjects {
			for _, mode := range x.modes {
				if mode == Forward {
					continue
				}
				e := &execution{on: on, do: func(f func() error) error { return f() }, kernel: x.kernel, Case: c, problem: problem}
				if err := e.prepare(); err != nil {
					return err
				}
				images, _, err := e.images(mode)
				if err != nil {
					return err
				}
				got, err := e.run(mode)
				if err != nil {
					return err
				}
				compareSlopes(t, fmt.Sprint(mode, images), problem, want, got)
				if err := e.release(); err != nil {
					return err
				}
			}
			if err := x.kernel.Close(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func compareSlopes(t *testing.T, how string, p *problem, want map[string][]float64, got *results) {
	t.Helper()
	made := map[string][]float64{
		"dQ": reals(got.tensors[roleDQ], p.storage), "dK": reals(got.tensors[roleDK], p.storage), "dV": reals(got.tensors[roleDV], p.storage),
	}
	for _, x := range got.dBias {
		made["dbias"] = append(made["dbias"], float64(x))
	}
	for name, gradient := range made {
		largest := 0.0
		for _, x := range want[name] {
			largest = max(largest, math.Abs(x))
		}
		tolerance := 2 * largest * math.Ldexp(1, -p.storage.significand)
		if name == "dbias" {
			tolerance = largest * p.sigmoid.relative
		}
		for i, x := range gradient {
			if off := math.Abs(x - want[name][i]); !(off <= tolerance) {
				t.Errorf("%s: %s element %d is %g, slope %g, tolerance %g", how, name, i, x, want[name][i], tolerance)
			}
		}
	}
}
