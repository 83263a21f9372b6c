package gen

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"

	"github.com/sigattn/sigattn"
)

// bothPasses is a package with every pass, and one with the forward pass alone.
func bothPasses() []PackagePlan {
	whole := Spec{HeadDim: 192, DType: sigattn.FP16, Mask: sigattn.Causal, Sigmoid: sigattn.Accurate}
	var plans []Plan
	for _, whole.Arch = range []sigattn.Arch{sigattn.SM80, sigattn.SM86} {
		for _, whole.Pass = range DefaultRequest().Passes {
			plans = append(plans, madeUp(whole, Tile{M: 64, N: 32 * int(whole.Pass), Stages: 3, Warps: 8, Blocks: 1}))
		}
	}
	hopper := Spec{sigattn.SM90, sigattn.Forward, 192, sigattn.FP16, sigattn.Causal, sigattn.Accurate}
	plans = append(plans, madeUp(hopper, warpgroups(128, 96, 2, 1)))
	forward := Spec{sigattn.SM80, sigattn.Forward, 64, sigattn.BF16, sigattn.Full, sigattn.Tanh}
	return Packages(append(plans, madeUp(forward, Tile{M: 128, N: 64, Stages: 3, Warps: 4, Blocks: 2})))
}

// putBindings writes bindings, with empty archives, to folder attn of a new module that uses this checkout.
func putBindings(t *testing.T, plans []PackagePlan) (moduleRoot string) {
	t.Helper()
	root := module(t)
	checkout, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	sum, err := os.ReadFile("../go.sum")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(mod), "module github.com/sigattn/sigattn", "module example.com/user", 1)
	put(t, filepath.Join(root, "go.mod"), text+"\nrequire github.com/sigattn/sigattn v0.0.0\n\nreplace github.com/sigattn/sigattn => "+checkout+"\n")
	put(t, filepath.Join(root, "go.sum"), string(sum))
	for _, p := range plans {
		binding, err := packageSource(p, "example.com/user/attn")
		if err != nil {
			t.Fatal(err)
		}
		if err := verifyBinding(p.Name(), binding); err != nil {
			t.Error(err)
		}
		put(t, filepath.Join(root, "attn", p.Name(), p.Name()+".go"), string(binding))
		put(t, filepath.Join(root, "attn", p.Name(), ArchiveName), "")
	}
	selector, err := selectorSource("attn", "example.com/user/attn", plans)
	if err != nil {
		t.Fatal(err)
	}
	if err := verifyBinding("attn", selector); err != nil {
		t.Error(err)
	}
	put(t, filepath.Join(root, "attn", "attn.go"), string(selector))
	return root
}

// goCommand runs go in folder, without the network and cgo.
func goCommand(t *testing.T, folder string, args ...string) (output string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod -buildvcs=false", "GOPROXY=off", "GOWORK=off", "CGO_ENABLED=0")
	text, err := cmd.CombinedOutput()
	return string(text), err
}

func TestBindingsGolden(t *testing.T) {
	plans := bothPasses()
	for _, p := range plans {
		text, err := packageSource(p, "example.com/user/attn")
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "binding/"+p.Name()+".golden", text)
	}
	text, err := selectorSource("attn", "example.com/user/attn", plans)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "binding/attn.golden", text)
}

func TestBindingsTypeCheck(t *testing.T) {
	root := putBindings(t, bothPasses())
	config := &packages.Config{
		Mode: packages.NeedName | packages.NeedTypes | packages.NeedTypesInfo | packages.NeedSyntax | packages.NeedImports | packages.NeedEmbedFiles,
		Dir:  root,
		Env:  append(os.Environ(), "GOFLAGS=-mod=mod -buildvcs=false", "GOPROXY=off", "GOWORK=off", "CGO_ENABLED=0"),
	}
	loaded, err := packages.Load(config, "./...")
	if err != nil {
		t.Fatal(err)
	}
	if len(loaded) != 3 {
		t.Errorf("%d packages", len(loaded))
	}
	for _, p := range loaded {
		for _, err := range p.Errors {
			t.Errorf("%s: %v", p.PkgPath, err)
		}
		for path := range p.Imports {
			if strings.Contains(path, ".") && path != runtimePath && !strings.HasPrefix(path, "example.com/user/attn/") {
				t.Errorf("%s imports %s", p.PkgPath, path)
			}
		}
		if p.Name != "attn" && len(p.EmbedFiles) != 1 {
			t.Errorf("%s embeds %v", p.PkgPath, p.EmbedFiles)
		}
	}
}

