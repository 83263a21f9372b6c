package compile

import (
	"slices"
	"testing"

	"github.com/sigattn/sigattn/gen"
)

func TestParseReport(t *testing.T) {
	const log = `ptxas info    : (C7510) Potential Performance Loss: wgmma.mma_async instructions are serialized due to x in function 'k'
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'other' for 'sm_80'
ptxas info    : Function properties for other
ptxas         .     8 bytes stack frame, 16 bytes spill stores, 32 bytes spill loads
ptxas info    : Used 32 registers, used 1 barriers, 888 bytes cumulative stack size, 360 bytes cmem[0]
ptxas info    : Compiling entry function 'k' for 'sm_80'
ptxas info    : Function properties for k
    1 bytes stack frame, 2 bytes spill stores, 4 bytes spill loads
ptxas info    : Used 254 registers, used 1 barriers, 4000 bytes smem, 360 bytes cmem[0]
ptxas info    : Compile time = 2.514 ms
`
	got, notes, err := parseReport("k", log)
	if err != nil {
		t.Fatal(err)
	}
	want := gen.Report{Registers: 254, StaticSharedBytes: 4000, StackBytes: 9, SpillStoreBytes: 18, SpillLoadBytes: 36}
	if got != want {
		t.Errorf("report %+v, want %+v", got, want)
	}
	wantNotes := []string{"(C7510) Potential Performance Loss: wgmma.mma_async instructions are serialized due to x in function 'k'"}
	if !slices.Equal(notes, wantNotes) {
		t.Errorf("notes %q, want %q", notes, wantNotes)
	}
	if _, _, err := parseReport("absent", log); err == nil {
		t.Error("no error for a kernel that the log does not mention")
	}
}

func TestParseFailure(t *testing.T) {
	for name, c := range map[string]struct{ log, want string }{
		"front end": {"/k.cu(3): error: class \"P\" has no member \"m\"\n   f(p.m)\n\n/k.cu(9): error: identifier \"q\" is undefined\n" +
			"/k.cu(2): warning #177-D: variable \"z\"\n2 errors detected in the compilation of \"/k.cu\".\n",
			"k.cu:3: class \"P\" has no member \"m\" in `x();` (and 1 more error)"},
		"numbered":     {"/k.cu(7): error #20: no\n", "k.cu:7: no"},
		"static":       {"/k.cu(1): catastrophic error: #error directive: hi\n", "k.cu:1: #error directive: hi in `a`"},
		"ptxas line":   {"ptxas application ptx input, line 25; error   : Unknown modifier '.bar'\nptxas fatal   : aborted\n", "k.cu: ptxas application ptx input, line 25; Unknown modifier '.bar' (and 1 more error)"},
		"ptxas":        {"ptxas info    : 0 bytes gmem\n ptxas error   : Entry function 'k' uses too much shared data\n", "k.cu: ptxas Entry function 'k' uses too much shared data"},
		"option":       {"nvrtc: error: invalid value for --gpu-architecture (-arch)\n", "k.cu: invalid value for --gpu-architecture (-arch)"},
		"nothing said": {"", "k.cu: Compilation"},
	} {
		if got := parseFailure(Source{Name: "k", Text: []byte("a\nb\n  x();\n")}, c.log, "Compilation").Error(); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
