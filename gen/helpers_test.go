package gen

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/sigattn/sigattn"
)

// small is a request for one package with one kernel, whose template exists.
func smallRequest() Request {
	return Request{
		Archs: []sigattn.Arch{sigattn.SM80}, HeadDims: []int{32}, DTypes: []sigattn.DType{sigattn.BF16},
		Masks: []sigattn.Mask{sigattn.Full}, Passes: []sigattn.Pass{sigattn.Forward},
	}
}

// fakeCompiler makes images that depend on the source alone.
func fakeCompiler(_ context.Context, sources []Source) (Compiled, error) {
	var images []Image
	for _, s := range sources {
		images = append(images, Image{
			Kernel: s.Name,
			Cubin:  []byte("cubin of " + digest(s.Text)),
			PTX:    []byte("ptx of " + digest(s.Text)),
			Report: Report{Registers: 100},
		})
	}
	return Compiled{images, "fake 1.0"}, nil
}

// module is a new Go module's folder, without links in its path.
func module(t testing.TB) string {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(root, "go.mod"), "module example.com/user\n\ngo 1.26\n")
	return root
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

// snapshot is every file below root by its path there.
func snapshot(t testing.TB, root string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		relative, _ := filepath.Rel(root, path)
		files[filepath.ToSlash(relative)] = string(data)
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return files
}

func mustGenerate(t testing.TB, request Request, opts Options) Result {
	t.Helper()
	result, err := Generate(t.Context(), request, opts)
	if err != nil {
		t.Fatal(err)
	}
	return result
}
