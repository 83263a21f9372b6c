package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sigattn/sigattn"
)

// fakePackage has every pass with small tiles.
func fakePackage(d sigattn.DType, mask sigattn.Mask) *sigattn.Package {
	p := &sigattn.Package{Name: fmt.Sprintf("d16%v%v", d, mask), HeadDim: 16, DType: d, Mask: mask, Sigmoid: sigattn.Accurate}
	for _, pass := range []sigattn.Pass{
		sigattn.Forward, sigattn.BackwardFused, sigattn.BackwardDKV, sigattn.BackwardDQ, sigattn.BackwardFinish,
	} {
		p.Kernels = append(p.Kernels, sigattn.KernelInfo{Name: fmt.Sprintf("k_%v", pass), Pass: pass, Arch: sigattn.SM80, TileM: 32, TileN: 16})
	}
	return p
}

// runFake runs cases of packages on a fake device.
func runFake(t *testing.T, d *fakeDevice, o Options) (Report, error) {
	t.Helper()
	r, err := newRun(o)
	if err != nil {
		t.Fatal(err)
	}
	err = r.run(t.Context(), d)
	if len(d.blocks) > 0 {
		t.Errorf("%d buffers were not freed", len(d.blocks))
	}
	return r.report, err
}

func TestRightKernelsPass(t *testing.T) {
	bf16, fp16 := fakePackage(sigattn.BF16, sigattn.Causal), fakePackage(sigattn.FP16, sigattn.Full)
	for name, o := range map[string]Options{
		"short":    {Packages: []*sigattn.Package{bf16, fp16}, Level: Short},
		"bf16":     {Packages: []*sigattn.Package{bf16}, Cases: "tile|layout|inputs|rows|head dim|scale|graph"},
		"fp16":     {Packages: []*sigattn.Package{fp16}, Cases: "inputs|bias|64k|no dbias"},
		"repeated": {Packages: []*sigattn.Package{bf16}, Cases: "soak: ", Soak: 2},
	} {
		t.Run(name, func(t *testing.T) {
			report, err := runFake(t, &fakeDevice{}, o)
			if err != nil || !report.Passed || len(report.Results) == 0 {
				t.Errorf("passed %v, %d results, error %v", report.Passed, len(report.Results), err)
			}
			for _, r := range report.Results {
				if !r.Pass() || r.Skipped != "" {
					t.Errorf("%s %s %q: %s%s", r.Package, r.Mode, r.Case.Name, strings.Join(r.Reasons(), "; "), r.Skipped)
				}
			}
			if got, want := len(report.Kernels), len(o.Packages)*3; got != want {
				t.Errorf("%d summaries, want %d", got, want)
			}
			if _, err := json.Marshal(report); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestFaultsAreFound seeds faults one at a time; each must fail in every mode that it touches.
func TestFaultsAreFound(t *testing.T) {
	bf16, causal, fp16 := fakePackage(sigattn.BF16, sigattn.Full), fakePackage(sigattn.BF16, sigattn.Causal), fakePackage(sigattn.FP16, sigattn.Full)
	everywhere := []Mode{Forward, Backward, Deterministic}
	gradients := everywhere[1:]
	for name, c := range map[string]struct {
		fault
		p     *sigattn.Package
		cases string
		in    []Mode
	}{
		"mask one key too far":   {fault{maskShift: 1}, causal, "primes", everywhere},
		"mask one key too short": {fault{maskShift: -1}, causal, "primes", everywhere},
		"scale forgotten":        {fault{scaleFactor: 4}, bf16, "primes", everywhere},
		"scale 2 % off":          {fault{scaleFactor: 1.02}, bf16, "primes", everywhere},
		"bias 1 % off":           {fault{biasOffset: 0.01}, bf16, "primes", everywhere},
		"last tile dropped":      {fault{dropKeys: [2]int{96, 97}}, bf16, "primes: b1 h2/1 q211", everywhere},
		"wrong KV head":          {fault{wrongHead: true}, bf16, "group", everywhere},
		"coarse sigmoid":         {fault{sigmoidError: 5e-3}, bf16, "primes", everywhere},
		"coarse sigmoid, fp16":   {fault{sigmoidError: 1e-3}, fp16, "primes", everywhere},
		"truncation":             {fault{truncate: true}, bf16, "primes", everywhere},
		"coarse P":               {fault{coarseP: true}, bf16, "primes", everywhere},
		"dS flushed":             {fault{flushDS: true}, fp16, "64k", gradients},
		"hidden NaN leak":        {fault{multiplyMask: true}, causal, "^hidden", everywhere},
		"row not written":        {fault{staleRow: true}, bf16, "one", everywhere},
		"write behind the end":   {fault{strayWrite: true}, bf16, "primes", everywhere},
		"write between rows":     {fault{strayWrite: true}, bf16, "layout.*padded", everywhere},
		"input overwritten":      {fault{spoilInput: true}, bf16, "primes", everywhere},
		"behind the workspace":   {fault{workspace: true}, bf16, "primes", gradients},
		"dbias of one batch":     {fault{skipBatch: true}, bf16, "group", gradients},
		"bits that change":       {fault{everyThird: true}, bf16, "soak: ", []Mode{Forward, Deterministic}},
		"row that changes":       {fault{thirdRow: true}, bf16, "soak: ", everywhere},
		"dbias that changes":     {fault{thirdBias: true}, bf16, "soak: ", gradients},
		"replay that changes":    {fault{everyThird: true}, bf16, "graph", []Mode{Forward, Deterministic}},
		"dK without scale":       {fault{unscaledDK: true}, bf16, "primes", gradients},
	} {
		t.Run(name, func(t *testing.T) {
			report, err := runFake(t, &fakeDevice{fault: c.fault}, Options{Packages: []*sigattn.Package{c.p}, Cases: c.cases, Soak: 3})
			if err != nil || len(report.Results) == 0 {
				t.Fatalf("error %v, %d results", err, len(report.Results))
			}
			if report.Passed {
				t.Error("the report says that everything passed")
			}
			for _, mode := range c.in {
				found := false
				for _, r := range report.Results {
					found = found || r.Mode == mode && !r.Pass()
				}
				if !found {
					t.Errorf("%s passes", mode)
				}
			}
		})
	}
}

// TestSoaks counts the launches that must give equal bits: more at the full level, beside others.
func TestSoaks(t *testing.T) {
	for _, c := range []struct {
		level         Level
		soak          int
		alone, beside int
	}{{Default, defaultSoak, 200, 200}, {Long, machines["gpu"].soak, 200, 1000}, {Long, machines["emulator"].soak, 200, 200}, {Long, 3, 3, 3}} {
		got := make(map[bool]int)
		for _, x := range casesFor(c.level, 64, []tile{{64, 64}}, 1, c.soak) {
			if x.Repeat > 0 {
				got[x.Beside] = x.Repeat
			}
		}
		if got[false] != c.alone || got[true] != c.beside {
			t.Errorf("level %s: %v launches beside others or not, want %d and %d", c.level, got, c.beside, c.alone)
		}
	}
	d := &fakeDevice{}
	report, err := runFake(t, d, Options{Packages: []*sigattn.Package{fakePackage(sigattn.BF16, sigattn.Full)}, Cases: "^soak beside others", Soak: 3})
	if err != nil || !report.Passed {
		t.Errorf("passed %v, error %v", report.Passed, err)
	}
	if modes := len(report.Results); d.beside != fakeOnBeside*3*modes || d.launches != 3*modes {
		t.Errorf("%d launches beside %d in %d modes", d.beside, d.launches, modes)
	}
}

func TestBareRunsPass(t *testing.T) {
	report, err := runFake(t, &fakeDevice{}, Options{Packages: []*sigattn.Package{fakePackage(sigattn.BF16, sigattn.Causal)}, Level: Short, Bare: true})
	if err != nil || !report.Passed || len(report.Results) == 0 {
		t.Errorf("passed %v, %d results, error %v", report.Passed, len(report.Results), err)
	}
}

func TestWithoutRoomCasesAreSkipped(t *testing.T) {
	report, err := runFake(t, &fakeDevice{}, Options{
		Packages: []*sigattn.Package{fakePackage(sigattn.BF16, sigattn.Full)}, Level: Long, Cases: "widebatch",
	})
	if err != nil || !report.Passed || len(report.Results) != 3 {
		t.Fatalf("passed %v, %d results, error %v", report.Passed, len(report.Results), err)
	}
	for _, r := range report.Results {
		if !strings.Contains(r.Skipped, "GB") {
			t.Errorf("%s: skipped is %q", r.Mode, r.Skipped)
		}
	}
}

func TestForwardOnlyPackages(t *testing.T) {
	p := fakePackage(sigattn.BF16, sigattn.Full)
	p.Kernels = p.Kernels[:1]
	report, err := runFake(t, &fakeDevice{}, Options{Packages: []*sigattn.Package{p}, Level: Short})
	if err != nil || !report.Passed || len(report.Kernels) != 1 || report.Kernels[0].Mode != Forward {
		t.Errorf("passed %v, summaries %v, error %v", report.Passed, report.Kernels, err)
	}
}

// A package with two forward images is run twice, and an image that a case's tensors do not fit is found.
func TestTwoForwardImages(t *testing.T) {
	p := fakePackage(sigattn.BF16, sigattn.Full)
	mapped := sigattn.KernelInfo{Name: "k_mapped", Pass: sigattn.Forward, Arch: sigattn.SM90, TileM: 64, TileN: 32}
	p.Kernels = slices.Insert(p.Kernels, 0, mapped)
	report, err := runFake(t, &fakeDevice{}, Options{Packages: []*sigattn.Package{p}, Level: Short})
	if err != nil || len(report.Kernels) != 4 {
		t.Fatalf("%d summaries, error %v", len(report.Kernels), err)
	}
	for i, want := range []Summary{
		{Mode: Forward, Images: []Image{{"k_mapped", sigattn.SM90, false}}, Failed: 3}, // no query, no key, reversed
		{Mode: Backward, Images: []Image{{"k_bwd", sigattn.SM80, false}, {"k_bwdfin", sigattn.SM80, false}}},
		{Mode: Deterministic, Images: []Image{{"k_bwddkv", sigattn.SM80, false}, {"k_bwddq", sigattn.SM80, false}, {"k_bwdfin", sigattn.SM80, false}}},
		{Mode: Forward, Images: []Image{{"k_fwd", sigattn.SM80, false}}},
	} {
		if got := report.Kernels[i]; got.Mode != want.Mode || got.Failed != want.Failed || !slices.Equal(got.Images, want.Images) {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	for _, r := range report.Results {
		if want := "k_mapped ran, want k_fwd"; !r.Pass() && !slices.Equal(r.Reasons(), []string{want}) {
			t.Errorf("%q: %v, want %s", r.Case.Name, r.Reasons(), want)
		}
	}
}

// A package that splits keys is run three times, once without those kernels on the cases that they take.
func TestSplitImages(t *testing.T) {
	p := fakePackage(sigattn.BF16, sigattn.Full)
	p.Kernels = slices.Insert(p.Kernels[:1], 0,
		sigattn.KernelInfo{Name: "k_mapped", Pass: sigattn.Forward, Arch: sigattn.SM90, TileM: 64, TileN: 32},
		sigattn.KernelInfo{Name: "k_split", Pass: sigattn.ForwardSplit, Arch: sigattn.SM90, TileM: 64, TileN: 32})
	report, err := runFake(t, &fakeDevice{}, Options{Packages: []*sigattn.Package{p}, Level: Short, Cases: "one:|two tiles|group|turns|reversed"})
	if err != nil || len(report.Kernels) != 3 {
		t.Fatalf("%d summaries, error %v", len(report.Kernels), err)
	}
	few := 0 // cases of so few query rows that keys are split, which this fake never does
	for _, r := range report.Results {
		if slices.Equal(r.Reasons(), []string{"k_mapped ran, want k_split"}) {
			few++
		} else if !r.Pass() && !slices.Equal(r.Reasons(), []string{"k_mapped ran, want k_fwd"}) {
			t.Errorf("%q: %v", r.Case.Name, r.Reasons())
		}
	}
	if few != 3 || report.Kernels[1].Cases != 4 || report.Kernels[1].Cases >= report.Kernels[2].Cases {
		t.Errorf("%d cases are for the split kernel: %+v", few, report.Kernels)
	}
}

// The same of the fused backward pass; the deterministic one has no choice here.
func TestTwoBackwardImages(t *testing.T) {
	p := fakePackage(sigattn.BF16, sigattn.Full)
	mapped := sigattn.KernelInfo{Name: "k_mapped", Pass: sigattn.BackwardFused, Arch: sigattn.SM90, TileM: 64, TileN: 32}
	finish := sigattn.KernelInfo{Name: "k_mapped_fin", Pass: sigattn.BackwardFinish, Arch: sigattn.SM90, TileM: 64, TileN: 16}
	p.Kernels = slices.Insert(p.Kernels, 0, mapped, finish)
	report, err := runFake(t, &fakeDevice{}, Options{Packages: []*sigattn.Package{p}, Level: Short})
	if err != nil || len(report.Kernels) != 4 {
		t.Fatalf("%d summaries, error %v", len(report.Kernels), err)
	}
	for i, want := range []Summary{
		{Mode: Forward, Images: []Image{{"k_fwd", sigattn.SM80, false}}},
		{Mode: Backward, Images: []Image{{"k_mapped", sigattn.SM90, false}, {"k_mapped_fin", sigattn.SM90, false}, {"k_bwdfin", sigattn.SM80, false}}, Failed: 3}, // no query, no key, reversed
		{Mode: Deterministic, Images: []Image{{"k_bwddkv", sigattn.SM80, false}, {"k_bwddq", sigattn.SM80, false}, {"k_bwdfin", sigattn.SM80, false}}},
		{Mode: Backward, Images: []Image{{"k_bwd", sigattn.SM80, false}, {"k_bwdfin", sigattn.SM80, false}}},
	} {
		if got := report.Kernels[i]; got.Mode != want.Mode || got.Failed != want.Failed || !slices.Equal(got.Images, want.Images) {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}

// Of the deterministic kernels each is chosen by its own tensors; the fast mode runs them where it has no fused one of their kind.
func TestChoiceOfImages(t *testing.T) {
	image := func(p sigattn.Pass, a sigattn.Arch) sigattn.ImageInfo {
		return sigattn.ImageInfo{KernelInfo: sigattn.KernelInfo{Name: fmt.Sprintf("%v %v", p, a), Pass: p, Arch: a}}
	}
	info := sigattn.Info{Images: []sigattn.ImageInfo{
		image(sigattn.BackwardFused, sigattn.SM80),
		image(sigattn.BackwardDKV, sigattn.SM90), image(sigattn.BackwardDKV, sigattn.SM80),
		image(sigattn.BackwardDQ, sigattn.SM90), image(sigattn.BackwardDQ, sigattn.SM80),
		image(sigattn.BackwardFinish, sigattn.SM80),
	}}
	const fused = "bwd sm_80, bwdfin sm_80"
	for _, c := range []struct {
		mode    Mode
		without []role
		want    string
	}{
		{Backward, nil, "bwddkv sm_90, bwddq sm_90, bwdfin sm_80"},
		{Backward, []role{roleQ}, fused},
		{Backward, []role{roleDQ}, fused},
		{Backward, []role{roleDV}, fused},
		{Deterministic, nil, "bwddkv sm_90, bwddq sm_90, bwdfin sm_80"},
		{Deterministic, []role{roleK}, "bwddkv sm_80, bwddq sm_80, bwdfin sm_80"},
		{Deterministic, []role{roleDQ}, "bwddkv sm_90, bwddq sm_80, bwdfin sm_80"},
		{Deterministic, []role{roleDK}, "bwddkv sm_80, bwddq sm_90, bwdfin sm_80"},
		{Deterministic, []role{roleO}, "bwddkv sm_90, bwddq sm_90, bwdfin sm_80"},
	} {
		maps := func(roles []role) bool {
			return !slices.ContainsFunc(roles, func(r role) bool { return slices.Contains(c.without, r) })
		}
		var got []string
		for _, i := range (choice{info, Shape{1, 1, 1, 1, 1, 8}, maps}).images(c.mode) {
			got = append(got, i.Name)
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%s without maps of %v: %v, want %s", c.mode, c.without, got, c.want)
		}
	}
	if !choiceIn(info, Backward) || !choiceIn(info, Deterministic) {
		t.Error("tensors decide nothing")
	}
}

// The kernel that adds in order serves what it has maps for, and the deterministic kernels of sm_80 the rest; without it they serve all.
func TestChoiceInOrder(t *testing.T) {
	image := func(p sigattn.Pass, a sigattn.Arch) sigattn.ImageInfo {
		return sigattn.ImageInfo{KernelInfo: sigattn.KernelInfo{Name: fmt.Sprintf("%v %v", p, a), Pass: p, Arch: a}}
	}
	info := sigattn.Info{Images: []sigattn.ImageInfo{
		image(sigattn.BackwardFused, sigattn.SM90), image(sigattn.BackwardFused, sigattn.SM80), image(sigattn.BackwardOrdered, sigattn.SM90),
		image(sigattn.BackwardDKV, sigattn.SM80), image(sigattn.BackwardDQ, sigattn.SM80),
		image(sigattn.BackwardFinish, sigattn.SM90), image(sigattn.BackwardFinish, sigattn.SM80),
	}}
	for _, c := range []struct {
		mode Mode
		maps bool
		want string
	}{
		{Backward, true, "bwd sm_90, bwdfin sm_90"},
		{Backward, false, "bwd sm_80, bwdfin sm_80"},
		{Deterministic, true, "bwdord sm_90, bwdfin sm_90"},
		{Deterministic, false, "bwddkv sm_80, bwddq sm_80, bwdfin sm_80"},
	} {
		var got []string
		for _, i := range (choice{info, Shape{1, 1, 1, 1, 1, 8}, func([]role) bool { return c.maps }}).images(c.mode) {
			got = append(got, i.Name)
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%s, maps %v: %v, want %s", c.mode, c.maps, got, c.want)
		}
	}
	p := sigattn.Package{}
	for _, i := range info.Images {
		p.Kernels = append(p.Kernels, i.KernelInfo)
	}
	for _, k := range withoutMapped(&p, info).Kernels {
		if k.Arch != sigattn.SM80 {
			t.Errorf("%s is left", k.Name)
		}
	}
}

func TestADeviceFailureEndsTheRun(t *testing.T) {
	broken := fmt.Errorf("launch: %w", sigattn.ErrCUDA)
	report, err := runFake(t, &fakeDevice{fail: broken}, Options{Packages: []*sigattn.Package{fakePackage(sigattn.BF16, sigattn.Full)}, Level: Short})
	if !errors.Is(err, sigattn.ErrCUDA) || !strings.Contains(err.Error(), "case") {
		t.Errorf("error %v, want ErrCUDA with the case's name", err)
	}
	if report.Passed {
		t.Error("the report says that everything passed")
	}
	skipped := 0
	for _, r := range report.Results {
		if r.Skipped != "" {
			skipped++
		}
	}
	if skipped == 0 {
		t.Error("cases ran after the device had failed")
	}
}

func TestLoadErrorsComeBack(t *testing.T) {
	_, err := runFake(t, &fakeDevice{loadError: sigattn.ErrUnsupportedArch}, Options{Packages: []*sigattn.Package{fakePackage(sigattn.BF16, sigattn.Full)}})
	if !errors.Is(err, sigattn.ErrUnsupportedArch) {
		t.Errorf("error %v, want ErrUnsupportedArch", err)
	}
}

func TestCancelledRunsStop(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := newRun(Options{Packages: []*sigattn.Package{fakePackage(sigattn.BF16, sigattn.Full)}})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.run(ctx, &fakeDevice{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	for _, result := range r.report.Results {
		if result.Skipped == "" {
			t.Fatalf("%q ran", result.Case.Name)
		}
	}
}

func TestBadOptions(t *testing.T) {
	for name, o := range map[string]Options{
		"level": {Level: "huge"}, "cases": {Cases: "("}, "on": {On: "tpu"}, "soak": {Soak: -1},
	} {
		if _, err := Run(t.Context(), o); !errors.Is(err, ErrOption) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v, want ErrOption that names it", name, err)
		}
	}
}
