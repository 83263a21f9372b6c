// Training fits queries, keys, values and a bias to a target by gradient descent: each step is one forward and one backward
// pass on the GPU. Before the first step, the gradients are compared with central differences of the loss in plain Go.
//
//	go run ./examples/training
package main

import (
	"fmt"
	"log"

	"github.com/sigattn/sigattn/examples/device"
)

const (
	steps = 20
	rate  = 0.5
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("training: ")
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	gpu, err := device.Open(0)
	if err != nil {
		return err
	}
	defer gpu.Close()
	layer, err := newLayer(gpu)
	if err != nil {
		return err
	}
	defer layer.kernel.Close()
	return train(layer.gradient)
}

// train descends from random parameters to a target that others gave. The loss must fall at every step.
func train(gradient func(p parameters, target []float64) (o []float64, g parameters, err error)) error {
	teacher, student := newParameters(1), newParameters(2)
	target := attend(teacher.exact())
	before := 0.0
	for step := range steps {
		student.round()
		o, g, err := gradient(student, target)
		if err != nil {
			return err
		}
		now := loss(o, target)
		fmt.Printf("step %2d: loss %.4f\n", step, now)
		switch {
		case step == 0:
			if err := checkGradient(student, g, target); err != nil {
				return err
			}
		case !(now < before):
			return fmt.Errorf("the loss does not fall: %g after %g", now, before)
		}
		before = now
		student.descend(g, rate)
	}
	return nil
}
