package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sigattn/sigattn/compile"
	"github.com/sigattn/sigattn/gen"
)

// TestCompileLeavesTheSource leaves what an error's line is in.
func TestCompileLeavesTheSource(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	failing := func(_ context.Context, sources []compile.Source, _ compile.Options) ([]gen.Image, error) {
		return make([]gen.Image, len(sources)), &compile.FailedError{Kernels: len(sources), Errs: []error{
			&compile.SourceError{Kernel: sources[0].Name, Line: 7, Message: "expected a ;"},
		}}
	}
	r := runWith(t.Context(), failing, with(append([]string{"compile"}, two...), "--masks", "full", "--out", out)...)
	files, err := filepath.Glob(filepath.Join(out, "*"))
	if err != nil || r.code != exitShort || len(files) != 1 || filepath.Ext(files[0]) != ".cu" {
		t.Errorf("status %d, files %v, %v; want 1 and the source alone", r.code, files, err)
	}
}

func TestCompileMatrix(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "images")
	r := runArgs(t, "compile", "--arch", "sm_80", "--head-dims", "32", "--dtypes", "bf16", "--masks", "full", "--passes", "forward", "--out", out)
	if r.code != exitFine {
		t.Fatal(r.stderr)
	}
	files, err := filepath.Glob(filepath.Join(out, "*"))
	if err != nil || len(files) != 3 {
		t.Fatalf("files %v, want a cubin, PTX and the source alone", files)
	}
	name := strings.TrimSuffix(files[0], filepath.Ext(files[0]))
	if !strings.Contains(r.stdout, filepath.Base(name)) || !strings.Contains(r.stderr, "compiled 1/1 "+filepath.Base(name)) {
		t.Errorf("stdout:\n%sstderr:\n%s", r.stdout, r.stderr)
	}
	source, err := os.ReadFile(name + ".cu")
	if err != nil {
		t.Fatal(err)
	}

	edited := append(source, "// edited\n"...)
	if err := os.WriteFile(name+".cu", edited, 0o644); err != nil {
		t.Fatal(err)
	}
	again := filepath.Join(dir, "again")
	if r := runArgs(t, "compile", name+".cu", "--out", again); r.code != exitFine {
		t.Fatal(r.stderr)
	}
	cubin, err := os.ReadFile(filepath.Join(again, filepath.Base(name)+".cubin"))
	if err != nil || !bytes.HasSuffix(cubin, edited) {
		t.Errorf("the file given was not what was compiled: %v", err)
	}
}
