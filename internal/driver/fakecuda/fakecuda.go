//go:build linux && !android && (amd64 || arm64)

// Package fakecuda lets tests run the launch path without a GPU: it builds a stand-in for libcuda.so.1 with the C
// compiler, runs the test again in a process that finds it, and shows what was launched.
//
// It is for tests only, and must not know what the kernels compute.
package fakecuda

import (
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"github.com/ebitengine/purego"
)

//go:embed testdata/fakecuda.c
var source []byte

// marker is set in the process that finds the stand-in.
const marker = "SIGATTN_FAKE_CUDA"

// Record is one launch or memset.
type Record struct {
	op                                  [16]byte
	name                                [112]byte
	Blocks, Threads, SharedBytes, Value uint32
	Cluster                             uint32 // blocks per cluster of a launch
	_                                   uint32
	Stream, Address, Count, Context     uint64
	Params                              [2048]byte // a launch's parameter block
}

// Op is launch or memset.
func (r *Record) Op() string { return text(r.op[:]) }

// Name is the kernel's.
func (r *Record) Name() string { return text(r.name[:]) }

// Settings are how the stand-in behaves.
type Settings struct {
	Capability  int32 // times ten
	SharedBytes int32 // per block that a kernel may ask for
	Processors  int32 // SMs; 0 means 1
	Recording   bool
	FailOp      string // the function that fails with FailCode; "cubin" is loading machine code
	FailCode    int32
}

// Driver is the stand-in, loaded.
type Driver struct{ set, take, modules uintptr }

// A100 is a device of compute capability 8.0.
var A100 = Settings{Capability: 80, SharedBytes: 166912, Recording: true}

// H100 is a device of compute capability 9.0.
var H100 = Settings{Capability: 90, SharedBytes: 232448, Processors: 132, Recording: true}

// Run runs body in another process, in which the CUDA driver is the stand-in. It skips where there is no C compiler.
func Run(t *testing.T, body func(*Driver)) {
	t.Helper()
	if os.Getenv(marker) == "" {
		rerun(t)
		return
	}
	lib, err := purego.Dlopen("libcuda.so.1", purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		t.Fatal(err)
	}
	d := new(Driver)
	for name, p := range map[string]*uintptr{"fakeSet": &d.set, "fakeTake": &d.take, "fakeModules": &d.modules} {
		if *p, err = purego.Dlsym(lib, name); err != nil {
			t.Fatal(err)
		}
	}
	body(d)
}

// rerun builds the stand-in and runs the test again with it.
func rerun(t *testing.T) {
	t.Helper()
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no C compiler to build the stand-in for the driver with")
	}
	dir := t.TempDir()
	c := filepath.Join(dir, "fakecuda.c")
	if err := os.WriteFile(c, source, 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.Command(cc, "-O1", "-shared", "-fPIC", "-pthread", "-w", "-Wl,-soname,libcuda.so.1", "-o", filepath.Join(dir, "libcuda.so.1"), c)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	run := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.count=1")
	run.Env = append(os.Environ(), marker+"=1", "LD_LIBRARY_PATH="+dir)
	out, err := run.CombinedOutput()
	switch {
	case err != nil:
		t.Fatalf("with the stand-in: %v\n%s", err, out)
	case !strings.Contains(string(out), "--- PASS: "+t.Name()):
		t.Fatalf("the test did not run with the stand-in:\n%s", out)
	}
	t.Logf("%s", out)
}

// Set changes how the stand-in behaves.
func (d *Driver) Set(s Settings) {
	c := struct {
		capability, sharedBytes, processors, recording, failCode int32
		failOp                                                   [64]byte
	}{capability: s.Capability, sharedBytes: s.SharedBytes, processors: max(s.Processors, 1), failCode: s.FailCode}
	if s.Recording {
		c.recording = 1
	}
	copy(c.failOp[:], s.FailOp)
	purego.SyscallN(d.set, uintptr(unsafe.Pointer(&c)))
}

// Take returns what was launched since the last call, at most 4096 records.
func (d *Driver) Take() []Record {
	records := make([]Record, 4096)
	n, _, _ := purego.SyscallN(d.take, uintptr(unsafe.Pointer(&records[0])), uintptr(len(records)))
	return records[:n]
}

// Modules is how many modules are loaded.
func (d *Driver) Modules() int {
	n, _, _ := purego.SyscallN(d.modules)
	return int(int32(n))
}

func text(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\x00")
	return s
}
