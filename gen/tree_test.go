package gen

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const ours = generatedLine + "\n\n"

// fakeTree has two packages of three files and a selector; version makes their contents.
func fakeTree(root, version string) tree {
	t := tree{root: root, selector: file{"attn.go", []byte(ours + version)}}
	for _, name := range []string{"d32bf16full", "d64bf16full"} {
		t.folders = append(t.folders, folder{name, []file{
			{name + ".go", []byte(ours + name + version)},
			{ArchiveName, []byte("archive " + name + version)},
			{"sigattn_" + name + ".cu", []byte(ours + "// " + name)}, // the same in every version
		}})
	}
	return t
}

// files is what snapshot must find of t.
func (t tree) contents() map[string]string {
	files := map[string]string{t.selector.name: string(t.selector.data)}
	for _, f := range t.folders {
		for _, each := range f.files {
			files[f.name+"/"+each.name] = string(each.data)
		}
	}
	return files
}

func wantFiles(t *testing.T, root string, want map[string]string) {
	t.Helper()
	if got := snapshot(t, root); !maps.Equal(got, want) {
		t.Errorf("the folder holds\n%q\nand not\n%q", got, want)
	}
}

func kinds(changes []Change) string {
	var words []string
	for _, c := range changes {
		words = append(words, fmt.Sprintf("%s %s", c.Path, c.Kind))
	}
	return strings.Join(words, ", ")
}

func TestWriteNewChangedAndUnchanged(t *testing.T) {
	for _, foreign := range []bool{false, true} {
		root := filepath.Join(module(t), "deep", "attn")
		first, second := fakeTree(root, "1"), fakeTree(root, "2")
		if err := first.write(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantFiles(t, root, first.contents())

		want := second.contents()
		if foreign {
			put(t, filepath.Join(root, "mine.go"), "package attn")
			put(t, filepath.Join(root, "notes", "deep", "x.txt"), "x")
			want["mine.go"], want["notes/deep/x.txt"] = "package attn", "x"
		}
		source := filepath.Join(root, "d32bf16full", "sigattn_d32bf16full.cu")
		before, err := os.Stat(source)
		if err != nil {
			t.Fatal(err)
		}
		changes, err := second.compare()
		if want := "attn.go differs, d32bf16full/d32bf16full.go differs, d32bf16full/images.zip differs, d64bf16full/d64bf16full.go differs, d64bf16full/images.zip differs"; err != nil || kinds(changes) != want {
			t.Errorf("changes: %s, %v", kinds(changes), err)
		}
		if err := second.write(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantFiles(t, root, want)
		if after, err := os.Stat(source); err != nil || !os.SameFile(before, after) {
			t.Errorf("an unchanged file was written again, %v", err)
		}

		whole, err := os.Stat(root)
		if err != nil {
			t.Fatal(err)
		}
		if err := second.write(t.Context()); err != nil {
			t.Fatal(err)
		}
		if again, err := os.Stat(root); err != nil || !os.SameFile(whole, again) || !again.ModTime().Equal(whole.ModTime()) {
			t.Errorf("a tree without changes was touched, %v", err)
		}
		wantNoLeftovers(t, filepath.Dir(root), "attn")
	}
}

func wantNoLeftovers(t *testing.T, parent string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains(names, e.Name()) {
			t.Errorf("%s is left in %s", e.Name(), parent)
		}
	}
}

func TestPrune(t *testing.T) {
	for _, foreign := range []bool{false, true} {
		root := filepath.Join(module(t), "attn")
		if err := fakeTree(root, "1").write(t.Context()); err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(root, "oldname.go"), ours+"package oldname")               // a selector from before the folder was renamed
		put(t, filepath.Join(root, "d32bf16full", "sigattn_old.cu"), ours)              // a kernel that is made no more
		put(t, filepath.Join(root, "d64bf16full", "sigattn_d64bf16full.cu"), "foreign") // no header: not ours
		less := fakeTree(root, "1")
		less.folders = less.folders[:1]
		want := less.contents()
		want["d64bf16full/sigattn_d64bf16full.cu"] = "foreign"
		if foreign {
			put(t, filepath.Join(root, "handwritten", "x.go"), "package handwritten")
			want["handwritten/x.go"] = "package handwritten"
		} else {
			if err := os.Remove(filepath.Join(root, "d64bf16full", "sigattn_d64bf16full.cu")); err != nil {
				t.Fatal(err)
			}
			delete(want, "d64bf16full/sigattn_d64bf16full.cu")
		}
		changes, err := less.compare()
		if want := "d32bf16full/sigattn_old.cu stale, d64bf16full/d64bf16full.go stale, d64bf16full/images.zip stale"; err != nil || !strings.HasPrefix(kinds(changes), want) || !strings.HasSuffix(kinds(changes), "oldname.go stale") {
			t.Errorf("changes: %s, %v", kinds(changes), err)
		}
		if err := less.write(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantFiles(t, root, want)
		if _, err := os.Stat(filepath.Join(root, "d64bf16full")); !foreign && !os.IsNotExist(err) {
			t.Errorf("an empty folder is left: %v", err)
		}
	}
}

func TestForeignInTheWay(t *testing.T) {
	for path, text := range map[string]string{
		"attn.go":                      "package attn // by hand",
		"d32bf16full":                  "a file",
		"d32bf16full/README":           "notes",
		"d32bf16full/d32bf16full.go":   "package d32bf16full // by hand",
		"d32bf16full/images.zip":       "no archive, and nothing of ours beside it",
		"d32bf16full/deeper/x.txt":     "x",
		"d64bf16full/.hidden":          "x",
		"d64bf16full/sigattn_other.cu": "// by hand",
	} {
		root := filepath.Join(module(t), "attn")
		put(t, filepath.Join(root, filepath.FromSlash(path)), text)
		before := snapshot(t, root)
		err := fakeTree(root, "1").write(t.Context())
		var foreign *ForeignError
		if !errors.As(err, &foreign) || !errors.Is(err, ErrOutput) || !strings.HasPrefix(filepath.Join(root, filepath.FromSlash(path)), foreign.Path) {
			t.Errorf("%s: %v; want a *ForeignError", path, err)
		}
		wantFiles(t, root, before)
		if _, err := fakeTree(root, "1").compare(); !errors.As(err, &foreign) {
			t.Errorf("%s: compare: %v", path, err)
		}
		wantNoLeftovers(t, filepath.Dir(root), "attn", "go.mod")
	}
}

func TestForeignBesideAFinishedPackageStays(t *testing.T) {
	root := filepath.Join(module(t), "attn")
	whole := fakeTree(root, "1")
	if err := whole.write(t.Context()); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(root, "d32bf16full", "mine_test.go"), "package d32bf16full")
	if err := whole.write(t.Context()); err != nil {
		t.Error(err)
	}
	if err := fakeTree(root, "2").write(t.Context()); !errors.Is(err, ErrOutput) {
		t.Errorf("a package with a foreign file was replaced: %v", err)
	}
}

