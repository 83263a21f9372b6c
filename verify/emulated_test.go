package verify

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sigattn/sigattn"
	"github.com/sigattn/sigattn/generated"
	"github.com/sigattn/sigattn/internal/emulator"
)

// runEmulated runs cases of generated packages on the emulator and demands that all pass.
func runEmulated(t *testing.T, o Options, e emulator.Options) Report {
	t.Helper()
	r, err := newRun(o)
	if err != nil {
		t.Fatal(err)
	}
	err = withEmulator(e, func(on Device) error { return r.run(t.Context(), on) })
	if err != nil || !r.report.Passed || len(r.report.Results) == 0 {
		t.Errorf("passed %v, %d results, error %v", r.report.Passed, len(r.report.Results), err)
	}
	for _, x := range r.report.Results {
		if !x.Pass() {
			t.Errorf("%s %s %q: %s", x.Package, x.Mode, x.Case.Name, strings.Join(x.Reasons(), "; "))
		}
	}
	return r.report
}

func find(t *testing.T, headDim int, d sigattn.DType, m sigattn.Mask) *sigattn.Package {
	t.Helper()
	p, err := generated.Find(generated.Spec{HeadDim: headDim, DType: d, Mask: m})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestEmulatorOrders runs kernels with asynchronous copies that complete early, late and at random, and approximations that
// err as far as they may. But for the fast backward pass, whose additions come in any order, no order changes a bit.
func TestEmulatorOrders(t *testing.T) {
	o := Options{
		Packages: []*sigattn.Package{find(t, 64, sigattn.BF16, sigattn.Causal), find(t, 128, sigattn.FP16, sigattn.Full)},
		Level:    Short, Cases: "^(few keys|hidden):",
	}
	var first string
	for _, completion := range []emulator.Completion{emulator.Eager, emulator.Latest, emulator.Random} {
		report := runEmulated(t, o, emulator.Options{Copies: completion, Preempt: completion != emulator.Eager, Seed: uint64(completion)})
		var outputs []string
		for _, r := range report.Results {
			if r.Mode.bitEqual() {
				outputs = append(outputs, fmt.Sprint(r.Package, r.Mode, r.Case.Name, r.Outputs))
			}
		}
		switch all := strings.Join(outputs, "\n"); {
		case first == "":
			first = all
		case all != first:
			t.Errorf("completion %d gives other errors:\n%s\nwant\n%s", completion, all, first)
		}
	}
	runEmulated(t, o, emulator.Options{WorstCase: true})
	o.Bare = true
	runEmulated(t, o, emulator.Options{CheckGlobal: true})
}

// TestEmulatorGraph replays captured launches.
func TestEmulatorGraph(t *testing.T) {
	o := Options{Packages: []*sigattn.Package{find(t, 32, sigattn.BF16, sigattn.Causal)}, Level: Default, Cases: "^graph"}
	for _, r := range runEmulated(t, o, emulation(o)).Results {
		if !r.Case.Capture {
			t.Errorf("%q captures nothing", r.Case.Name)
		}
	}
}

// TestEmulatorByName runs by the name that Options take.
func TestEmulatorByName(t *testing.T) {
	report, err := Run(t.Context(), Options{On: "emulator", Packages: []*sigattn.Package{find(t, 32, sigattn.FP16, sigattn.Full)}, Cases: "^one:"})
	if err != nil || !report.Passed || report.Level != Short || len(report.Results) == 0 || len(report.Results) != len(report.Kernels) {
		t.Errorf("level %s, %d results, error %v", report.Level, len(report.Results), err)
	}
	if _, err := Run(t.Context(), Options{On: "tpu"}); !errors.Is(err, ErrOption) {
		t.Errorf("%v, want ErrOption", err)
	}
}

// BenchmarkEmulatedForward is one forward launch of 128 queries and keys at head dim 128, with all checks and without.
func BenchmarkEmulatedForward(b *testing.B) {
	p, err := generated.Find(generated.Spec{HeadDim: 128, DType: sigattn.BF16, Mask: sigattn.Causal})
	if err != nil {
		b.Fatal(err)
	}
	for _, checks := range []bool{true, false} {
		b.Run(fmt.Sprintf("checks=%v", checks), func(b *testing.B) {
			err := withEmulator(emulator.Options{NoChecks: !checks, CheckGlobal: checks}, func(on Device) error {
				k, err := on.Load(p)
				if err != nil {
					return err
				}
				const n = 128
				args := sigattn.ForwardArgs{}
				for _, x := range []*sigattn.Tensor{&args.Q, &args.K, &args.V, &args.O} {
					data, err := on.Alloc(2 * n * n)
					if err != nil {
						return err
					}
					*x = sigattn.BSHD(data, 1, n, 1, n)
					if err := on.Fill(data, 0x3f803f80, n*n/2); err != nil {
						return err
					}
				}
				for b.Loop() {
					if err := k.Forward(on.Stream(), args); err != nil {
						return err
					}
				}
				return on.Synchronize()
			})
			if err != nil {
				b.Fatal(err)
			}
		})
	}
}
