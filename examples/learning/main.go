// Learning trains a small transformer to write its input backwards. Attention's forward and backward passes are sigattn's, on
// the GPU, and everything else is plain Go. The losses are compared with those of attention in float64, which has the same
// seeds, and printed beside those of the bias 0 instead of −ln n, and of softmax.
//
//	go run . --curves curves.json --plot learning.svg
//	go run . --from curves.json --plot learning.svg
//
// Where there is no GPU, attention in Go that rounds as the kernels do takes their place.
package main

import (
	"flag"
	"log"
	"os"
)

// options are names of files; an empty one is not wanted.
type options struct{ from, curves, plot string }

func main() {
	log.SetFlags(0)
	log.SetPrefix("learning: ")
	t := backwards
	var o options
	flag.StringVar(&o.from, "from", "", "read the curves from a JSON `file` instead of training")
	flag.StringVar(&o.curves, "curves", "", "write the curves to a JSON `file`")
	flag.StringVar(&o.plot, "plot", "", "plot the losses to a `file`: .svg, .png or .pdf")
	flag.Uint64Var(&t.seed, "seed", t.seed, "of the parameters and of the examples")
	flag.Parse()
	if flag.NArg() > 0 {
		log.Fatalf("%q is no flag", flag.Arg(0))
	}
	if err := run(t, o); err != nil {
		log.Fatal(err)
	}
}

func run(t task, o options) error {
	c, err := o.get(t)
	if err != nil {
		return err
	}
	if o.curves != "" {
		if err := c.write(o.curves); err != nil {
			return err
		}
	}
	if o.plot != "" {
		if err := c.plot(o.plot); err != nil {
			return err
		}
	}
	if err := c.print(os.Stdout); err != nil {
		return err
	}
	return c.check()
}

func (o options) get(t task) (curves, error) {
	if o.from != "" {
		return readCurves(o.from)
	}
	return t.trainAll()
}