func TestLeftoversAreRemoved(t *testing.T) {
	for _, mine := range []bool{false, true} {
		parent := module(t)
		root := filepath.Join(parent, "attn")
		want := fakeTree(root, "1").contents()
		if mine {
			put(t, filepath.Join(root, "mine.go"), "package attn")
			want["mine.go"] = "package attn"
		}
		put(t, filepath.Join(parent, ".attn"+stagingName, "d32bf16full", "half.cu"), ours)
		put(t, filepath.Join(root, stagingName, "d32bf16full", "half.cu"), ours)
		if changes, err := fakeTree(root, "1").compare(); err != nil || len(changes) != 7 {
			t.Errorf("%v, %v", changes, err)
		}
		if err := fakeTree(root, "1").write(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantFiles(t, root, want)
		wantNoLeftovers(t, parent, "attn", "go.mod")
	}
}

func TestWriteIntoWorkingDirectory(t *testing.T) {
	root := filepath.Join(module(t), "attn")
	if err := fakeTree(root, "1").write(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Chdir(root)
	if err := fakeTree(root, "2").write(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, ".", fakeTree(root, "2").contents())
}

func TestPlaceFilesWhereFoldersCannotBeExchanged(t *testing.T) {
	root := filepath.Join(module(t), "attn")
	if err := fakeTree(root, "1").write(t.Context()); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(root, "d32bf16full", "sigattn_old.cu"), ours)
	second := fakeTree(root, "2")
	found, err := scan(root)
	if err != nil {
		t.Fatal(err)
	}
	staged := filepath.Join(root, stagingName)
	if err := second.stageFolder(t.Context(), staged, second.folders[0], found.folders["d32bf16full"]); err != nil {
		t.Fatal(err)
	}
	if err := second.placeFiles(staged, second.folders[0], found.folders["d32bf16full"]); err != nil {
		t.Fatal(err)
	}
	want := fakeTree(root, "1").contents()
	for _, f := range second.folders[0].files {
		want["d32bf16full/"+f.name] = string(f.data)
	}
	if err := os.RemoveAll(staged); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, root, want)
}

func TestConcurrentWritersTakeTurns(t *testing.T) {
	root := filepath.Join(module(t), "attn")
	done := make(chan error)
	for i := range 8 {
		go func() { done <- fakeTree(root, fmt.Sprint(i)).write(context.Background()) }()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	got := snapshot(t, root)
	for i := range 8 {
		if maps.Equal(got, fakeTree(root, fmt.Sprint(i)).contents()) {
			return
		}
	}
	t.Errorf("the folder is none of what was written: %q", got)
}

func TestResolveFolder(t *testing.T) {
	root := module(t)
	put(t, filepath.Join(root, "file"), "x")
	for link, target := range map[string]string{"link": "real", "dangling": "nowhere"} {
		if err := os.Symlink(filepath.Join(root, target), filepath.Join(root, link)); err != nil {
			t.Skip(err)
		}
	}
	if err := os.Mkdir(filepath.Join(root, "real"), 0o755); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"real": "real", "new": "new", "a/b/c": "a/b/c", "link": "real", "link/new": "real/new", ".": "."} {
		got, err := resolveFolder(filepath.Join(root, path))
		if err != nil || got != filepath.Join(root, want) {
			t.Errorf("resolveFolder(%s) = %s, %v", path, got, err)
		}
	}
	for _, path := range []string{"file", "file/below", "dangling", "dangling/below"} {
		var notFolder *NotFolderError
		if got, err := resolveFolder(filepath.Join(root, path)); !errors.As(err, &notFolder) {
			t.Errorf("resolveFolder(%s) = %s, %v; want a *NotFolderError", path, got, err)
		}
	}
	if _, err := resolveFolder(""); !errors.Is(err, ErrValue) {
		t.Errorf("no folder: %v", err)
	}
}
