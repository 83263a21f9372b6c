package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sigattn/sigattn"
	"github.com/sigattn/sigattn/bench"
	"github.com/sigattn/sigattn/internal/driver"
)

func TestBenchTable(t *testing.T) {
	device := bench.Device{Name: "Test GPU", Capability: 90, SMs: 132, ClockHz: 1.98e9, CopyBytesSec: 4e12}
	shape := bench.Shape{
		Pass: bench.Forward, DType: sigattn.BF16, Mask: sigattn.Causal,
		Batch: 8, HeadsQ: 16, HeadsKV: 4, SeqLen: 2048, HeadDim: 128,
	}
	backward := shape
	backward.Pass, backward.HeadsKV = bench.BackwardDeterministic, 16
	hopper, ptx := bench.Image{Arch: sigattn.SM90}, bench.Image{Arch: sigattn.SM80, PTX: true}
	results := []bench.Result{
		{Shape: shape, Limit: device.Limit(shape, hopper), Series: []bench.Series{
			{Implementation: "sigattn", Image: hopper, MS: []float64{0.25, 0.5, 0.25}},
			{Implementation: "flash", MS: []float64{0.5, 0.75, 0.5}},
		}},
		{Shape: backward, Limit: device.Limit(backward, ptx), Series: []bench.Series{
			{Implementation: "sigattn", Image: ptx, MS: []float64{1, 1, 1}},
			{Implementation: "flash", Unavailable: "not available: no such backend"},
		}},
	}
	var table bytes.Buffer
	if err := printBench(&table, benchOptions{format: "table"}, device, results); err != nil {
		t.Fatal(err)
	}
	golden(t, filepath.Join("testdata", "bench.txt"), table.String())
	table.Reset()
	if err := printBench(&table, benchOptions{format: "table"}, device, nil); err != nil || table.Len() != 0 {
		t.Errorf("no results: %q, %v", table.String(), err)
	}
}

func TestBenchWithoutGPU(t *testing.T) {
	if driver.Available() {
		t.Skip("there is a GPU")
	}
	inModule(t)
	if r := runArgs(t, small...); r.code != exitFine {
		t.Fatal(r.stderr)
	}
	r := runArgs(t, "bench", "--tree", "attn")
	if r.code != exitUsage || r.stdout != "" || !strings.Contains(r.stderr, "driver") {
		t.Errorf("status %d, stdout %q, stderr %q; want 2 and a word about the driver", r.code, r.stdout, r.stderr)
	}
}
