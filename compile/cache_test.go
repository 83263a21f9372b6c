package compile

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sigattn/sigattn"
)

// The test binary runs itself as a writer of TestCacheOfManyProcesses.
const writerDir = "SIGATTN_TEST_CACHE_WRITER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(writerDir); dir != "" {
		if err := writeForever(cache{dir}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

const sharedEntries = 8

// sharedEntry is large enough for a kill to fall into its writing.
func sharedEntry(i int) (key, output) {
	s := Source{Name: fmt.Sprint("shared", i), Arch: sigattn.SM80}
	return newKey("fake", nil, s), output{Cubin: bytes.Repeat([]byte{byte(i)}, 1<<19), PTX: []byte(s.Name)}
}

// writeForever stores the shared entries again and again, and says on standard output when all have been stored once.
func writeForever(c cache) error {
	for round := 0; ; round++ {
		for i := range sharedEntries {
			if err := c.store(sharedEntry(i)); err != nil {
				return err
			}
		}
		if round == 0 {
			fmt.Println("ready")
		}
	}
}

func TestCacheOfManyProcesses(t *testing.T) {
	c := cache{t.TempDir()}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	check := func() {
		for i := range sharedEntries {
			k, want := sharedEntry(i)
			got, ok := c.load(k)
			if !ok || !bytes.Equal(got.Cubin, want.Cubin) || string(got.PTX) != string(want.PTX) {
				t.Errorf("entry %d is not whole", i)
			}
		}
	}
	for range 5 {
		var writers []*exec.Cmd
		for range 2 {
			w := exec.Command(self)
			w.Env = append(os.Environ(), writerDir+"="+c.dir)
			w.Stderr = os.Stderr
			ready, err := w.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Start(); err != nil {
				t.Fatal(err)
			}
			if _, err := ready.Read(make([]byte, 1)); err != nil {
				t.Fatalf("a writer did not become ready: %v", err)
			}
			writers = append(writers, w)
		}
		for range 3 {
			check() // while they write
		}
		for _, w := range writers {
			if err := w.Process.Kill(); err != nil {
				t.Errorf("a writer ended by itself: %v", err)
			}
			_ = w.Wait() // says that it was killed
		}
		check()
	}
}

func TestDamagedEntryIsCompiledAgain(t *testing.T) {
	damage := map[string]func([]byte) []byte{
		"empty":     func([]byte) []byte { return nil },
		"truncated": func(b []byte) []byte { return b[:len(b)-1] },
		"only sum":  func(b []byte) []byte { return b[:32] },
		"bit in sum": func(b []byte) []byte {
			b[0] ^= 1
			return b
		},
		"bit in body": func(b []byte) []byte {
			b[len(b)-5] ^= 0x10
			return b
		},
		"longer": func(b []byte) []byte { return append(b, 0) },
	}
	for name, break_ := range damage {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int64
			opts := Options{CacheDir: t.TempDir()}
			sources := sourcesOf("text")
			if _, err := compileAll(t.Context(), fake(&calls), sources, opts); err != nil {
				t.Fatal(err)
			}
			path := onlyEntry(t, opts.CacheDir)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, break_(bytes.Clone(data)), 0o666); err != nil {
				t.Fatal(err)
			}
			images, err := compileAll(t.Context(), fake(&calls), sources, opts)
			if err != nil || calls.Load() != 2 || string(images[0].Cubin) != "text" {
				t.Errorf("err %v, %d compiles, cubin %q; want it compiled again", err, calls.Load(), images[0].Cubin)
			}
			if now, _ := os.ReadFile(path); !bytes.Equal(now, data) {
				t.Error("the damaged entry was not replaced")
			}
		})
	}
}

func TestEntryUnderAnothersNameIsRefused(t *testing.T) {
	c := cache{t.TempDir()}
	a := newKey("fake", nil, Source{Name: "k", Text: []byte("a")})
	b := newKey("fake", nil, Source{Name: "k", Text: []byte("b")})
	if err := c.store(a, output{Cubin: []byte("a")}); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(c.path(a), c.path(b)); err != nil {
		t.Fatal(err)
	}
	if _, ok := c.load(b); ok {
		t.Error("b was answered with a's entry")
	}
}

