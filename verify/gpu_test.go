package verify

import (
	"errors"
	"strings"
	"testing"

	"github.com/sigattn/sigattn"
	"github.com/sigattn/sigattn/generated"
)

// runGPU runs cases of generated packages on a GPU and demands that all pass; it skips where there is none.
func runGPU(t *testing.T, o Options) Report {
	t.Helper()
	report, err := Run(t.Context(), o)
	if errors.Is(err, sigattn.ErrNoDriver) {
		t.Skip(err)
	}
	if err != nil || !report.Passed || len(report.Results) == 0 {
		t.Errorf("passed %v, %d results, error %v", report.Passed, len(report.Results), err)
	}
	for _, r := range report.Results {
		if !r.Pass() {
			t.Errorf("%s %s %q: %s", r.Package, r.Mode, r.Case.Name, strings.Join(r.Reasons(), "; "))
		}
	}
	return report
}

// TestGPUShort runs every kernel on tiny shapes.
func TestGPUShort(t *testing.T) {
	runGPU(t, Options{On: "gpu", Packages: generated.Packages(), Level: Short})
}

// TestGPUGraph captures launches of every mode in a CUDA graph, replays it twice, and compares the bits.
func TestGPUGraph(t *testing.T) {
	p, err := generated.Find(generated.Spec{HeadDim: 128, DType: sigattn.BF16, Mask: sigattn.Causal})
	if err != nil {
		t.Fatal(err)
	}
	report := runGPU(t, Options{On: "gpu", Packages: []*sigattn.Package{p}, Cases: "^graph"})
	for _, r := range report.Results {
		if !r.Case.Capture {
			t.Errorf("%q captures nothing", r.Case.Name)
		}
	}
}
