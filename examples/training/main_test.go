package main

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/sigattn/sigattn"
	"github.com/sigattn/sigattn/examples/device"
)

// With a GPU the example runs and finds its own result right; without one it says that there is none.
func TestRun(t *testing.T) {
	err := run()
	if errors.Is(err, sigattn.ErrNoDriver) || errors.Is(err, sigattn.ErrUnsupportedArch) {
		t.Skipf("no GPU: %v", err)
	}
	if err != nil {
		t.Error(err)
	}
}

// plainGradient is layer.gradient in plain Go, rounded as the GPU's.
func plainGradient(p parameters, target []float64) (o []float64, g parameters, err error) {
	x := p.exact()
	o = attend(x)
	var d [parts][]float64
	for i := range d {
		d[i], g[i] = make([]float64, len(p[i])), make([]float32, len(p[i]))
	}
	for b := range batch {
		for h := range headsQ {
			kvHead := h / (headsQ / headsKV)
			for i := range seqLen {
				query, do := row(x[queries], headsQ, b, i, h), make([]float64, headDim)
				for c, v := range row(o, headsQ, b, i, h) {
					do[c] = v - row(target, headsQ, b, i, h)[c]
				}
				for j := range i + 1 {
					key, value := row(x[keys], headsKV, b, j, kvHead), row(x[values], headsKV, b, j, kvHead)
					w := sigmoid(dot(query, key)/math.Sqrt(headDim) + x[bias][0])
					ds := w * (1 - w) * dot(do, value)
					d[bias][0] += ds
					for c := range headDim {
						row(d[queries], headsQ, b, i, h)[c] += ds / math.Sqrt(headDim) * key[c]
						row(d[keys], headsKV, b, j, kvHead)[c] += ds / math.Sqrt(headDim) * query[c]
						row(d[values], headsKV, b, j, kvHead)[c] += w * do[c]
					}
				}
			}
		}
	}
	for part := range d {
		for i, v := range d[part] {
			g[part][i] = float32(v)
		}
		if part != bias {
			device.RoundBF16(g[part])
		}
	}
	return o, g, nil
}

// The example's problem is one that gradient descent makes headway on, whoever computes the gradient.
func TestTrainingInPlainGo(t *testing.T) {
	if err := train(plainGradient); err != nil {
		t.Error(err)
	}
}

func TestWrongGradientsAreFound(t *testing.T) {
	for part, name := range [parts]string{"Q", "K", "V", "the bias"} {
		err := train(func(p parameters, target []float64) ([]float64, parameters, error) {
			o, g, err := plainGradient(p, target)
			for i := range g[part] {
				g[part][i] *= 1.03
			}
			return o, g, err
		})
		if err == nil || !strings.Contains(err.Error(), "gradient of "+name+" is wrong") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
