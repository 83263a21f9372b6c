package ptx

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

const header = ".version 9.0\n.target sm_80\n.address_size 64\n"

// kernel is a file of one kernel around a body, which starts in line 7.
func kernel(body string) string {
	return header + ".visible .entry k(.param .align 8 .b8 k_param_0[24], .param .u32 k_param_1)\n.maxntid 128, 1, 1\n.minnctapersm 2 {\n" + body + "\n}\n"
}

func TestParse(t *testing.T) {
	m, err := Parse(`// a comment
.version 9.0
.target sm_80 /* another
over two lines */
.address_size 64
.global .align 4 .u32 TILE = 128;
.extern .shared .align 128 .b8 dynamic[];
.visible .entry first(
	.param .align 8 .b8 first_param_0[24]
)
.maxntid 128, 1, 1
{
	.reg .pred 	%p<3>;
	.reg .b32 	%r<10>, %other;
	.reg .b64 	%rd<3>;
	.shared .align 16 .b8 fixed[64];
	.loc	1 20 5
	mov.b64 	%rd1, first_param_0;
	ld.param.v2.u32 	{%r1, %r2}, [first_param_0+8];
	.loc	1 7 9, function_name $L__info_string0, inlined_at 1 20 5
	ld.shared.u32 %r3, [%rd1+-40];
LOOP:
	.pragma "nounroll";
	{ .reg .pred %p1; setp.ne.u32 %p1, %r1, 0f3F800000; selp.u32 %r4, 1, 0, !%p1; }
	@!%p2 bra 	LOOP;
	shfl.sync.bfly.b32 	%other|%p1, %r1, %r2, 31, -1;
	ret;
}
	.file	1 "/some.cu"
	.section	.debug_str
	{
$L__info_string0:
.b8 95,90,0
	}
`)
	if err != nil {
		t.Fatal(err)
	}
	if m.Version != "9.0" || m.Target != "sm_80" || m.Files[1] != "/some.cu" || len(m.Entries) != 1 || len(m.Variables) != 2 {
		t.Fatalf("%+v", m)
	}
	if want := (Variable{"dynamic", Shared, true, 128, 0, 7}); m.Variables[1] != want {
		t.Errorf("%+v, want %+v", m.Variables[1], want)
	}
	e := m.Entries[0]
	if e.Name != "first" || e.MaxThreads != [3]int{128, 1, 1} || e.Exact || e.Params[0] != (Variable{"first_param_0", Param, false, 8, 24, 9}) || e.Shared[0].Size != 64 {
		t.Errorf("%+v", e)
	}
	var names []string
	for _, in := range e.Body {
		names = append(names, in.Form.Name)
	}
	if got := strings.Join(names, " "); got != "mov.b64 ld.param.v2.u32 ld.shared.u32 setp.ne.u32 selp.u32 bra shfl.sync.bfly.b32 ret" {
		t.Fatal(got)
	}
	register := func(name string) Register {
		for i, r := range e.Registers {
			if r.Name == name {
				return Register(i)
			}
		}
		t.Fatalf("no register %s", name)
		return 0
	}
	if x := e.Body[2].Operands[1]; x.Kind != AddressOperand || !x.HasBase || x.Register != register("%rd1") || int64(x.Immediate) != -40 {
		t.Errorf("address %+v", x)
	}
	if got, want := *e.Body[2].Location, (Location{1, 7, 9, 1, 20}); got != want {
		t.Errorf("location %+v, want %+v", got, want)
	}
	if x := e.Body[3].Operands[2]; x.Kind != ImmediateOperand || x.Immediate != 0x3f800000 {
		t.Errorf("literal %+v", x)
	}
	inner, outer := e.Body[4].Operands[3], e.Body[6].Operands[0]
	if !inner.Negated || !outer.HasPair || inner.Register == outer.Pair || e.Registers[inner.Register] != e.Registers[outer.Pair] {
		t.Errorf("scopes: %+v within, %+v without", inner, outer)
	}
	if b := e.Body[5]; b.Guard != (Guard{true, true, register("%p2")}) || b.Operands[0].Target != 3 || b.Line != 25 {
		t.Errorf("branch %+v", b)
	}
}

