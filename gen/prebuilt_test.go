package gen

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestPrebuilt(t *testing.T) {
	root := filepath.Join(module(t), "attn")
	plans, _ := smallRequest().Plans()
	text, err := Render(plans[0])
	if err != nil {
		t.Fatal(err)
	}
	source := Source{plans[0].Name(), text, plans[0].Arch}
	if _, err := Prebuilt(root, []Source{source}); !errors.Is(err, ErrArchive) {
		t.Errorf("without a tree: %v", err)
	}
	mustGenerate(t, smallRequest(), Options{Out: root, Compiler: fakeCompiler})
	want, err := fakeCompiler(t.Context(), []Source{source})
	if err != nil {
		t.Fatal(err)
	}
	got, err := Prebuilt(root, []Source{source})
	if err != nil || got.By != want.By || string(got.Images[0].Cubin) != string(want.Images[0].Cubin) ||
		string(got.Images[0].PTX) != string(want.Images[0].PTX) || got.Images[0].Report != want.Images[0].Report {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	edited := source
	edited.Text = append([]byte("// edited\n"), source.Text...)
	var need *NeedCompilerError
	if _, err := Prebuilt(root, []Source{source, edited}); !errors.As(err, &need) || len(need.Of) != 1 || need.Of[0] != edited.Name {
		t.Errorf("of another source: %v", err)
	}
	path := filepath.Join(root, "d32bf16full", ArchiveName)
	archive, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := openArchive(archive)
	if err != nil {
		t.Fatal(err)
	}
	at, err := opened.entries[source.Name+".cubin"].DataOffset()
	if err != nil {
		t.Fatal(err)
	}
	archive[at+8] ^= 1
	put(t, path, string(archive))
	if _, err := Prebuilt(root, []Source{source}); !errors.Is(err, ErrArchive) {
		t.Errorf("of a damaged image: %v", err)
	}
	put(t, path, "PK")
	if _, err := Prebuilt(root, []Source{source}); !errors.Is(err, ErrArchive) {
		t.Errorf("of a damaged archive: %v", err)
	}
}