const findTest = `package attn

import (
	"errors"
	"testing"

	"github.com/sigattn/sigattn"
)

func TestFind(t *testing.T) {
	for spec, want := range map[Spec]string{
		{192, sigattn.FP16, sigattn.Causal, sigattn.Accurate}: "d192fp16causal",
		{8, sigattn.FP16, sigattn.Causal, 0}:                  "d192fp16causal",
		{64, sigattn.BF16, sigattn.Full, sigattn.Tanh}:        "d64bf16fulltanh",
		{64, sigattn.BF16, sigattn.Full, 0}:                   "",
		{72, sigattn.BF16, sigattn.Full, sigattn.Tanh}:        "",
		{200, sigattn.FP16, sigattn.Causal, 0}:                "",
		{63, sigattn.FP16, sigattn.Causal, 0}:                 "",
		{0, sigattn.FP16, sigattn.Causal, 0}:                  "",
		{-8, sigattn.FP16, sigattn.Causal, 0}:                 "",
		{}:                                                    "",
	} {
		p, err := Find(spec)
		var none *NoPackageError
		switch {
		case want != "" && (err != nil || p.Name != want):
			t.Errorf("Find(%+v) = %v, %v; want %s", spec, p, err, want)
		case want == "" && (p != nil || !errors.As(err, &none) || !errors.Is(err, ErrNoPackage)):
			t.Errorf("Find(%+v) = %v, %v; want a *NoPackageError", spec, p, err)
		}
		if _, err := Load(spec); err == nil {
			t.Errorf("Load(%+v) read an empty archive", spec)
		}
	}
	Packages()[0] = nil
	if p := Packages()[0]; p == nil || p.Name != "d64bf16fulltanh" || p.Kernels[0].Pass != sigattn.Forward {
		t.Errorf("the first package is %+v", p)
	}
}
`

func TestBindingsRunAndVet(t *testing.T) {
	root := putBindings(t, bothPasses())
	put(t, filepath.Join(root, "attn", "find_test.go"), findTest)
	if output, err := goCommand(t, root, "test", "-vet=all", "./..."); err != nil {
		t.Errorf("%v\n%s", err, output)
	}
}

func TestStaleBindingsDoNotCompile(t *testing.T) {
	root := putBindings(t, bothPasses()[:1])
	path := filepath.Join(root, "attn", "d64bf16fulltanh", "d64bf16fulltanh.go")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	guard := func(version int) string { return fmt.Sprintf("ABIVersion-%d", version) }
	for _, version := range []int{sigattn.ABIVersion - 1, sigattn.ABIVersion + 1} {
		put(t, path, strings.Replace(string(text), guard(sigattn.ABIVersion), guard(version), 1))
		output, err := goCommand(t, root, "build", "./...")
		if err == nil || !strings.Contains(output, "invalid argument: index") {
			t.Errorf("made for ABI version %d: %v\n%s", version, err, output)
		}
	}
}

func TestVerifyBinding(t *testing.T) {
	good := generatedLine + "\n\n// Package a is.\npackage a\n"
	if err := verifyBinding("a", []byte(good)); err != nil {
		t.Fatal(err)
	}
	for what, bad := range map[string]string{
		"no Go":     generatedLine + "\n\n// Package a is.\npackage\n",
		"gofmt":     good + "\nvar  x int\n",
		"name":      strings.Replace(good, "package a", "package b", 1),
		"unmarked":  "// Package a is.\npackage a\n",
		"uncomment": generatedLine + "\n\npackage a\n",
	} {
		if err := verifyBinding("a", []byte(bad)); !errors.Is(err, ErrBinding) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
