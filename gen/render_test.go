package gen

import (
	"bytes"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/sigattn/sigattn"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden holds got against testdata/name, or with -update becomes it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", filepath.FromSlash(name))
	if *update {
		put(t, path, string(got))
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (go test ./gen -update writes it anew). Got:\n%s", path, got)
	}
}

// madeUp is a Plan whose figures depend neither on the tuned table nor on what templates need, as golden files want it.
func madeUp(spec Spec, tile Tile) Plan {
	return Plan{Spec: spec, Tile: tile, Threads: 32 * tile.Warps, SharedBytes: tile.M * tile.N, RegisterLimit: 168}
}

func planned(t testing.TB, name string) Plan {
	t.Helper()
	plan, err := ParseName(name)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func TestRenderFakeTemplates(t *testing.T) {
	templates := os.DirFS("testdata/render/templates")
	for _, plan := range []Plan{
		madeUp(Spec{sigattn.SM80, sigattn.Forward, 128, sigattn.BF16, sigattn.Causal, sigattn.Accurate}, ampere(128, 32, 3, 4, 2, Pipeline{16, 0, false})),
		madeUp(Spec{sigattn.SM80, sigattn.Forward, 64, sigattn.BF16, sigattn.Full, sigattn.Tanh}, ampere(128, 32, 3, 8, 1, Pipeline{16, 0, false})),
		madeUp(Spec{sigattn.SM90, sigattn.Forward, 64, sigattn.BF16, sigattn.Causal, sigattn.Accurate}, warpgroups(128, 32, 2, 2)),
		madeUp(Spec{sigattn.SM80, sigattn.BackwardFused, 64, sigattn.BF16, sigattn.Full, sigattn.Tanh}, Tile{M: 64, N: 64, Stages: 1, Warps: 4, Blocks: 1}),
		madeUp(Spec{sigattn.SM86, sigattn.BackwardDKV, 64, sigattn.FP16, sigattn.Full, sigattn.Accurate}, Tile{M: 64, N: 64, Stages: 1, Warps: 4, Blocks: 1}),
	} {
		text, err := renderFrom(templates, plan)
		if err != nil {
			t.Fatal(err)
		}
		if err := verifySource(kernel{plan, text}); err != nil {
			t.Error(err)
		}
		golden(t, "render/"+plan.Name()+".cu", text)
	}
}

// TestRenderRealTemplates renders every kernel of the matrix, with both sigmoids, as a user would get it.
func TestRenderRealTemplates(t *testing.T) {
	request := DefaultRequest()
	request.Sigmoids = []sigattn.Sigmoid{sigattn.Accurate, sigattn.Tanh}
	plans, _ := request.Plans()
	if len(plans) < 2*24 {
		t.Fatalf("%d plans; want a forward kernel of each of 24 packages with each sigmoid, at least", len(plans))
	}
	others := map[string]func(Plan) bool{ // what is in no source of these plans
		"common/dtype_bf16.cuh":                func(p Plan) bool { return p.DType != sigattn.BF16 },
		"common/dtype_fp16.cuh":                func(p Plan) bool { return p.DType != sigattn.FP16 },
		"common/mask_full.cuh":                 func(p Plan) bool { return p.Mask != sigattn.Full },
		"common/mask_causal.cuh":               func(p Plan) bool { return p.Mask != sigattn.Causal },
		"common/sigmoid_accurate.cuh":          func(p Plan) bool { return p.Sigmoid != sigattn.Accurate },
		"common/sigmoid_tanh.cuh":              func(p Plan) bool { return p.Sigmoid != sigattn.Tanh },
		"common/sigmoid_gradient_accurate.cuh": func(p Plan) bool { return p.Sigmoid != sigattn.Accurate || p.Pass == sigattn.Forward },
		"common/sigmoid_gradient_tanh.cuh":     func(p Plan) bool { return p.Sigmoid != sigattn.Tanh || p.Pass == sigattn.Forward },
	}
	for _, p := range plans {
		text, err := Render(p)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := Render(p); err != nil || !bytes.Equal(text, again) {
			t.Errorf("%s: two renderings differ, %v", p.Name(), err)
		}
		if err := verifySource(kernel{p, text}); err != nil {
			t.Error(err)
		}
		for what, value := range map[string]int{
			"HEAD_DIM": p.HeadDim, "TILE_M": p.M, "TILE_N": p.N, "STAGES": p.Stages, "WARPS": p.Warps, "THREADS": 32 * p.Warps,
			"BLOCKS_PER_SM": p.Blocks, "SHARED_BYTES": p.SharedBytes,
		} {
			if found := defined(text, "int", what); !slices.Equal(found, []string{strconv.Itoa(value)}) {
				t.Errorf("%s: %s is defined as %v; want %d", p.Name(), what, found, value)
			}
		}
		for _, own := range []struct {
			constant string
			has      bool
		}{
			{"GROUP", p.Pass == sigattn.Forward && !isHopper(p.Spec)},
			{"Q_TILES", isForward(p.Spec) && isHopper(p.Spec)},
		} {
			if found := defined(text, "int", own.constant); (len(found) == 1) != own.has {
				t.Errorf("%s: %s is defined as %v", p.Name(), own.constant, found)
			}
		}
		for file, other := range others {
			if other(p) && bytes.Contains(text, []byte("// ---- "+file+"\n")) {
				t.Errorf("%s: %s is in it", p.Name(), file)
			}
		}
		if !bytes.Contains(text, []byte("// ---- common/dtype_"+p.DType.String()+".cuh\n")) {
			t.Errorf("%s: its storage type is not in it", p.Name())
		}
		for _, left := range []string{"#pragma once", "sigattn_plan_example", "so that a template compiles as it stands"} {
			if bytes.Contains(text, []byte(left)) {
				t.Errorf("%s: %q is left", p.Name(), left)
			}
		}
	}
}

// defined are the values that a source gives to a constant of a type.
func defined(source []byte, kind, name string) []string {
	var values []string
	for _, m := range regexp.MustCompile(`(?m)^constexpr `+kind+` +`+name+` += (\w+);`).FindAllSubmatch(source, -1) {
		values = append(values, string(m[1]))
	}
	return values
}

func TestRenderNamesFileAndLine(t *testing.T) {
	plan := planned(t, "sigattn_fwd_sm80_d128_bf16_causal_128x32x3w4b2")
	for _, test := range []struct {
		files map[string]string
		file  string
		line  int
		want  string
	}{
		{map[string]string{}, "sm80/forward.cu", 0, "does not exist"},
		{map[string]string{"sm80/forward.cu": "a\n#include \"../common/x.cuh\"\n"}, "sm80/forward.cu", 2, "there is no common/x.cuh"},
		{map[string]string{"sm80/forward.cu": "#include \"../common/dtype.cuh\"\n", "common/dtype.cuh": ""}, "sm80/forward.cu", 1, "there is no common/dtype_bf16.cuh"},
		{map[string]string{"sm80/forward.cu": "a\nb\n# include <cuda_bf16.h>\n"}, "sm80/forward.cu", 3, "<cuda_bf16.h>"},
		{map[string]string{"sm80/forward.cu": "#include PLAN\n"}, "sm80/forward.cu", 1, "#include PLAN"},
		{map[string]string{"sm80/forward.cu": "#include \"a.cuh\"", "sm80/a.cuh": "\n#include \"b.cuh\"", "sm80/b.cuh": "\n\n#include \"a.cuh\""}, "sm80/b.cuh", 3, "a cycle: sm80/forward.cu → sm80/a.cuh → sm80/b.cuh → sm80/a.cuh"},
		{map[string]string{"sm80/forward.cu": "#include \"../../../etc/passwd\""}, "sm80/forward.cu", 1, "there is no"},
	} {
		files := fstest.MapFS{}
		for name, text := range test.files {
			files[name] = &fstest.MapFile{Data: []byte(text)}
		}
		_, err := renderFrom(fs.FS(files), plan)
		var template *TemplateError
		if !errors.As(err, &template) || !errors.Is(err, ErrTemplate) || template.File != test.file || template.Line != test.line || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: %v; want %s:%d: …%s…", test.files, err, test.file, test.line, test.want)
		}
	}
}

func TestCompilerOptions(t *testing.T) {
	if got := CompilerOptions(sigattn.SM90)[0]; got != "--gpu-architecture=sm_90a" {
		t.Errorf("sm_90: %s", got)
	}
	if got := CompilerOptions(sigattn.SM86)[0]; got != "--gpu-architecture=sm_86" {
		t.Errorf("sm_86: %s", got)
	}
}
