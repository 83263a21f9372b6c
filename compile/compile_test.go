package compile

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sigattn/sigattn"
)

// cleanLog is ptxas's report of a kernel without spills.
func cleanLog(name string) string {
	return "ptxas info    : Compiling entry function '" + name + "' for 'sm_80'\n" +
		"ptxas         .     0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n" +
		"ptxas info    : Used 40 registers, used 1 barriers, 512 bytes smem, 360 bytes cmem[0]\n"
}

// fake stands for NVRTC: a source's text becomes its cubin, and "bad" in it an error.
func fake(calls *atomic.Int64) compiler {
	return compiler{id: "fake", compile: func(s Source, _ []string) (output, error) {
		calls.Add(1)
		if strings.Contains(string(s.Text), "bad") {
			return output{}, &SourceError{Kernel: s.Name, Line: 3, Message: "bad"}
		}
		return output{Cubin: s.Text, PTX: []byte("ptx of " + s.Name), Log: cleanLog(s.Name)}, nil
	}}
}

func sourcesOf(texts ...string) []Source {
	var sources []Source
	for i, text := range texts {
		sources = append(sources, Source{Name: fmt.Sprintf("kernel%d", i), Text: []byte(text), Arch: sigattn.SM80})
	}
	return sources
}

func TestImagesKeepTheOrderOfSources(t *testing.T) {
	var calls atomic.Int64
	var texts []string
	for i := range 40 {
		texts = append(texts, fmt.Sprint("text", i))
	}
	images, err := compileAll(t.Context(), fake(&calls), sourcesOf(texts...), Options{CacheDir: t.TempDir(), Workers: 7})
	if err != nil {
		t.Fatal(err)
	}
	for i, img := range images {
		if string(img.Cubin) != texts[i] || img.Kernel != fmt.Sprint("kernel", i) || len(img.PTX) == 0 {
			t.Errorf("image %d is %s with cubin %q", i, img.Kernel, img.Cubin)
		}
		if img.Report.Registers != 40 || img.Report.StaticSharedBytes != 512 {
			t.Errorf("image %d: report %+v", i, img.Report)
		}
	}
}

func TestSecondCompileIsCached(t *testing.T) {
	var calls atomic.Int64
	sources := sourcesOf("a", "b", "c")
	var steps []Step
	opts := Options{CacheDir: t.TempDir(), Workers: 2, Progress: func(e Event) { steps = append(steps, e.Step) }}
	first, err := compileAll(t.Context(), fake(&calls), sources, opts)
	if err != nil || len(steps) != 6 || calls.Load() != 3 {
		t.Fatalf("err %v, %d steps, %d compiles; want nil, 6, 3", err, len(steps), calls.Load())
	}
	steps = nil
	second, err := compileAll(t.Context(), fake(&calls), sources, opts)
	if err != nil || calls.Load() != 3 {
		t.Fatalf("err %v, %d compiles; want nil and 3", err, calls.Load())
	}
	for i := range second {
		if string(first[i].Cubin) != string(second[i].Cubin) || first[i].Report != second[i].Report {
			t.Errorf("image %d differs when it comes from the cache", i)
		}
	}
	for _, s := range steps {
		if s != Cached {
			t.Errorf("step %v on the second time, want Cached", s)
		}
	}
}

func TestFailuresAreCountedAndOthersCompiled(t *testing.T) {
	var calls atomic.Int64
	images, err := compileAll(t.Context(), fake(&calls), sourcesOf("good", "bad one", "good", "bad two"), Options{CacheDir: t.TempDir()})
	if want := "kernel1.cu:3: bad (2 of 4 kernels failed)"; err == nil || err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
	if !errors.Is(err, ErrSource) {
		t.Errorf("%v does not wrap ErrSource", err)
	}
	var all *FailedError
	if !errors.As(err, &all) || len(all.Errs) != 2 {
		t.Errorf("want a *FailedError of 2, got %#v", err)
	}
	if len(images) != 4 || len(images[2].Cubin) == 0 || len(images[3].Cubin) != 0 {
		t.Error("want images of kernels 0 and 2 and none of 1 and 3")
	}
}

func TestSpillsFail(t *testing.T) {
	spilling := compiler{id: "fake", compile: func(s Source, _ []string) (output, error) {
		log := strings.Replace(cleanLog(s.Name), "0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads",
			"96 bytes stack frame, 40 bytes spill stores, 44 bytes spill loads", 1)
		return output{Cubin: []byte("cubin"), PTX: []byte("ptx"), Log: log}, nil
	}}
	dir := t.TempDir()
	for _, when := range []string{"compiled", "cached"} {
		images, err := compileAll(t.Context(), spilling, sourcesOf("x"), Options{CacheDir: dir})
		var r *ResourceError
		if !errors.As(err, &r) || !errors.Is(err, ErrResources) {
			t.Fatalf("%s: want a *ResourceError, got %v", when, err)
		}
		for _, figure := range []string{"kernel0", "96", "40 bytes", "44 bytes"} {
			if !strings.Contains(err.Error(), figure) {
				t.Errorf("%s: %q lacks %q", when, err, figure)
			}
		}
		if images[0].Cubin != nil || images[0].Report.SpillLoadBytes != 44 {
			t.Errorf("%s: want the report and no cubin, got %+v", when, images[0])
		}
	}
}

func TestCancelIsHonouredBetweenKernels(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("enough")
	var calls atomic.Int64
	opts := Options{CacheDir: t.TempDir(), Workers: 1, Progress: func(e Event) {
		if e.Step == Finished {
			cancel(reason)
		}
	}}
	_, err := compileAll(ctx, fake(&calls), sourcesOf("a", "b", "c"), opts)
	if !errors.Is(err, reason) || calls.Load() != 1 {
		t.Errorf("error %v after %d compiles, want %v after 1", err, calls.Load(), reason)
	}
}

func TestNameMustBeAnIdentifier(t *testing.T) {
	var calls atomic.Int64
	for _, name := range []string{"", "../x", "a b", "1a", strings.Repeat("x", 129)} {
		_, err := compileAll(t.Context(), fake(&calls), []Source{{Name: name, Arch: sigattn.SM80}}, Options{CacheDir: t.TempDir()})
		if !errors.Is(err, ErrSource) || !strings.Contains(err.Error(), "identifier") {
			t.Errorf("name %q: %v", name, err)
		}
	}
	if calls.Load() != 0 {
		t.Error("a bad name reached the compiler")
	}
}
