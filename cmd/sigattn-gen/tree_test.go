package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sigattn/sigattn"
	"github.com/sigattn/sigattn/bench"
)

func TestReadTree(t *testing.T) {
	inModule(t)
	r := runArgs(t, "--arch", "sm_80", "--head-dims", "64,40,32", "--dtypes", "bf16", "--sigmoids", "accurate,tanh",
		"--passes", "forward", "--tiles", "64x64x3w4", "--out", "attn")
	if r.code != exitFine {
		t.Fatal(r.stderr)
	}
	packages, err := readTree("tree", "attn")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range packages {
		names = append(names, p.Name)
	}
	const want = "d32bf16full d32bf16fulltanh d32bf16causal d32bf16causaltanh " +
		"d64bf16full d64bf16fulltanh d64bf16causal d64bf16causaltanh"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("packages %s, want %s", got, want)
	}
	p, err := chooseFrom(packages, sigattn.Tanh)(bench.Shape{DType: sigattn.BF16, Mask: sigattn.Causal, HeadDim: 40})
	if err != nil || p.Name != "d64bf16causaltanh" || p.Sigmoid != sigattn.Tanh || p.HeadDim != 64 {
		t.Fatalf("head dim 40: package %+v, %v", p, err)
	}
	k := p.Kernels[0]
	k.SharedBytes = 0
	if want := (sigattn.KernelInfo{
		Name: "sigattn_fwd_sm80_d64_bf16_causal_tanh_64x64x3w4", Pass: sigattn.Forward, Arch: sigattn.SM80, TileM: 64, TileN: 64, Threads: 128,
	}); len(p.Kernels) < 1 || k != want {
		t.Errorf("kernel %+v, want %+v", k, want)
	}
	if _, err := chooseFrom(packages, sigattn.Accurate)(bench.Shape{DType: sigattn.BF16, Mask: sigattn.Full, HeadDim: 72}); err == nil {
		t.Error("a package was found for head dim 72")
	}
}

func TestReadTreeRefuses(t *testing.T) {
	dir := inModule(t)
	for _, command := range []string{"bench", "verify"} {
		r := runArgs(t, command, "--tree", "nowhere")
		if r.code != exitUsage || !strings.Contains(r.stderr, `--tree: "nowhere" is not legal`) {
			t.Errorf("%s of no tree: status %d, stderr %q", command, r.code, r.stderr)
		}
	}
	if r := runArgs(t, small...); r.code != exitFine {
		t.Fatal(r.stderr)
	}
	archive := filepath.Join(dir, "attn", "d32bf16full", "images.zip")
	data, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(archive, data[:len(data)/2], 0o644); err != nil {
		t.Fatal(err)
	}
	r := runArgs(t, "bench", "--tree", "attn")
	if r.code != exitUsage || !strings.Contains(r.stderr, "d32bf16full") || !strings.Contains(r.stderr, "bad archive") {
		t.Errorf("a truncated archive: status %d, stderr %q", r.code, r.stderr)
	}
}
