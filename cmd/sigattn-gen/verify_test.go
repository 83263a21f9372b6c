package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sigattn/sigattn"
	"github.com/sigattn/sigattn/internal/driver"
	"github.com/sigattn/sigattn/verify"
)

func TestVerifiedTable(t *testing.T) {
	ptx := verify.Image{Kernel: "sigattn_bwd_sm80_d64_bf16_causal_64x128x2w4b2", Arch: sigattn.SM80, PTX: true}
	hopper := verify.Image{Kernel: "sigattn_fwd_sm90_d64_bf16_causal_192x96x2w16t2", Arch: sigattn.SM90}
	bad := verify.Result{Images: []verify.Image{ptx}, Package: "d64bf16causal", Mode: verify.Backward, Case: verify.Case{Name: "gqa 8:2"}, Failures: []string{"guard band before dK"},
		Outputs: []verify.Output{{Name: "dQ", RelL2: 3e-3, Limit: 2e-3, Failures: []string{"relative L2 3.0e-03, limit 2.0e-03"}}}}
	report := verify.Report{
		Machine: verify.Machine{Name: "Test GPU"}, Level: verify.Default,
		Results: []verify.Result{{Package: "d64bf16causal", Mode: verify.Forward}, bad},
		Kernels: []verify.Summary{
			{Package: "d64bf16causal", Mode: verify.Forward, Images: []verify.Image{hopper, ptx}, Cases: 1, Worst: []verify.Worst{{Output: verify.Output{Name: "O", RelL2: 1.6e-3, Limit: 2e-3}}}},
			{Package: "d64bf16causal", Mode: verify.Backward, Images: []verify.Image{ptx, ptx}, Cases: 1, Failed: 1, Worst: []verify.Worst{
				{Output: bad.Outputs[0]}, {Output: verify.Output{Name: "dK"}},
			}},
		},
	}
	var table bytes.Buffer
	if err := printVerified(&table, report); err != nil {
		t.Fatal(err)
	}
	golden(t, filepath.Join("testdata", "verify.txt"), table.String())
	if err := verdict(report); err == nil || err.Error() != "1 of 2 results fell short" {
		t.Errorf("verdict %v", err)
	}
}

func TestVerifyOnEmulator(t *testing.T) {
	args := []string{"verify", "d32bf16causal", "--tree", filepath.Join("..", "..", "generated"), "--on", "emulator", "--cases", "^(one|few keys):"}
	r := runArgs(t, args...)
	if r.code != exitFine || !strings.Contains(r.stdout, "PTX emulator, level short: ") || !strings.HasSuffix(r.stdout, " results, 0 failed, 0 skipped\n") {
		t.Errorf("status %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
	}
	r = runArgs(t, with(args, "--json")...)
	var report struct {
		Passed  bool
		Results []struct{ Package string }
	}
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil || r.code != exitFine || !report.Passed || len(report.Results) == 0 {
		t.Errorf("--json: status %d, error %v, report %+v", r.code, err, report)
	}
}

func TestVerifyWhatCannotRun(t *testing.T) {
	if driver.Available() {
		t.Skip("there is a GPU")
	}
	inModule(t)
	if r := runArgs(t, small...); r.code != exitFine {
		t.Fatal(r.stderr)
	}
	r := runArgs(t, "verify", "--tree", "attn")
	if r.code != exitUsage || r.stdout != "" || !strings.Contains(r.stderr, "the emulator runs PTX alone") {
		t.Errorf("what is no PTX: status %d, stdout %q, stderr %q; want 2 and a word about PTX", r.code, r.stdout, r.stderr)
	}
	r = runArgs(t, "verify", "--tree", "attn", "--on", "gpu")
	if r.code != exitUsage || r.stdout != "" || !strings.Contains(r.stderr, "driver") {
		t.Errorf("--on gpu: status %d, stdout %q, stderr %q; want 2 and a word about the driver", r.code, r.stdout, r.stderr)
	}
	for _, tc := range []struct{ args, want string }{
		{"d32bf16full such", `package "such" is not legal; legal: d32bf16full, d32bf16causal`},
		{"--cases (", "--cases: "},
	} {
		r := runArgs(t, append([]string{"verify", "--tree", "attn"}, strings.Fields(tc.args)...)...)
		if r.code != exitUsage || !strings.Contains(r.stderr, tc.want) || strings.Count(r.stderr, "\n") != 1 {
			t.Errorf("%s: status %d, stderr %q", tc.args, r.code, r.stderr)
		}
	}
}