func TestKeyCoversAllThatMatters(t *testing.T) {
	base := newKey("nvrtc 1", []string{"-x", "-y"}, Source{Name: "k", Text: []byte("text")})
	for what, other := range map[string]key{
		"compiler":           newKey("nvrtc 2", []string{"-x", "-y"}, Source{Name: "k", Text: []byte("text")}),
		"options":            newKey("nvrtc 1", []string{"-x", "-z"}, Source{Name: "k", Text: []byte("text")}),
		"options' border":    newKey("nvrtc 1", []string{"-x-y"}, Source{Name: "k", Text: []byte("text")}),
		"name":               newKey("nvrtc 1", []string{"-x", "-y"}, Source{Name: "l", Text: []byte("text")}),
		"text":               newKey("nvrtc 1", []string{"-x", "-y"}, Source{Name: "k", Text: []byte("texts")}),
		"name's border":      newKey("nvrtc 1", []string{"-x", "-y"}, Source{Name: "kt", Text: []byte("ext")}),
		"text/option border": newKey("nvrtc 1", []string{"-y"}, Source{Name: "k", Text: []byte("text-x")}),
	} {
		if other.sum == base.sum {
			t.Errorf("the key does not depend on the %s", what)
		}
	}
}

func TestPrune(t *testing.T) {
	c := cache{t.TempDir()}
	now := time.Now()
	var keys []key
	for i := range 4 {
		k, out := newKey("fake", []string{fmt.Sprint(i)}, Source{Name: "k"}), output{Cubin: make([]byte, 1000)}
		if err := c.store(k, out); err != nil {
			t.Fatal(err)
		}
		used := now.Add(time.Duration(i-10) * time.Minute)
		if err := os.Chtimes(c.path(k), used, used); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, k)
	}
	if _, ok := c.load(keys[0]); !ok { // now the entry used last
		t.Fatal("entry 0 is missing")
	}
	for name, age := range map[string]time.Duration{tempPrefix + "old": 2 * tempAge, tempPrefix + "new": 0, "foreign": 2 * tempAge} {
		path := filepath.Join(c.dir, name)
		if err := os.WriteFile(path, nil, 0o666); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, now.Add(-age), now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	c.prune(2500, now)
	for i, want := range []bool{true, false, false, true} {
		if _, ok := c.load(keys[i]); ok != want {
			t.Errorf("entry %d kept: %v, want %v", i, ok, want)
		}
	}
	for name, want := range map[string]bool{tempPrefix + "old": false, tempPrefix + "new": true, "foreign": true} {
		if _, err := os.Stat(filepath.Join(c.dir, name)); (err == nil) != want {
			t.Errorf("%s kept: %v, want %v", name, err == nil, want)
		}
	}
}

func TestCacheDirThatIsAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	var calls atomic.Int64
	_, err := compileAll(t.Context(), fake(&calls), sourcesOf("x"), Options{CacheDir: path})
	if !errors.Is(err, ErrCache) || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v, want ErrCache that names %s", err, path)
	}
}

func TestDefaultCacheDir(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("os.UserCacheDir asks the environment in another way here")
	}
	home := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", home)
	var calls atomic.Int64
	if _, err := compileAll(t.Context(), fake(&calls), sourcesOf("x"), Options{}); err != nil {
		t.Fatal(err)
	}
	onlyEntry(t, filepath.Join(home, "sigattn"))

	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "")
	if _, err := compileAll(t.Context(), fake(&calls), sourcesOf("x"), Options{}); !errors.Is(err, ErrCache) {
		t.Errorf("without a place for it: %v, want ErrCache", err)
	}
}

// onlyEntry is the path of the only file in dir.
func onlyEntry(t *testing.T, dir string) string {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Fatalf("want one file in the cache, found %v (%v)", files, err)
	}
	return filepath.Join(dir, files[0].Name())
}