// TestRefusals holds what is not understood to an error with its line.
func TestRefusals(t *testing.T) {
	for _, tc := range []struct {
		text, want string
		line       int
	}{
		{"", "no .version", 1},
		{".version 9.0\n.target sm_80\n.address_size 32\n", ".address_size 64", 4},
		{header + ".alias a, b;", "unknown directive .alias", 4},
		{header + ".func f() { ret; }", "unknown directive .func", 4},
		{kernel(".local .b8 stack[8];"), "unknown directive .local", 7},
		{kernel("\nmadness.f32 %f1;"), "unknown instruction madness.f32", 8},
		{kernel(".reg .b32 %r<4>;\nadd.sat.s32 %r1, %r2, %r3;"), "unknown instruction add.sat.s32", 8},
		{kernel("wgmma.fence.sync;"), "unknown instruction wgmma.fence.sync", 7},
		{kernel(".reg .b32 %r<4>;\nadd.s32 %r1, %r2;"), "takes 3 operands, not 2", 8},
		{kernel(".reg .b32 %r<4>;\nadd.s32 %r1, %r2, %r3, %r3;"), "takes 3 operands", 8},
		{kernel(".reg .b32 %r<4>;\nadd.s32 %r1, %r2, %r4;"), "nothing is named %r4", 8},
		{kernel(".reg .b32 %r<4>;\nadd.s32 7, %r2, %r3;"), "operand 1 of add.s32 is no register of 32 bits", 8},
		{kernel(".reg .b32 %r<4>; .reg .b64 %d<2>;\nadd.s32 %r1, %r2, %d1;"), "operand 3 of add.s32 is a register of 64 bits, want 32", 7 + 1},
		{kernel(".reg .b32 %r<4>;\nld.global.v2.u32 {%r1, %r2, %r3}, [%r1];"), "is no vector of 2", 8},
		{kernel(".reg .b32 %r<4>;\nld.shared.u32 %r1, %r2;"), "is no address", 8},
		{kernel(".reg .b32 %r<4>;\nld.shared.u32 %r1, [k_param_1];"), "is an address in param, want shared", 8},
		{kernel(".reg .b32 %r<4>;\ncp.async.wait_group %r1;"), "is no literal", 8},
		{kernel(".reg .b32 %r<4>;\nadd.s32 %r1, !%r2, %r3;"), "is inverted", 8},
		{kernel("bra NOWHERE;"), "no label NOWHERE", 7},
		{kernel("bra END;\nEND:"), "nothing follows the label END", 7},
		{kernel("L: ret;\nL: ret;"), "L is a label twice", 8},
		{kernel(".reg .b32 %r<4>;\n@%r1 ret;"), "%r1 is no predicate", 8},
		{kernel(".reg .f80 %r;"), "unknown register type .f80", 7},
		{kernel(".shared .b8 a[99999999];"), "want a number up to", 7},
		{kernel(".shared .b8 a[4]; .shared .b8 a[4];"), "a is declared twice", 7},
		{kernel(".shared .align 3 .b8 a[4];"), "alignment 3", 7},
		{kernel(strings.Repeat("{", 20)), "nested", 7},
		{kernel(".loc 1 2"), "want a number", 8},
		{header + ".visible .entry k() {", "want a statement", 4},
		{header + ".section .debug_str {", "a section does not end", 4},
		{header + "/* ", "a comment does not end", 4},
		{header + ".file 1 \"x", "a string does not end", 4},
		{header + "\x01", "byte 0x1", 4},
	} {
		_, err := Parse(tc.text)
		var e *Error
		if !errors.As(err, &e) || !errors.Is(err, ErrSyntax) || !strings.Contains(e.What, tc.want) || e.Line != tc.line {
			t.Errorf("%q: %v, want line %d: …%s…", tc.text[max(0, len(tc.text)-60):], err, tc.line, tc.want)
		}
	}
}

func TestForms(t *testing.T) {
	if got := expand("a.{b,c}.{d,e}"); !reflect.DeepEqual(got, []string{"a.b.d", "a.b.e", "a.c.d", "a.c.e"}) {
		t.Errorf("%q", got)
	}
	for _, name := range []string{"cp.async.cg.shared.global.L2::128B", "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32", "shfl.sync.bfly.b32"} {
		if forms[name] == nil {
			t.Errorf("%s is missing", name)
		}
	}
	if f := forms["cp.async.ca.shared.global"]; f.Destinations != 0 || f.Required != 3 || len(f.Operands) != 4 {
		t.Errorf("%+v", f)
	}
	if len(Forms()) != len(forms) {
		t.Errorf("%d forms, %d names: one is in the table twice", len(Forms()), len(forms))
	}
}

// FuzzParse may find any text refused, with a line of the text.
func FuzzParse(f *testing.F) {
	f.Add(kernel("ret;"))
	f.Add(kernel(".reg .b32 %r<4>;\n.loc 1 2 3\nL: @%p1 add.s32 %r1, {%r2, 0f3F800000}, [%r3+-4];"))
	f.Add(header + ".extern .shared .align 128 .b8 a[];\n.file 1 \"x\", 2, 3\n.section .s { .b8 1, 2 }")
	f.Fuzz(func(t *testing.T, text string) {
		_, err := Parse(text)
		var e *Error
		if err != nil && (!errors.As(err, &e) || e.Line < 1 || e.Line > strings.Count(text, "\n")+1) {
			t.Errorf("%v", err)
		}
	})
}
