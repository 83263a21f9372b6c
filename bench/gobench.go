package bench

import (
	"fmt"
	"io"
)

// WriteGoBench writes results in Go's benchmark format, one line per round, so that benchstat can compare:
// `benchstat -col /impl` sets implementations side by side.
func WriteGoBench(w io.Writer, device Device, schedule Schedule, results []Result) error {
	if _, err := fmt.Fprintf(w, "pkg: github.com/sigattn/sigattn/bench\ngpu: %s\n", device.Name); err != nil {
		return err
	}
	for _, r := range results {
		for _, series := range r.Series {
			for _, ms := range series.MS {
				_, err := fmt.Fprintf(w, "BenchmarkAttention/%v/impl=%s\t%d\t%.0f ns/op\t%.1f TFLOP/s\n",
					r.Shape, series.Implementation, schedule.Iters, ms*1e6, r.Shape.FLOPs()/ms/1e9)
				if err != nil {
					return err
				}
			}
		}
	}
	return nil
}
