package bench

import (
	"context"
	"errors"
	"fmt"
)

// Implementation runs attention and times it.
type Implementation interface {
	// Name is the implementation's name in reports.
	Name() string
	// Time runs a shape iters times after warming up and returns each run's time in milliseconds. An error that wraps
	// ErrUnavailable concerns this shape only, one that wraps ErrBaseline ends this implementation's part in the bench,
	// and any other ends the bench.
	Time(ctx context.Context, s Shape, iters int) ([]float64, error)
}

// Schedule says how often each shape is measured.
type Schedule struct {
	Rounds int // in each, every implementation has one turn
	Iters  int // runs in a turn
}

// DefaultSchedule keeps a bench short: a GPU is paid for by the minute.
func DefaultSchedule() Schedule { return Schedule{Rounds: 5, Iters: 10} }

// Result is one shape's measurements.
type Result struct {
	Shape  Shape
	Series []Series // in the order of the implementations, the first being the one under test
	Limit  Limit    // what bounds the shape on this device
}

// Series is what one implementation took on one shape.
type Series struct {
	Implementation string
	Image          Image     // that ran; zero where the implementation names none
	MS             []float64 // the median of each round's turn, in milliseconds
	Unavailable    string    // why there are no times; empty where there are
}

// Median is the median over rounds in milliseconds, 0 where there are no times.
func (s Series) Median() float64 { return Median(s.MS) }

// TFLOPS is a series' rate on its shape in 10¹² FLOP/s, 0 where there are no times.
func (r Result) TFLOPS(s Series) float64 {
	ms := s.Median()
	if ms == 0 {
		return 0
	}
	return r.Shape.FLOPs() / ms / 1e9
}

// Ratio is how many times as fast as another series the first one is: the median over rounds of the quotient of times
// within a round, so that what drifts between rounds cancels. 0 where either has no times.
func (r Result) Ratio(other Series) float64 {
	return Median(quotients(other.MS, r.Series[0].MS))
}

// Share is the first series' share of the rate that limits the shape, at most 1; 0 where either is unknown.
func (r Result) Share() float64 {
	ms := r.Series[0].Median()
	if ms == 0 {
		return 0
	}
	return r.Limit.MS / ms
}

// Run measures every shape with every implementation in turn: in each round the first, then the second, and so on.
// Progress is told after each shape. On an error the results so far come back with it; the first that wraps ErrBaseline
// comes back with the results of all shapes.
func Run(ctx context.Context, shapes []Shape, implementations []Implementation, device Device, schedule Schedule,
	progress func(Result),
) ([]Result, error) {
	var results []Result
	var lost error
	for _, shape := range shapes {
		r, err := measure(ctx, shape, implementations, schedule)
		switch {
		case errors.Is(err, ErrBaseline):
			if lost == nil {
				lost = fmt.Errorf("%v: %w", shape, err)
			}
		case err != nil:
			return results, fmt.Errorf("%v: %w", shape, err)
		}
		r.Limit = device.Limit(shape, r.Series[0].Image)
		results = append(results, r)
		if progress != nil {
			progress(r)
		}
	}
	return results, lost
}

// measure takes the turns of one shape. With an error that wraps ErrBaseline the result is whole but for that series.
func measure(ctx context.Context, shape Shape, implementations []Implementation, schedule Schedule) (Result, error) {
	r := Result{Shape: shape, Series: make([]Series, len(implementations))}
	for i, implementation := range implementations {
		r.Series[i].Implementation = implementation.Name()
	}
	var lost error
	for range schedule.Rounds {
		for i, implementation := range implementations {
			series := &r.Series[i]
			if series.Unavailable != "" {
				continue
			}
			if err := ctx.Err(); err != nil {
				return r, err
			}
			ms, err := implementation.Time(ctx, shape, schedule.Iters)
			switch {
			case errors.Is(err, ErrUnavailable), errors.Is(err, ErrBaseline):
				series.Unavailable, series.MS = err.Error(), nil
				if lost == nil && errors.Is(err, ErrBaseline) {
					lost = fmt.Errorf("%s: %w", series.Implementation, err)
				}
			case err != nil:
				return r, fmt.Errorf("%s: %w", series.Implementation, err)
			default:
				series.MS = append(series.MS, Median(ms))
				if imager, ok := implementation.(Imager); ok {
					if series.Image, err = imager.Image(shape); err != nil {
						return r, fmt.Errorf("%s: %w", series.Implementation, err)
					}
				}
			}
		}
	}
	return r, lost
}
