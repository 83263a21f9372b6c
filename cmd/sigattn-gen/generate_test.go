package main

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sigattn/sigattn/compile"
	"github.com/sigattn/sigattn/gen"
)

// two is a request of two kernels, small the same for attn.
var (
	two   = []string{"--arch", "sm_80", "--head-dims", "32", "--dtypes", "bf16", "--passes", "forward", "--tiles", "128x64x3w4b2"}
	small = with(two, "--out", "attn")
)

func with(args []string, more ...string) []string {
	return append(append([]string{}, args...), more...)
}

func TestGenerateThenCheck(t *testing.T) {
	dir := inModule(t)
	if r := runArgs(t, with(small, "--check")...); r.code != exitShort {
		t.Errorf("--check of nothing: status %d, want %d; %s", r.code, exitShort, r.stderr)
	}
	r := runArgs(t, small...)
	if r.code != exitFine || !strings.HasPrefix(r.stdout, "attn: 2 packages, 2 kernels, ") {
		t.Fatalf("status %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
	}
	after := snapshot(t, dir)
	if _, made := after[filepath.Join(dir, "attn", "d32bf16causal", "d32bf16causal.go")]; !made {
		t.Error("no package was made")
	}
	if r := runArgs(t, with(small, "--no-compile")...); r.code != exitFine || !strings.HasSuffix(r.stdout, " 0 files changed\n") {
		t.Errorf("again: status %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
	}
	if r := runArgs(t, with(small, "--check")...); r.code != exitFine {
		t.Errorf("--check: status %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
	}
	edited := filepath.Join(dir, "attn", "d32bf16full", "d32bf16full.go")
	if err := os.WriteFile(edited, []byte(after[edited]+"\n// edited\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r = runArgs(t, with(small, "--check")...)
	if r.code != exitShort || !strings.Contains(r.stdout, "d32bf16full/d32bf16full.go: differs") {
		t.Errorf("--check of an edited file: status %d, stdout %q", r.code, r.stdout)
	}
	if r := runArgs(t, small...); r.code != exitFine || !maps.Equal(after, snapshot(t, dir)) {
		t.Errorf("status %d: generating did not restore the tree", r.code)
	}
}

func TestGenerateWithoutNVRTC(t *testing.T) {
	dir := inModule(t)
	before := snapshot(t, dir)
	for _, tc := range []struct{ flag, want string }{{"--no-compile", "nvrtc"}, {"--no-compile=false", "no NVRTC"}} {
		r := runWith(t.Context(), nil, with(small, tc.flag)...)
		if r.code != exitUsage || !strings.Contains(r.stderr, tc.want) {
			t.Errorf("%s: status %d, stderr %q", tc.flag, r.code, r.stderr)
		}
		if !maps.Equal(before, snapshot(t, dir)) {
			t.Errorf("%s: something was written", tc.flag)
		}
	}
}

// TestGeneratePrebuilt generates as go tool does in another module: without NVRTC, beside the module's own packages.
func TestGeneratePrebuilt(t *testing.T) {
	dir := inModule(t)
	own := filepath.Join(dir, "own")
	put(t, filepath.Join(own, "go.mod"), "module "+modulePath+"\n\ngo 1.26\n")
	put(t, filepath.Join(dir, "go.mod"), "module example.com/user\n\ngo 1.26\n\nrequire "+modulePath+" v0.0.0\n\nreplace "+modulePath+" => ./own\n")
	if r := runArgs(t, with(two, "--out", filepath.Join(own, "generated"))...); r.code != exitFine {
		t.Fatal(r.stderr)
	}
	one := with(two, "--masks", "causal", "--out", "attn")
	if r := runWith(t.Context(), nil, one...); r.code != exitFine {
		t.Fatal(r.stderr)
	}
	const archive = "d32bf16causal/images.zip"
	files := snapshot(t, dir)
	if got := files[filepath.Join(dir, "attn", archive)]; got == "" || got != files[filepath.Join(own, "generated", archive)] {
		t.Errorf("%s is not the prebuilt one", archive)
	}
	before := snapshot(t, dir)
	r := runWith(t.Context(), nil, with(one, "--tiles", "64x64x3w4")...)
	if r.code != exitUsage || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, "tag nvrtc") || !strings.Contains(r.stderr, "_64x64x3w4") {
		t.Errorf("a tile that is not prebuilt: status %d, stderr %q", r.code, r.stderr)
	}
	if !maps.Equal(before, snapshot(t, dir)) {
		t.Error("something was written")
	}
}

func TestGenerateWithBadKernels(t *testing.T) {
	dir := inModule(t)
	before := snapshot(t, dir)
	failing := func(_ context.Context, sources []compile.Source, _ compile.Options) ([]gen.Image, error) {
		return make([]gen.Image, len(sources)), &compile.FailedError{Kernels: len(sources), Errs: []error{
			&compile.SourceError{Kernel: sources[0].Name, Line: 7, Message: "expected a ;"},
			&compile.ResourceError{Kernel: sources[1].Name, Report: gen.Report{Registers: 255, SpillStoreBytes: 8}},
		}}
	}
	r := runWith(t.Context(), failing, small...)
	if r.code != exitShort {
		t.Errorf("status %d, want %d", r.code, exitShort)
	}
	for _, want := range []string{".cu:7: expected a ;", "spills 8 bytes", "2 of 2 kernels failed"} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("stderr lacks %q:\n%s", want, r.stderr)
		}
	}
	greedy := func(_ context.Context, sources []compile.Source, opts compile.Options) ([]gen.Image, error) {
		images, err := fakeNVRTC(t.Context(), sources, opts)
		images[0].Report.Registers = 1000
		return images, err
	}
	if r := runWith(t.Context(), greedy, small...); r.code != exitShort || !strings.Contains(r.stderr, "1000 registers") {
		t.Errorf("over budget: status %d, stderr %q", r.code, r.stderr)
	}
	if !maps.Equal(before, snapshot(t, dir)) {
		t.Error("something was written")
	}
}

func TestInterrupt(t *testing.T) {
	dir := inModule(t)
	if r := runArgs(t, small...); r.code != exitFine {
		t.Fatal(r.stderr)
	}
	before := snapshot(t, dir)
	ctx, cancel := context.WithCancelCause(t.Context())
	interrupted := func(ctx context.Context, sources []compile.Source, opts compile.Options) ([]gen.Image, error) {
		cancel(errors.New("interrupt signal received"))
		return nil, context.Cause(ctx)
	}
	r := runWith(ctx, interrupted, with(small, "--recompile")...)
	if r.code != exitUsage || r.stderr != "sigattn-gen: interrupted\n" {
		t.Errorf("status %d, stderr %q", r.code, r.stderr)
	}
	if !maps.Equal(before, snapshot(t, dir)) {
		t.Error("the tree is not as before")
	}
}

func TestHeadDimBetweenKernels(t *testing.T) {
	r := runArgs(t, "list", "--json", "--arch", "sm_80", "--head-dims", "40,64", "--dtypes", "bf16", "--masks", "full", "--passes", "forward")
	if r.code != exitFine || r.stderr != "head dim 40: served by the 64 kernel, zero-filled in shared memory\n" {
		t.Errorf("status %d, stderr %q", r.code, r.stderr)
	}
	var kernels []struct {
		HeadDim int `json:"head_dim"`
	}
	if err := json.Unmarshal([]byte(r.stdout), &kernels); err != nil {
		t.Fatal(err)
	}
	if len(kernels) != 1 || kernels[0].HeadDim != 64 {
		t.Errorf("kernels %+v, want the one of head dim 64", kernels)
	}
}
