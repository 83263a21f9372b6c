package emulator

import (
	"strings"
	"testing"

	"github.com/sigattn/sigattn/internal/emulator/ptx"
)

// collective are the forms that tests of their own cover, in collective_test.go and flow_test.go.
var collective = map[string]bool{
	"bar.sync": true, "barrier.sync": true, "bar.arrive": true, "bar.warp.sync": true,
	"bar.red.or.pred": true, "bar.red.and.pred": true, "bar.red.popc.u32": true,
	"shfl.sync.bfly.b32": true, "shfl.sync.idx.b32": true, "shfl.sync.up.b32": true, "shfl.sync.down.b32": true,
	"vote.sync.all.pred": true, "vote.sync.any.pred": true, "vote.sync.ballot.b32": true,
	"mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32": true, "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32": true,
	"ldmatrix.sync.aligned.m8n8.x1.shared.b16": true, "ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16": true,
	"ldmatrix.sync.aligned.m8n8.x2.shared.b16": true, "ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16": true,
	"ldmatrix.sync.aligned.m8n8.x4.shared.b16": true, "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16": true,
	"bra": true, "bra.uni": true, "ret": true, "exit": true,
	"cp.async.commit_group": true, "cp.async.wait_group": true, "cp.async.wait_all": true,
}

// moves reports whether a form moves memory, which memory_test.go covers by going through all of them.
func moves(name string) bool {
	for _, op := range []string{"ld.", "st.", "red.", "atom.", "cp.async.c"} {
		if strings.HasPrefix(name, op) {
			return true
		}
	}
	return false
}

// TestEveryFormRuns holds the parser's table of forms and the builders to each other.
func TestEveryFormRuns(t *testing.T) {
	known := make(map[string]bool)
	for _, f := range ptx.Forms() {
		known[f.Name] = true
		if builders[f.Name] == nil && controls[f.Name] != jumps && controls[f.Name] != leaves {
			t.Errorf("%s cannot be executed", f.Name)
		}
	}
	for name := range builders {
		if !known[name] {
			t.Errorf("%s is executed but not read", name)
		}
	}
	for name := range collective {
		if !known[name] {
			t.Errorf("%s is tested but not known", name)
		}
	}
}
