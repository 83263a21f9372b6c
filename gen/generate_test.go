package gen

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/sigattn/sigattn"
)

func TestGenerate(t *testing.T) {
	root := filepath.Join(module(t), "attn")
	opts := Options{Out: root, Compiler: fakeCompiler}
	result := mustGenerate(t, smallRequest(), opts)
	name := result.Packages[0].Plans[0].Name()
	want := "attn.go missing, d32bf16full/d32bf16full.go missing, d32bf16full/images.zip missing, d32bf16full/" + name + ".cu missing"
	if got := kinds(result.Changes); got != want {
		t.Errorf("changes: %s", got)
	}
	files := snapshot(t, root)
	source, err := Render(result.Packages[0].Plans[0])
	if err != nil || files["d32bf16full/"+name+".cu"] != string(source) {
		t.Errorf("the source on disk is not the rendered one, %v", err)
	}

	// The same again, into another folder and without a compiler: nothing may depend on where or when.
	other := filepath.Join(module(t), "attn")
	mustGenerate(t, smallRequest(), Options{Out: other, Compiler: fakeCompiler})
	wantFiles(t, other, files)
	again := mustGenerate(t, smallRequest(), Options{Out: root})
	if len(again.Changes) != 0 {
		t.Errorf("changes: %s", kinds(again.Changes))
	}
	for path, text := range files {
		if strings.Contains(text, filepath.Dir(root)) {
			t.Errorf("%s holds the folder's path", path)
		}
	}

	reports, err := Reports(root, result.Packages[0].Plans)
	if err != nil || reports[name].Registers != 100 {
		t.Errorf("reports %v, %v", reports, err)
	}
}

func TestGenerateReplacesTheRequestBefore(t *testing.T) {
	root := filepath.Join(module(t), "attn")
	opts := Options{Out: root, Compiler: fakeCompiler}
	mustGenerate(t, smallRequest(), opts)
	request := smallRequest()
	request.Masks = []sigattn.Mask{sigattn.Causal}
	mustGenerate(t, request, opts)
	for path := range snapshot(t, root) {
		if strings.Contains(path, "full") {
			t.Errorf("%s is left", path)
		}
	}
}

func TestGenerateWithoutCompiler(t *testing.T) {
	root := filepath.Join(module(t), "attn")
	opts := Options{Out: root}
	_, err := Generate(t.Context(), smallRequest(), opts)
	var need *NeedCompilerError
	if !errors.As(err, &need) || !errors.Is(err, ErrNeedCompiler) || !slices.Equal(need.Of, []string{"d32bf16full"}) {
		t.Errorf("%v; want a *NeedCompilerError", err)
	}
	if _, err := os.Stat(root); !os.IsNotExist(err) {
		t.Errorf("something was written: %v", err)
	}

	opts.Compiler = fakeCompiler
	mustGenerate(t, smallRequest(), opts)
	whole := snapshot(t, root)
	opts.Compiler = nil

	// Text that is lost or changed comes back without a compiler; images do not.
	put(t, filepath.Join(root, "attn.go"), ours+"package attn")
	if err := os.Remove(filepath.Join(root, "d32bf16full", "d32bf16full.go")); err != nil {
		t.Fatal(err)
	}
	mustGenerate(t, smallRequest(), opts)
	wantFiles(t, root, whole)

	archive := filepath.Join(root, "d32bf16full", ArchiveName)
	put(t, archive, whole["d32bf16full/images.zip"][:200])
	damaged := snapshot(t, root)
	if _, err := Generate(t.Context(), smallRequest(), opts); !errors.Is(err, ErrNeedCompiler) {
		t.Errorf("a damaged archive: %v", err)
	}
	wantFiles(t, root, damaged)
	if result, err := Check(t.Context(), smallRequest(), opts); err != nil || kinds(result.Changes) != "d32bf16full/images.zip differs" {
		t.Errorf("Check of a damaged archive: %s, %v", kinds(result.Changes), err)
	}
	put(t, archive, "")
	if result, err := Check(t.Context(), smallRequest(), opts); err != nil || kinds(result.Changes) != "d32bf16full/images.zip differs" {
		t.Errorf("Check of an empty archive: %s, %v", kinds(result.Changes), err)
	}
	opts.Compiler = fakeCompiler
	mustGenerate(t, smallRequest(), opts)
	wantFiles(t, root, whole)
}

