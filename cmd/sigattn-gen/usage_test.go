package main

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBadInput holds every illegal flag to status 2, one line on stderr that names the flag, the value and what is
// legal, and a directory left as it was.
func TestBadInput(t *testing.T) {
	dir := inModule(t)
	if err := os.WriteFile("file", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args string
		want []string // in the line
	}{
		{"--arch sm_70", []string{"--arch", `"sm_70"`, "sm_80, sm_86, sm_89, sm_90"}},
		{"--arch sm_80,,sm_86", []string{"--arch", `""`, "sm_80, sm_86, sm_89, sm_90"}},
		{"--arch 80", []string{"--arch", `"80"`, "sm_80"}},
		{"--head-dims 100", []string{"--head-dims", `"100"`, "multiples of 8 up to 256"}},
		{"--head-dims 0", []string{"--head-dims", `"0"`, "multiples of 8 up to 256"}},
		{"--head-dims -8", []string{"--head-dims", `"-8"`, "multiples of 8 up to 256"}},
		{"--head-dims 264", []string{"--head-dims", `"264"`, "multiples of 8 up to 256"}},
		{"--head-dims 64,99999999999999999999", []string{"--head-dims", `"99999999999999999999"`, "multiples of 8"}},
		{"--dtypes fp32", []string{"--dtypes", `"fp32"`, "bf16, fp16"}},
		{"--masks window", []string{"--masks", `"window"`, "full, causal"}},
		{"--passes sideways", []string{"--passes", `"sideways"`, "forward, backward"}},
		{"--sigmoids exact", []string{"--sigmoids", `"exact"`, "accurate, tanh"}},
		{"--tiles 128by64", []string{"--tiles", `"128by64"`, "MxN"}},
		{"--tiles 100x64x2w4", []string{"--tiles", `"100"`, "multiples of 16"}},
		{"--head-dims 128 --tiles 256x256x4w8", []string{"--tiles", "256x256x4w8", "shared memory", "legal: up to"}},
		{"--out file", []string{"--out", `"file"`, "a directory"}},
		{"--out file/below", []string{"--out", `"file/below"`, "a directory"}},
		{"--cache file", []string{"--cache", `"file"`, "a directory"}},
		{"compile --out file", []string{"--out", `"file"`, "a directory"}},
		{"--jobs many", []string{"--jobs", `"many"`, "integers from 0"}},
		{"--jobs -1", []string{"--jobs", `"-1"`, "integers from 0"}},
		{"--check=maybe", []string{"--check", `"maybe"`, "true, false"}},
		{"list --arch sm_70", []string{"--arch", `"sm_70"`, "sm_80"}},
		{"compile --dtypes fp8", []string{"--dtypes", `"fp8"`, "bf16, fp16"}},
		{"bench --passes both", []string{"--passes", `"both"`, "fwd, bwd, bwd-det, step"}},
		{"bench --head-dims 12", []string{"--head-dims", `"12"`, "multiples of 8"}},
		{"bench --seq-lens 0", []string{"--seq-lens", `"0"`, "integers from 1"}},
		{"bench --tokens 0", []string{"--tokens", `"0"`, "integers from 1"}},
		{"bench --logit-std -1", []string{"--logit-std", `"-1"`, "numbers from 0.001 to 1000, and 0"}},
		{"bench --logit-std NaN", []string{"--logit-std", `"NaN"`, "numbers from"}},
		{"bench --against nowhere", []string{"--against", `"nowhere"`, "a directory that sigattn-gen generated"}},
		{"bench --rounds 0", []string{"--rounds", `"0"`, "integers from 1"}},
		{"bench --format xml", []string{"--format", `"xml"`, "table, json, gobench"}},
		{"verify --on tpu", []string{"--on", `"tpu"`, "gpu, emulator, auto"}},
		{"verify --level huge", []string{"--level", `"huge"`, "short, default, full"}},
		{"verify --device -1", []string{"--device", `"-1"`, "integers from 0"}},
		{"verify --seed x", []string{"--seed", `"x"`}},
		{"--no-compile --recompile", []string{"no-compile", "recompile"}},
		{"--such", []string{"--such"}},
		{"such", []string{`"such"`}},
		{"list such", []string{`"such"`}},
		{"compile such.cu", []string{"such", "legal: sigattn_"}},
		{"--head-dims", []string{"--head-dims", "argument"}},
	} {
		t.Run(tc.args, func(t *testing.T) {
			before := snapshot(t, dir)
			r := runArgs(t, strings.Fields(tc.args)...)
			if r.code != exitUsage {
				t.Errorf("status %d, want %d", r.code, exitUsage)
			}
			if r.stdout != "" || strings.Count(r.stderr, "\n") != 1 {
				t.Errorf("want one line on stderr alone; stdout:\n%sstderr:\n%s", r.stdout, r.stderr)
			}
			for _, want := range tc.want {
				if !strings.Contains(r.stderr, want) {
					t.Errorf("stderr lacks %q: %s", want, r.stderr)
				}
			}
			if !maps.Equal(before, snapshot(t, dir)) {
				t.Error("something was written")
			}
		})
	}
}

func TestOutOutsideAModule(t *testing.T) {
	r := runArgs(t, "--out", filepath.Join(t.TempDir(), "attn"), "--head-dims", "32", "--passes", "forward")
	if r.code != exitUsage || !strings.Contains(r.stderr, "--out") || !strings.Contains(r.stderr, "go mod init") {
		t.Errorf("status %d, stderr %q; want 2 and advice", r.code, r.stderr)
	}
}

// FuzzFlags feeds values to flags; the program answers each with a kernel list, or with status 2.
func FuzzFlags(f *testing.F) {
	flags := []string{"--arch", "--head-dims", "--dtypes", "--masks", "--sigmoids", "--passes", "--tiles"}
	for i := range flags {
		for _, value := range []string{"", ",", "sm_80", "64", "bf16,fp16", "causal", "tanh", "backward", "128x64x2w4b2", "0x1", "\n", "--", "9999x1"} {
			f.Add(i, value)
		}
	}
	f.Fuzz(func(t *testing.T, i int, value string) {
		flag := flags[((i%len(flags))+len(flags))%len(flags)]
		args := []string{"list", "--json", "--tree", t.TempDir()}
		if flag != "--head-dims" {
			args = append(args, "--head-dims", "64")
		}
		r := runArgs(t, append(args, flag+"="+value)...)
		if r.code != exitFine && r.code != exitUsage {
			t.Errorf("%s %q: status %d", flag, value, r.code)
		}
		if r.code == exitUsage && (strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, flag)) {
			t.Errorf("%s %q: stderr %q, want one line that names the flag", flag, value, r.stderr)
		}
	})
}
