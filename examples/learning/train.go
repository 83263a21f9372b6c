package main

import (
	"errors"
	"fmt"
	"math"

	"github.com/sigattn/sigattn"
	"github.com/sigattn/sigattn/examples/device"
)

// trainAll makes the four curves.
func (t task) trainAll() (c curves, err error) {
	bias := -math.Log(float64(t.length))
	c.BF16, err = t.trainOnGPU(bias)
	if errors.Is(err, sigattn.ErrNoDriver) || errors.Is(err, sigattn.ErrUnsupportedArch) {
		fmt.Printf("no GPU, so Go that rounds as the kernels do takes their place: %v\n", err)
		rounded := sigmoid(t.shape, bias)
		rounded.store = roundBF16
		c.BF16, err = t.train("b = −ln n, bfloat16 in Go", rounded)
	}
	if err != nil {
		return c, err
	}
	if c.Float64, err = t.train("b = −ln n, float64", sigmoid(t.shape, bias)); err != nil {
		return c, err
	}
	if c.ZeroBias, err = t.train("b = 0, float64", sigmoid(t.shape, 0)); err != nil {
		return c, err
	}
	c.Softmax, err = t.train("softmax, float64", softmax(t.shape))
	return c, err
}

func (t task) trainOnGPU(bias float64) (curve, error) {
	gpu, err := device.Open(0)
	if err != nil {
		return curve{}, err
	}
	defer gpu.Close()
	a, err := newKernels(gpu, t.shape, bias)
	if err != nil {
		return curve{}, err
	}
	defer a.kernel.Close()
	name, err := gpu.Name()
	if err != nil {
		return curve{}, err
	}
	return t.train("b = −ln n, bfloat16 on "+name, a)
}

// train trains a model that has this attention. All models start from the same parameters and see the same examples.
func (t task) train(name string, a attention) (curve, error) {
	c := curve{Name: name}
	m := newModel(t, a)
	parameters := m.parameters()
	data := t.random(forTraining)
	for step := range t.steps {
		input, targets := t.examples(data)
		logits, err := m.forward(input)
		if err != nil {
			return c, err
		}
		if step == 0 {
			c.Norm = rowNorm(m.blocks[0].heads.o)
		}
		loss, dlogits := crossEntropy(logits, targets)
		c.Loss = append(c.Loss, float32(loss))
		if step%50 == 0 {
			fmt.Printf("%s: step %3d, loss %.4f\n", name, step, loss)
		}
		if err := m.backward(dlogits); err != nil {
			return c, err
		}
		adam(parameters, t.rate, step+1)
	}
	var err error
	c.Accuracy, err = t.evaluate(m)
	return c, err
}

// evaluate is the accuracy on examples that no model is trained on.
func (t task) evaluate(m *model) (float64, error) {
	const batches = 8
	data, sum := t.random(forEvaluation), 0.0
	for range batches {
		input, targets := t.examples(data)
		logits, err := m.forward(input)
		if err != nil {
			return 0, err
		}
		sum += accuracy(logits, targets)
	}
	return sum / batches, nil
}

// rowNorm is the root mean square of the norms of the rows.
func rowNorm(m matrix) float64 { return math.Sqrt(dot(m.data, m.data) / float64(m.rows)) }
