//go:build nvrtc

package compile

import (
	"bytes"
	"debug/elf"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/sigattn/sigattn"
)

const addSource = `extern "C" __global__ void __launch_bounds__(128, 2) add(float* x, float y) {
    __shared__ float s[128];
    s[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    x[threadIdx.x] = s[127 - threadIdx.x] + y;
}
`

// A thread that holds 100 values while 2048 of them share an SM's 65,536 registers.
const spillSource = `extern "C" __global__ void __launch_bounds__(1024, 2) spill(float* x) {
    float a[100];
    for (int i = 0; i < 100; i++) a[i] = x[i * threadIdx.x];
    __syncthreads();
    for (int i = 0; i < 100; i++) x[i] = a[i] * a[99 - i];
}
`

// An array that registers cannot hold because it is indexed at run time.
const stackSource = `extern "C" __global__ void stack(float* x, int n) {
    float a[100];
    for (int i = 0; i < 100; i++) a[(i * n) % 100] = x[i];
    x[n] = a[n];
}
`

func TestCompile(t *testing.T) {
	sources := []Source{
		{Name: "add", Text: []byte(addSource), Arch: sigattn.SM80},
		{Name: "add", Text: []byte(addSource), Arch: sigattn.SM90},
	}
	first, err := Compile(t.Context(), sources, Options{CacheDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"sm_80", "sm_90a"} {
		img := first[i]
		if _, err := elf.NewFile(bytes.NewReader(img.Cubin)); err != nil {
			t.Errorf("%s: cubin: %v", want, err)
		}
		if !strings.Contains(string(img.PTX), ".target "+want+"\n") || !strings.Contains(string(img.PTX), ".entry add(") {
			t.Errorf("%s: PTX:\n%s", want, img.PTX)
		}
		if bytes.ContainsRune(img.PTX, 0) {
			t.Errorf("%s: PTX holds a NUL", want)
		}
		if r := img.Report; r.Registers < 4 || r.StaticSharedBytes != 512 {
			t.Errorf("%s: report %+v", want, r)
		}
	}

	t.Run("is deterministic", func(t *testing.T) {
		t.Chdir(t.TempDir())
		again, err := Compile(t.Context(), sources, Options{CacheDir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		cwd, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		for i := range again {
			if !bytes.Equal(first[i].Cubin, again[i].Cubin) || !bytes.Equal(first[i].PTX, again[i].PTX) {
				t.Errorf("source %d gave different code in another directory", i)
			}
			if bytes.Contains(again[i].Cubin, []byte(cwd)) || bytes.Contains(again[i].PTX, []byte(cwd)) {
				t.Errorf("source %d: the code names the working directory", i)
			}
		}
	})
}

func TestSyntaxErrorNamesItsLine(t *testing.T) {
	text := strings.Replace(addSource, "+ y;", "+ z;\n    w = 1;", 1)
	_, err := Compile(t.Context(), []Source{{Name: "add", Text: []byte(text), Arch: sigattn.SM80}}, Options{CacheDir: t.TempDir()})
	if want := "add.cu:5: identifier \"z\" is undefined in `x[threadIdx.x] = s[127 - threadIdx.x] + z;` (and 1 more error)"; err == nil || err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
	if !errors.Is(err, ErrSource) {
		t.Errorf("%v does not wrap ErrSource", err)
	}
}

func TestOtherSourceErrors(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		arch sigattn.Arch
		want string
	}{
		"assembly":     {`extern "C" __global__ void k() { asm volatile("foo.bar;"); }`, sigattn.SM80, "ptxas"},
		"symbol":       {`extern "C" __global__ void other() {}`, sigattn.SM80, "no kernel of that name"},
		"architecture": {addSource, 81, "gpu-architecture"},
		"include":      {"#include \"x.cuh\"\n", sigattn.SM80, "k.cu:1: "},
	} {
		_, err := Compile(t.Context(), []Source{{Name: "k", Text: []byte(c.text), Arch: c.arch}}, Options{CacheDir: t.TempDir()})
		if !errors.Is(err, ErrSource) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want ErrSource with %q", name, err, c.want)
		}
	}
}

func TestSpillsAndLocalMemoryAreRefused(t *testing.T) {
	sources := []Source{
		{Name: "spill", Text: []byte(spillSource), Arch: sigattn.SM80},
		{Name: "stack", Text: []byte(stackSource), Arch: sigattn.SM80},
	}
	_, err := Compile(t.Context(), sources, Options{CacheDir: t.TempDir()})
	var all *FailedError
	if !errors.As(err, &all) || len(all.Errs) != 2 {
		t.Fatalf("want both kernels to fail, got %v", err)
	}
	var spill, stack *ResourceError
	if !errors.As(all.Errs[0], &spill) || spill.Report.SpillStoreBytes == 0 || spill.Report.SpillLoadBytes == 0 {
		t.Errorf("spill: %v", all.Errs[0])
	}
	if !errors.As(all.Errs[1], &stack) || stack.Report.StackBytes < 400 || stack.Report.SpillStoreBytes != 0 {
		t.Errorf("stack: %v", all.Errs[1])
	}
}

// Accumulators that are written between two products of one group, which ptxas can only run one by one.
const serialSource = `__device__ void product(float (&d)[4], unsigned long long a) {
    asm volatile("wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%0, %1, %2, %3}, %4, %4, 1, 1, 1, 0, 0;"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "l"(a));
}
extern "C" __global__ void __launch_bounds__(128) serial(float* x, unsigned long long a) {
    float d[4] = {x[0], x[1], x[2], x[3]};
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
    product(d, a);
    d[0] = x[4];
    product(d, a);
    asm volatile("wgmma.commit_group.sync.aligned; wgmma.wait_group.sync.aligned 0;" ::: "memory");
    x[threadIdx.x] = d[0] + d[1] + d[2] + d[3];
}
`

// A kernel whose launch bounds ptxas does not know, so that it cannot move registers.
const fixedSource = `extern "C" __global__ void fixed(float* x) {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 240;");
    x[threadIdx.x] = 1;
}
`

func TestNotesOfPtxasAreRefused(t *testing.T) {
	for name, c := range map[string]struct{ text, note string }{
		"serial": {serialSource, "wgmma.mma_async instructions are serialized"},
		"fixed":  {fixedSource, "setmaxnreg"},
	} {
		_, err := Compile(t.Context(), []Source{{Name: name, Text: []byte(c.text), Arch: sigattn.SM90}}, Options{CacheDir: t.TempDir()})
		var resource *ResourceError
		if !errors.As(err, &resource) || !errors.Is(err, ErrResources) || resource.Kernel != name ||
			!strings.Contains(err.Error(), name+": (C75") || !strings.Contains(err.Error(), c.note) {
			t.Errorf("%s: %v, want a *ResourceError with a note about %s", name, err, c.note)
		}
	}
}

func TestVersion(t *testing.T) {
	if major, minor, err := Version(); err != nil || major < 12 || minor < 0 {
		t.Errorf("Version() = %d, %d, %v", major, minor, err)
	}
}
