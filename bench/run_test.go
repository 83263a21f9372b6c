package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sigattn/sigattn"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// scripted is an implementation whose every turn takes the next of its times, or fails.
type scripted struct {
	name  string
	turns []float64
	err   error
	log   *[]string
}

func (s *scripted) Name() string { return s.name }

func (s *scripted) Image(shape Shape) (Image, error) {
	if s.name != "sigattn" || shape.Pass != Forward {
		return Image{}, nil
	}
	return Image{Arch: sigattn.SM90}, nil
}

func (s *scripted) Time(_ context.Context, _ Shape, iters int) ([]float64, error) {
	*s.log = append(*s.log, s.name)
	if s.err != nil {
		return nil, s.err
	}
	ms := s.turns[0]
	s.turns = s.turns[1:]
	return []float64{ms * 100, ms, ms}, nil // a median shrugs off one slow run
}

var testDevice = Device{Name: "Test GPU", Capability: 90, SMs: 132, ClockHz: 1.98e9, CopyBytesSec: 4e12}

func testShape() Shape {
	return Shape{
		Pass: Forward, DType: sigattn.BF16, Mask: sigattn.Full,
		Batch: 8, HeadsQ: 16, HeadsKV: 16, SeqLen: 2048, HeadDim: 128,
	}
}

func TestRunTakesTurns(t *testing.T) {
	var log []string
	implementations := []Implementation{
		&scripted{name: "sigattn", turns: []float64{1, 2, 4}, log: &log},
		&scripted{name: "flash", turns: []float64{1.5, 3, 4}, log: &log},
		&scripted{name: "cudnn", err: fmt.Errorf("%w: head dim", ErrUnavailable), log: &log},
	}
	results, err := Run(t.Context(), []Shape{testShape()}, implementations, testDevice, Schedule{Rounds: 3, Iters: 3}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(log, " "), "sigattn flash cudnn sigattn flash sigattn flash"; got != want {
		t.Errorf("turns %s, want %s", got, want)
	}
	r := results[0]
	if r.Series[0].Image.String() != "sm_90" || r.Limit != testDevice.Limit(testShape(), r.Series[0].Image) {
		t.Errorf("image %q, limit %+v", r.Series[0].Image, r.Limit)
	}
	if got := r.Series[0].Median(); got != 2 {
		t.Errorf("median %v ms, want 2", got)
	}
	if got := r.Ratio(r.Series[1]); got != 1.5 { // of 1.5, 1.5 and 1
		t.Errorf("ratio %v, want the median of the rounds' ratios, 1.5", got)
	}
	if r.Ratio(r.Series[2]) != 0 || r.TFLOPS(r.Series[2]) != 0 || r.Series[2].Unavailable == "" {
		t.Errorf("an unavailable implementation has figures: %+v", r.Series[2])
	}
}

func TestRunEndsOnError(t *testing.T) {
	var log []string
	broken := errors.New("launch failed")
	results, err := Run(t.Context(), []Shape{testShape(), testShape()},
		[]Implementation{&scripted{name: "sigattn", err: broken, log: &log}}, testDevice, DefaultSchedule(), nil)
	if !errors.Is(err, broken) || len(results) != 0 || len(log) != 1 {
		t.Errorf("error %v after turns %v with %d results, want the first turn's error", err, log, len(results))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Run(ctx, []Shape{testShape()}, []Implementation{&scripted{name: "sigattn", log: &log}}, testDevice, DefaultSchedule(), nil)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
}

func TestRunGoesOnWithoutALostBaseline(t *testing.T) {
	var log []string
	implementations := []Implementation{
		&scripted{name: "sigattn", turns: []float64{1, 2, 3, 4}, log: &log},
		&scripted{name: "flash", err: fmt.Errorf("%w: it ended early", ErrBaseline), log: &log},
	}
	results, err := Run(t.Context(), []Shape{testShape(), testShape()}, implementations, testDevice, Schedule{Rounds: 2, Iters: 3}, nil)
	if !errors.Is(err, ErrBaseline) || len(results) != 2 {
		t.Fatalf("%d results, error %v, want both shapes' and ErrBaseline", len(results), err)
	}
	for i, want := range []float64{1.5, 3.5} {
		r := results[i]
		if got := r.Series[0].Median(); got != want || r.Limit.MS == 0 || r.Series[1].Unavailable == "" {
			t.Errorf("shape %d: %v ms, limit %v, %q", i, got, r.Limit, r.Series[1].Unavailable)
		}
	}
}

// testResults have every kind of entry that a report can show.
func testResults(t *testing.T) []Result {
	t.Helper()
	var log []string
	short := testShape()
	short.Pass, short.Mask, short.Batch, short.SeqLen = Backward, sigattn.Causal, 128, 128
	results, err := Run(t.Context(), []Shape{testShape(), short}, []Implementation{
		&scripted{name: "sigattn", turns: []float64{0.5, 0.75, 0.25, 0.5}, log: &log},
		&scripted{name: "flash", turns: []float64{0.75, 1, 0.5, 1}, log: &log},
		&scripted{name: "cudnn", err: fmt.Errorf("%w: head dim", ErrUnavailable), log: &log},
	}, testDevice, Schedule{Rounds: 2, Iters: 3}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

func TestReports(t *testing.T) {
	results, schedule := testResults(t), Schedule{Rounds: 2, Iters: 3}
	var gobench bytes.Buffer
	if err := WriteGoBench(&gobench, testDevice, schedule, results); err != nil {
		t.Fatal(err)
	}
	golden(t, "gobench.txt", gobench.Bytes())
	report, err := json.MarshalIndent(NewReport(testDevice, schedule, results), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "report.json", append(report, '\n'))
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (-update rewrites it); got:\n%s", path, got)
	}
}
