package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestHelp holds every command's help to its golden file.
func TestHelp(t *testing.T) {
	for _, command := range []string{"", "list", "compile", "verify", "bench", "doctor"} {
		r := runArgs(t, append(strings.Fields(command), "--help")...)
		if r.code != exitFine || r.stderr != "" {
			t.Errorf("%s: status %d, stderr %q", command, r.code, r.stderr)
		}
		golden(t, filepath.Join("testdata", "help_"+command+".txt"), r.stdout)
	}
}

// TestListAfterGenerate lists kernels before and after there are images.
func TestListAfterGenerate(t *testing.T) {
	testdata, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	inModule(t)
	list := append([]string{"list", "--tree", "attn"}, two...)
	if r := runArgs(t, with(list, "--json")...); !strings.Contains(r.stdout, `"registers": null`) {
		t.Errorf("registers are known before there is an image:\n%s", r.stdout)
	}
	if r := runArgs(t, small...); r.code != exitFine {
		t.Fatal(r.stderr)
	}
	r := runArgs(t, with(list, "--arch", "sm_90", "--passes", "backward")...)
	if r.code != exitFine || r.stderr != "" {
		t.Errorf("status %d, stderr %q", r.code, r.stderr)
	}
	golden(t, filepath.Join(testdata, "list.txt"), r.stdout)
	if err := os.WriteFile(filepath.Join("attn", "d32bf16full", "images.zip"), []byte("PK"), 0o644); err != nil {
		t.Fatal(err)
	}
	if r := runArgs(t, list...); r.code != exitUsage || !strings.Contains(r.stderr, "d32bf16full: bad archive") {
		t.Errorf("a corrupt archive: status %d, stderr %q", r.code, r.stderr)
	}
}

func TestListJSON(t *testing.T) {
	inModule(t)
	if r := runArgs(t, small...); r.code != exitFine {
		t.Fatal(r.stderr)
	}
	r := runArgs(t, with([]string{"list", "--json", "--tree", "attn"}, two...)...)
	var kernels []map[string]any
	if err := json.Unmarshal([]byte(r.stdout), &kernels); err != nil {
		t.Fatal(err)
	}
	if len(kernels) != 2 {
		t.Fatalf("%d kernels, want 2", len(kernels))
	}
	texts := []string{"name", "pass", "arch", "dtype", "mask", "sigmoid"}
	numbers := []string{"head_dim", "tile_m", "tile_n", "stages", "threads", "blocks_per_sm", "registers", "spill_bytes", "shared_bytes"}
	for _, k := range kernels {
		for key, value := range k {
			_, isText := value.(string)
			_, isNumber := value.(float64)
			if slices.Contains(texts, key) != isText || slices.Contains(numbers, key) != isNumber {
				t.Errorf("%s is %v", key, value)
			}
		}
		if len(k) != len(texts)+len(numbers) {
			t.Errorf("keys of %v, want %v and %v", k, texts, numbers)
		}
		if k["pass"] != "fwd" || k["arch"] != "sm_80" || k["registers"] != 100.0 || k["spill_bytes"] != 0.0 {
			t.Errorf("%v", k)
		}
	}
}