func TestArchivesAreKept(t *testing.T) {
	root := filepath.Join(module(t), "attn")
	compiled := 0
	by := "fake 1.0"
	opts := Options{Out: root, Compiler: func(ctx context.Context, sources []Source) (Compiled, error) {
		compiled += len(sources)
		made, err := fakeCompiler(ctx, sources)
		made.By = by
		return made, err
	}}
	mustGenerate(t, smallRequest(), opts)
	by = "fake 2.0"
	both := smallRequest()
	both.Masks = nil // full and causal
	mustGenerate(t, both, opts)
	if compiled != 2 {
		t.Errorf("compiled %d sources; want one each time", compiled)
	}
	opts.Recompile = true
	if result, err := Check(t.Context(), both, opts); err != nil || kinds(result.Changes) != "d32bf16full/images.zip differs" || compiled != 4 {
		t.Errorf("Check with other images: %s, %v; compiled %d", kinds(result.Changes), err, compiled)
	}
	mustGenerate(t, both, opts)
	if result, err := Check(t.Context(), both, opts); err != nil || len(result.Changes) != 0 {
		t.Errorf("Check after all was compiled again: %s, %v", kinds(result.Changes), err)
	}
}

func TestCheckWritesNothing(t *testing.T) {
	parent := module(t)
	root := filepath.Join(parent, "attn")
	result, err := Check(t.Context(), smallRequest(), Options{Out: root})
	if err != nil || len(result.Changes) != 4 || result.Changes[0] != (Change{"attn.go", Missing}) {
		t.Errorf("%s, %v", kinds(result.Changes), err)
	}
	wantNoLeftovers(t, parent, "go.mod")

	mustGenerate(t, smallRequest(), Options{Out: root, Compiler: fakeCompiler})
	if result, err := Check(t.Context(), smallRequest(), Options{Out: root}); err != nil || len(result.Changes) != 0 {
		t.Errorf("%s, %v", kinds(result.Changes), err)
	}
	put(t, filepath.Join(root, "d64bf16full", "d64bf16full.go"), ours)
	put(t, filepath.Join(root, "attn.go"), ours)
	before := snapshot(t, root)
	if result, err := Check(t.Context(), smallRequest(), Options{Out: root}); err != nil || kinds(result.Changes) != "attn.go differs, d64bf16full/d64bf16full.go stale" {
		t.Errorf("%s, %v", kinds(result.Changes), err)
	}
	wantFiles(t, root, before)
}

func TestBadImagesAreRefused(t *testing.T) {
	for what, test := range map[string]struct {
		change func(*Image)
		want   error
	}{
		"spills":        {func(i *Image) { i.Report.SpillStoreBytes = 4 }, ErrBudget},
		"a stack":       {func(i *Image) { i.Report.StackBytes = 16 }, ErrBudget},
		"registers":     {func(i *Image) { i.Report.Registers = 256 }, ErrBudget},
		"static shared": {func(i *Image) { i.Report.StaticSharedBytes = 163 << 10 }, ErrBudget},
		"name":          {func(i *Image) { i.Kernel = "other" }, ErrImage},
		"no cubin":      {func(i *Image) { i.Cubin = nil }, ErrImage},
		"no PTX":        {func(i *Image) { i.PTX = nil }, ErrImage},
	} {
		root := filepath.Join(module(t), "attn")
		_, err := Generate(t.Context(), smallRequest(), Options{Out: root, Compiler: func(ctx context.Context, sources []Source) (Compiled, error) {
			made, err := fakeCompiler(ctx, sources)
			test.change(&made.Images[0])
			return made, err
		}})
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v; want an error that is %v", what, err, test.want)
		}
		if _, err := os.Stat(root); !os.IsNotExist(err) {
			t.Errorf("%s: something was written: %v", what, err)
		}
	}
	tooFew := func(context.Context, []Source) (Compiled, error) { return Compiled{}, nil }
	if _, err := Generate(t.Context(), smallRequest(), Options{Out: filepath.Join(module(t), "attn"), Compiler: tooFew}); !errors.Is(err, ErrImage) {
		t.Errorf("no images: %v", err)
	}
}

