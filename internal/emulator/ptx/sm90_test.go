package ptx

import (
	"errors"
	"math"
	"strings"
	"testing"
)

// TestParseHopper reads what kernels for sm_90 add to the syntax.
func TestParseHopper(t *testing.T) {
	m, err := Parse(strings.Replace(kernel(`.reg .pred %p<3>; .reg .b16 %h<3>; .reg .b32 %r<9>; .reg .b64 %d<3>;
again: mov.u32 %r1, %cluster_ctarank;
{ .reg .pred done; again: mbarrier.try_wait.parity.shared::cta.b64 done, [%r1+8], 1; @!done bra again; }
@%p1 bra again;
cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.multicast::cluster [%r1], [%d1, {%r2, 7, -1}], [%r3], %h1;
mbarrier.arrive.shared::cta.b64 _, [%r1];
elect.sync _|%p1, -1;
mov.b64 {_, %r4}, %d1; mov.b32 %r5, {%h1, %h2}; mov.u64 %d2, %globaltimer;
createpolicy.fractional.L2::evict_first.b64 %d1, 0.5;
wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%r1, %r2, %r3, %r4}, %d1, %d2, %p1, 1, -1, 0, 1;
wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%r1, %r2, %r3, %r4}, {%r5, %r6, %r7, %r8}, %d2, %p1, 1, 1, 0;
ret;`), ".maxntid", ".explicitcluster\n.reqnctapercluster 2, 1, 3\n.maxntid", 1))
	if err != nil {
		t.Fatal(err)
	}
	e := m.Entries[0]
	if e.Cluster != [3]int{2, 1, 3} {
		t.Errorf("cluster %v", e.Cluster)
	}
	b := e.Body
	if b[2].Operands[0].Target != 1 || b[3].Operands[0].Target != 0 {
		t.Errorf("a branch leaves for %d, want the label of its own block, and one for %d", b[2].Operands[0].Target, b[3].Operands[0].Target)
	}
	at := b[4].Operands[1]
	if at.Kind != AddressOperand || !at.HasBase || len(at.Vector) != 3 || at.Vector[1].Immediate != 7 || int64(at.Vector[2].Immediate) != -1 {
		t.Errorf("%+v", at)
	}
	if b[5].Operands[0].Kind != SinkOperand || b[6].Operands[0].Kind != SinkOperand || !b[6].Operands[0].HasPair || b[7].Operands[0].Vector[0].Kind != SinkOperand {
		t.Error("a sink is not read")
	}
	if x := b[10].Operands[1].Immediate; x != uint64(math.Float32bits(0.5)) {
		t.Errorf("0.5 is %#x", x)
	}
	if b[11].Operands[1].Kind != RegisterOperand || b[12].Operands[1].Kind != VectorOperand {
		t.Error("A of wgmma")
	}
}

func TestHopperRefusals(t *testing.T) {
	const registers = ".reg .pred %p<3>; .reg .b32 %r<9>; .reg .b64 %d<3>;\n"
	for text, want := range map[string]string{
		"{ in: add.s32 %r1, %r2, 1; }\nbra in;":                    "no label in",
		"a: ret;\na: ret;":                                         "a is a label twice",
		"add.s32 _, %r1, %r2;":                                     "operand 1",
		"prefetch.tensormap [%d1, {%r1}];":                         "has 1 coordinates, want 0",
		"cp.async.bulk.prefetch.tensor.2d.L2.global [%d1, {%r1}];": "has 1 coordinates, want 2",
		"cp.async.bulk.prefetch.tensor.1d.L2.global [%d1, {%d1}];": "has a coordinate that",
		"cp.async.bulk.prefetch.tensor.1d.L2.global [%d1, %r1];":   "want coordinates",
		"mov.u32 %r1, %globaltimer;":                               "operand 2",
		"mov.b64 {%r1, %r2, %r3}, %d1;":                            "operand 1",
		"wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%r1, %r2, %r3}, %d1, %d2, %p1, 1, 1, 0, 0;":            "no vector of 4",
		"wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%r1, %r2, %r3, _}, %d1, %d2, %p1, 1, 1, 0, 0;":         "operand 1",
		"wgmma.mma_async.sync.aligned.m64n12k16.f32.bf16.bf16 {%r1, %r2, %r3, %r4}, %d1, %d2, %p1, 1, 1, 0, 0;":      "unknown instruction",
		"createpolicy.fractional.L2::evict_first.b64 %d1, 1.0.0;":                                                    "is no number",
		"mbarrier.try_wait.parity.shared::cluster.b64 %p1, [%r1], 1;":                                                "unknown instruction",
		"wgmma.mma_async.sync.aligned.m64n8k32.f32.e4m3.e4m3 {%r1, %r2, %r3, %r4}, %d1, %d2, %p1, 1, 1, 0;":          "takes 6 operands",
		"cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r1], [%d1], 16, [%r2], %r3;":            "takes 4 operands",
		"cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%r1], [%d1], 1, [2];": "takes 5 operands",
	} {
		_, err := Parse(kernel(registers + text))
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(e.What, want) {
			t.Errorf("%q: %v, want …%s…", text, err, want)
		}
	}
}
