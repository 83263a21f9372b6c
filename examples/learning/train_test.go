package main

import (
	"math"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

// easy is learnt in a second.
var easy = task{
	shape:      shape{batch: 8, length: 8, heads: 2, headDim: 8},
	vocabulary: 4,
	hidden:     32,
	blocks:     1,
	steps:      300,
	rate:       5e-3,
	seed:       1,
}

func TestTraining(t *testing.T) {
	bias := -math.Log(float64(easy.length))
	exact, err := easy.train("float64", sigmoid(easy.shape, bias))
	if err != nil {
		t.Fatal(err)
	}
	first, last := exact.Loss[0], exact.Loss[easy.steps-1]
	if !(last < 0.1*first) || !(exact.Accuracy > minAccuracy) {
		t.Errorf("the loss goes from %.3f to %.3f, and the accuracy is %.3f", first, last, exact.Accuracy)
	}
	rounded := sigmoid(easy.shape, bias)
	rounded.store = roundBF16
	c := curves{Float64: exact}
	if c.BF16, err = easy.train("bfloat16", rounded); err != nil {
		t.Fatal(err)
	}
	if c.BF16.Loss[0] == exact.Loss[0] {
		t.Error("nothing is rounded")
	}
	if err := c.check(); err != nil {
		t.Error(err)
	}
	if c.BF16, err = easy.train("b = 0", sigmoid(easy.shape, 0)); err != nil {
		t.Fatal(err)
	}
	if err := c.check(); err == nil || !strings.Contains(err.Error(), "more than rounding") {
		t.Errorf("another bias: %v", err)
	}
}

// Losses do not depend on the number of cores.
func TestCores(t *testing.T) {
	train := func(cores int) curve {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
		c, err := small.train("", softmax(small.shape))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if one, three := train(1), train(3); !reflect.DeepEqual(one, three) {
		t.Errorf("%v with one core, %v with three", one, three)
	}
}

func TestExamples(t *testing.T) {
	input, targets := small.examples(small.random(forTraining))
	for b := range small.batch {
		for i := range small.length {
			if got, want := targets[b*small.length+i], input[(b+1)*small.length-1-i]; got != want {
				t.Errorf("sequence %d, position %d: %d is to be written, want %d", b, i, got, want)
			}
		}
	}
}

func TestCrossEntropy(t *testing.T) {
	logits := dense(2, 2, []float64{math.Log(3), 0, 1000, 0})
	if loss, _ := crossEntropy(logits, []int{0, 0}); math.Abs(loss-math.Log(4./3)/2) > 1e-15 {
		t.Errorf("the loss is %g", loss)
	}
	if got := accuracy(logits, []int{0, 1}); got != 0.5 {
		t.Errorf("the accuracy is %g", got)
	}
}

// Curves that were written are read and plotted in every format.
func TestCurves(t *testing.T) {
	c, err := small.trainAll()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "curves.json")
	if err := c.write(file); err != nil {
		t.Fatal(err)
	}
	if got, err := readCurves(file); err != nil || !reflect.DeepEqual(got, c) {
		t.Errorf("%v, %v; want %v", got, err, c)
	}
	for _, format := range []string{"svg", "png", "pdf"} {
		if err := c.plot(filepath.Join(dir, "losses."+format)); err != nil {
			t.Error(err)
		}
	}
}

// The curves that README.md shows pass the program's own check.
func TestCheckedInCurves(t *testing.T) {
	if err := run(backwards, options{from: "curves.json", plot: filepath.Join(t.TempDir(), "losses.svg")}); err != nil {
		t.Error(err)
	}
}

func TestCheckFindsFaults(t *testing.T) {
	good := curve{Accuracy: 1, Loss: []float32{3, 2, 1}}
	for name, c := range map[string]struct {
		curve
		want string
	}{
		"a loss apart": {curve{Accuracy: 1, Loss: []float32{3, 2.1, 1}}, "more than rounding"},
		"a NaN":        {curve{Accuracy: 1, Loss: []float32{3, float32(math.NaN()), 1}}, "more than rounding"},
		"a loss less":  {curve{Accuracy: 1, Loss: []float32{3, 2}}, "cannot be compared"},
		"not learnt":   {curve{Accuracy: 0.9, Loss: good.Loss}, "not learnt"},
	} {
		if err := (&curves{BF16: c.curve, Float64: good}).check(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (&curves{BF16: good, Float64: good}).check(); err != nil {
		t.Error(err)
	}
}