func TestGenerateRefuses(t *testing.T) {
	root := module(t)
	put(t, filepath.Join(root, "file"), "x")
	none, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	sm90 := smallRequest()
	sm90.Archs, sm90.Passes, sm90.HeadDims = []sigattn.Arch{sigattn.SM90}, []sigattn.Pass{sigattn.BackwardFused}, []int{192}
	before := snapshot(t, root)
	for what, test := range map[string]struct {
		request Request
		out     string
		want    error
	}{
		"a file":             {smallRequest(), filepath.Join(root, "file"), ErrOutput},
		"below a file":       {smallRequest(), filepath.Join(root, "file", "attn"), ErrOutput},
		"no module":          {smallRequest(), filepath.Join(none, "attn"), ErrModule},
		"no package name":    {smallRequest(), filepath.Join(root, "1-2"), ErrValue},
		"a keyword":          {smallRequest(), filepath.Join(root, "func"), ErrValue},
		"an illegal value":   {Request{HeadDims: []int{100}}, filepath.Join(root, "attn"), ErrValue},
		"a tile too big":     {Request{Tiles: []Tile{{M: 512, N: 512}}}, filepath.Join(root, "attn"), ErrBudget},
		"nothing but culled": {sm90, filepath.Join(root, "attn"), ErrNoKernels},
	} {
		if _, err := Generate(t.Context(), test.request, Options{Out: test.out, Compiler: fakeCompiler}); !errors.Is(err, test.want) {
			t.Errorf("%s: %v; want an error that is %v", what, err, test.want)
		}
		if strings.Contains(fmt.Sprint(snapshot(t, none)), "attn") {
			t.Errorf("%s: something was written", what)
		}
	}
	wantFiles(t, root, before)
}

func TestImportPath(t *testing.T) {
	root := module(t)
	put(t, filepath.Join(root, "nested", "go.mod"), "// first\nmodule \"example.com/nested/v2\" // quoted\n")
	put(t, filepath.Join(root, "broken", "go.mod"), "go 1.26\n")
	for folder, want := range map[string]string{
		".": "example.com/user", "attn": "example.com/user/attn", "a/b": "example.com/user/a/b",
		"nested": "example.com/nested/v2", "nested/attn": "example.com/nested/v2/attn",
	} {
		if got, err := importPath(filepath.Join(root, folder)); err != nil || got != want {
			t.Errorf("importPath(%s) = %s, %v; want %s", folder, got, err, want)
		}
	}
	if got, err := importPath(filepath.Join(root, "broken", "attn")); !errors.Is(err, ErrModule) {
		t.Errorf("a go.mod without a module: %s, %v", got, err)
	}
	for folder, want := range map[string]string{"attn": "attn", "my-Attn_2": "myattn2", "generated": "generated"} {
		if got, err := selectorName("/x/" + folder); err != nil || got != want {
			t.Errorf("selectorName(%s) = %s, %v; want %s", folder, got, err, want)
		}
	}
}

// A call that ends at any step leaves the folder as it was, and the next one completes it.
func TestInterruptedAtEachStep(t *testing.T) {
	root := filepath.Join(module(t), "attn")
	opts := Options{Out: root, Compiler: fakeCompiler}
	mustGenerate(t, smallRequest(), opts)
	before := snapshot(t, root)
	request := smallRequest()
	request.Masks = []sigattn.Mask{sigattn.Causal}
	for i := range steps {
		ctx, cancel := context.WithCancelCause(t.Context())
		stop := errors.New("stop")
		interrupted := opts
		interrupted.Progress = func(e Event) {
			if e.Done == i {
				cancel(stop)
			}
			if e.Of != len(steps) || e.Step != steps[e.Done].name {
				t.Errorf("event %+v", e)
			}
		}
		if _, err := Generate(ctx, request, interrupted); !errors.Is(err, stop) {
			t.Errorf("at %q: %v", steps[i].name, err)
		}
		wantFiles(t, root, before)
		wantNoLeftovers(t, filepath.Dir(root), "attn", "go.mod")
	}
	mustGenerate(t, request, opts)
	if maps.Equal(snapshot(t, root), before) {
		t.Error("the last call wrote nothing")
	}
}

// BenchmarkDefaultMatrix is the whole of Generate on a tree that is complete, without a compiler.
func BenchmarkDefaultMatrix(b *testing.B) {
	opts := Options{Out: filepath.Join(module(b), "attn"), Compiler: fakeCompiler}
	mustGenerate(b, DefaultRequest(), opts)
	opts.Compiler = nil
	for b.Loop() {
		if result := mustGenerate(b, DefaultRequest(), opts); len(result.Changes) != 0 {
			b.Fatalf("changes: %s", kinds(result.Changes))
		}
	}
}

// TestErrorIsOfTheFirstPackage: packages are done beside each other, and which fails first in time must not show.
func TestErrorIsOfTheFirstPackage(t *testing.T) {
	r := run{packages: make([]builtPackage, 3)}
	second, third := errors.New("second"), errors.New("third")
	thirdDone := make(chan struct{})
	err := r.each(func(p *builtPackage) error {
		switch p {
		case &r.packages[1]:
			if runtime.GOMAXPROCS(0) > 1 {
				<-thirdDone
			}
			return second
		case &r.packages[2]:
			close(thirdDone)
			return third
		}
		return nil
	})
	if err != second {
		t.Errorf("%v; want %v", err, second)
	}
}
