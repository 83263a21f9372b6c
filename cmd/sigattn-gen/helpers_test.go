package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/sigattn/sigattn/compile"
	"github.com/sigattn/sigattn/gen"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// ran is what one run of the program did.
type ran struct {
	code           int
	stdout, stderr string
}

// compileFunc stands in for compile.Compile.
type compileFunc func(context.Context, []compile.Source, compile.Options) ([]gen.Image, error)

// runWith runs the program with a stand-in for NVRTC; with nil there is none.
func runWith(ctx context.Context, f compileFunc, args ...string) ran {
	var stdout, stderr bytes.Buffer
	c := &cli{&stdout, &stderr, nvrtc{f, func() (int, int, error) { return 13, 0, nil }}}
	if f == nil {
		c.nvrtc.version = func() (int, int, error) { return 0, 0, fmt.Errorf("%w in this test", compile.ErrNoNVRTC) }
	}
	code := c.execute(ctx, args)
	return ran{code, stdout.String(), stderr.String()}
}

func runArgs(t testing.TB, args ...string) ran {
	t.Helper()
	return runWith(t.Context(), fakeNVRTC, args...)
}

// fakeNVRTC gives images that depend on the source alone, and reports progress as NVRTC's caller does.
func fakeNVRTC(_ context.Context, sources []compile.Source, opts compile.Options) ([]gen.Image, error) {
	var images []gen.Image
	for _, s := range sources {
		opts.Progress(compile.Event{Step: compile.Finished, Kernel: s.Name})
		images = append(images, gen.Image{
			Kernel: s.Name, Cubin: append([]byte("cubin of "), s.Text...), PTX: append([]byte("PTX of "), s.Text...),
			Report: gen.Report{Registers: 100},
		})
	}
	return images, nil
}

// inModule makes a new Go module the current directory.
func inModule(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	put(t, filepath.Join(dir, "go.mod"), "module example.com/user\n\ngo 1.26\n")
	t.Chdir(dir)
	return dir
}

func put(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// snapshot is every file below root, by path.
func snapshot(t testing.TB, root string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		files[path] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (-update rewrites it); got:\n%s", path, got)
	}
}
