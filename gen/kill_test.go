//go:build linux || darwin

package gen

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// killedVariable has this test's child write trees to the folder that it names until it is killed.
const killedVariable = "SIGATTN_TEST_WRITE_UNTIL_KILLED"

func TestKilledAtAnyMoment(t *testing.T) {
	if root := os.Getenv(killedVariable); root != "" {
		for i := 0; ; i++ {
			if err := fakeTree(root, fmt.Sprint(i%2)).write(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, foreign := range []bool{false, true} {
		parent := module(t)
		root := filepath.Join(parent, "attn")
		want := []map[string]string{fakeTree(root, "0").contents(), fakeTree(root, "1").contents()}
		if err := fakeTree(root, "0").write(t.Context()); err != nil {
			t.Fatal(err)
		}
		if foreign {
			put(t, filepath.Join(root, "mine.go"), "package attn")
		}
		r := rand.New(rand.NewPCG(5, 6))
		for range 20 {
			killOne(t, root, time.Duration(20+r.IntN(30))*time.Millisecond)
			got := snapshot(t, root)
			for path := range got { // what Go does not see
				if strings.HasPrefix(path, ".") {
					delete(got, path)
				}
			}
			if foreign {
				if got["mine.go"] != "package attn" {
					t.Fatalf("the foreign file is gone: %q", got)
				}
				delete(got, "mine.go")
				wantWholePackages(t, got, want)
			} else if !maps.Equal(got, want[0]) && !maps.Equal(got, want[1]) {
				t.Fatalf("the folder is half written: %q", got)
			}
		}
		if err := fakeTree(root, "0").write(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantNoLeftovers(t, parent, "attn", "go.mod")
	}
}

// killOne starts a child that writes to root and kills it after a while.
func killOne(t *testing.T, root string, after time.Duration) {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestKilledAtAnyMoment$")
	child.Env = append(os.Environ(), killedVariable+"="+root)
	var output bytes.Buffer
	child.Stdout, child.Stderr = &output, &output
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(after)
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := child.Wait(); err == nil || output.Len() > 0 {
		t.Fatalf("the child ended by itself: %v\n%s", err, &output)
	}
}

// wantWholePackages checks that each package is as in one of the trees, whatever the others are.
func wantWholePackages(t *testing.T, got map[string]string, trees []map[string]string) {
	t.Helper()
	for _, name := range []string{"d32bf16full/", "d64bf16full/", "attn.go"} {
		if part := below(got, name); !maps.Equal(part, below(trees[0], name)) && !maps.Equal(part, below(trees[1], name)) {
			t.Fatalf("%s is half written: %q", name, part)
		}
	}
}

func below(files map[string]string, prefix string) map[string]string {
	part := map[string]string{}
	for path, text := range files {
		if strings.HasPrefix(path, prefix) {
			part[path] = text
		}
	}
	return part
}
