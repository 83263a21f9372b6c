package cuda

import (
	"bytes"
	"errors"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/sigattn/sigattn/internal/emulator"
)

// text is a kernel that adds its second parameter to the word at its first, and touches what lies far beyond where that is
// 99.
const text = `.version 9.0
.target sm_80
.address_size 64
.visible .entry add(.param .u64 add_at, .param .u32 add_x)
.maxntid 64, 1, 1
{
	.reg .b64 %d<2>; .reg .b32 %r<4>; .reg .pred %p<2>;
	ld.param.u64 %d1, [add_at];
	ld.param.u32 %r1, [add_x];
	ld.global.u32 %r2, [%d1];
	add.s32 %r2, %r2, %r1;
	st.global.u32 [%d1], %r2;
	setp.eq.s32 %p1, %r1, 99;
	@%p1 st.global.u32 [%d1+4096], %r2;
	ret;
}
`

// caller calls a driver and keeps what it points to where it is.
type caller struct {
	t    *testing.T
	d    *Driver
	pins runtime.Pinner
}

func newCaller(t *testing.T) *caller {
	c := &caller{t: t, d: New(emulator.Options{})}
	t.Cleanup(c.pins.Unpin)
	return c
}

func (c *caller) pointer(p any) uintptr {
	c.pins.Pin(p)
	switch p := p.(type) {
	case *uintptr:
		return uintptr(unsafe.Pointer(p))
	case *int32:
		return uintptr(unsafe.Pointer(p))
	case *uint32:
		return uintptr(unsafe.Pointer(p))
	case *float32:
		return uintptr(unsafe.Pointer(p))
	case *uint64:
		return uintptr(unsafe.Pointer(p))
	case *byte:
		return uintptr(unsafe.Pointer(p))
	}
	c.t.Fatalf("%T", p)
	return 0
}

func (c *caller) call(want result, name string, args ...uintptr) {
	c.t.Helper()
	if got := result(c.d.Call(name, args)); got != want {
		c.t.Errorf("%s: %d, want %d", name, got, want)
	}
}

// load loads the kernel of text.
func (c *caller) load() uintptr {
	c.t.Helper()
	image, name := []byte(text+"\x00"), []byte("add\x00")
	module, function := new(uintptr), new(uintptr)
	c.call(success, "cuModuleLoadDataEx", c.pointer(module), c.pointer(&image[0]), 0, 0, 0)
	c.call(success, "cuModuleGetFunction", c.pointer(function), *module, c.pointer(&name[0]))
	return *function
}

// launch adds x to the word at an address.
func (c *caller) launch(want result, function, stream, at uintptr, x uint32) {
	c.t.Helper()
	address, value := new(uint64), new(uint32)
	*address, *value = uint64(at), x
	params := []uintptr{c.pointer(address), c.pointer(value)}
	c.call(want, "cuLaunchKernel", function, 1, 1, 1, 1, 1, 1, 0, stream, c.pointer(&params[0]), 0)
}

func (c *caller) word(at uintptr) uint32 {
	c.t.Helper()
	x := new(uint32)
	c.call(success, "cuMemcpyDtoH_v2", c.pointer(x), at, 4)
	return *x
}

func TestLaunchesAndGraphs(t *testing.T) {
	c := newCaller(t)
	add := c.load()
	at, stream, graph, instance := new(uintptr), new(uintptr), new(uintptr), new(uintptr)
	c.call(success, "cuMemAlloc_v2", c.pointer(at), 256)
	c.call(success, "cuMemsetD8_v2", *at, 0, 256)
	c.call(success, "cuStreamCreate", c.pointer(stream), 1)
	c.launch(success, add, *stream, *at, 5)
	if x := c.word(*at); x != 5 {
		t.Errorf("%d, want 5", x)
	}
	c.call(success, "cuStreamBeginCapture_v2", *stream, 1)
	c.call(success, "cuMemsetD32Async", *at, 100, 1, *stream)
	c.launch(success, add, *stream, *at, 7)
	c.call(captureInvalid, "cuStreamSynchronize", *stream)
	c.call(captureInvalid, "cuStreamBeginCapture_v2", *stream, 1)
	host := new(uint32)
	c.call(captureInvalid, "cuMemcpyHtoDAsync_v2", *at, c.pointer(host), 4, *stream)
	c.call(success, "cuStreamEndCapture", *stream, c.pointer(graph))
	if x := c.word(*at); x != 5 {
		t.Errorf("what is captured ran: %d", x)
	}
	c.call(success, "cuGraphInstantiateWithFlags", c.pointer(instance), *graph, 0)
	c.call(success, "cuGraphDestroy", *graph)
	for range 2 {
		c.call(success, "cuGraphLaunch", *instance, *stream)
		if x := c.word(*at); x != 107 {
			t.Errorf("%d, want 107", x)
		}
	}
	c.call(success, "cuGraphExecDestroy", *instance)
	c.call(invalidHandle, "cuGraphLaunch", *instance, *stream)
	c.call(success, "cuStreamDestroy_v2", *stream)
	c.launch(invalidHandle, add, *stream, *at, 7)
	if faults := c.d.TakeFaults(); faults != nil {
		t.Errorf("faults %v", faults)
	}
	c.call(success, "cuMemFree_v2", *at)
	c.call(illegalAddress, "cuMemsetD8_v2", *at, 0, 1)
}

func TestFaultsAreKept(t *testing.T) {
	c := newCaller(t)
	add := c.load()
	at := new(uintptr)
	c.call(success, "cuMemAlloc_v2", c.pointer(at), 256)
	c.launch(success, add, 0, *at, 99)
	faults := c.d.TakeFaults()
	if len(faults) != 1 || !errors.Is(faults[0], emulator.ErrFault) || !strings.Contains(faults[0].Error(), "out of bounds: add") {
		t.Errorf("faults %v", faults)
	}
	if again := c.d.TakeFaults(); again != nil {
		t.Errorf("faults again: %v", again)
	}
}

func TestRefusals(t *testing.T) {
	c := newCaller(t)
	add := c.load()
	p, n := new(uintptr), new(int32)
	c.call(notSupported, "cuMipmappedArrayCreate", 0)
	c.call(invalidValue, "cuMemAlloc_v2", 1)
	c.call(outOfMemory, "cuMemAlloc_v2", c.pointer(p), ^uintptr(0)>>8)
	c.call(invalidDevice, "cuDeviceGet", c.pointer(n), 1)
	c.call(invalidHandle, "cuModuleUnload", 12345)
	c.call(invalidValue, "cuFuncSetAttribute", add, funcMaxDynamicBytes, blockShared+1)
	c.call(success, "cuFuncGetAttribute", c.pointer(n), funcMaxThreads, add)
	if *n != 64 {
		t.Errorf("%d threads, want 64", *n)
	}
	c.call(invalidValue, "cuLaunchKernel", add, 1, 1, 1, 65, 1, 1, 0, 0, c.pointer(&[]uintptr{c.pointer(new(uint64)), c.pointer(new(uint32))}[0]), 0)
	elf := []byte("\x7fELF\x02\x01\x00")
	c.call(noBinary, "cuModuleLoadDataEx", c.pointer(p), c.pointer(&elf[0]), 0, 0, 0)

	log := make([]byte, 64)
	options, values := []int32{jitErrorLog, jitErrorLogBytes}, []uintptr{c.pointer(&log[0]), 64}
	bad := []byte(strings.Replace(text, "add.s32", "add.q32", 1) + "\x00")
	c.call(invalidPTX, "cuModuleLoadDataEx", c.pointer(p), c.pointer(&bad[0]), 2, c.pointer(&options[0]), c.pointer(&values[0]))
	if got, _, _ := bytes.Cut(log, []byte{0}); string(got) != "PTX line 11: unknown instruction add.q32" {
		t.Errorf("log %q", got)
	}
	for code, w := range descriptions {
		text := new(uintptr)
		c.call(success, "cuGetErrorName", uintptr(code), c.pointer(text))
		if got := goText(*text); got+"\x00" != w.name {
			t.Errorf("%d is %q", code, got)
		}
	}
}

func TestDevice(t *testing.T) {
	c := newCaller(t)
	name, n, bytes := make([]byte, 64), new(int32), new(uint64)
	c.call(success, "cuDeviceGetName", c.pointer(&name[0]), 64, 0)
	if got := goText(c.pointer(&name[0])); got != Name {
		t.Errorf("%q", got)
	}
	c.call(success, "cuDeviceGetAttribute", c.pointer(n), 75, 0)
	if *n != capabilityMajor {
		t.Errorf("capability %d", *n)
	}
	c.call(success, "cuDeviceTotalMem_v2", c.pointer(bytes), 0)
	if *bytes != memoryBytes {
		t.Errorf("%d bytes", *bytes)
	}
	start, end, ms := new(uintptr), new(uintptr), new(float32)
	c.call(success, "cuEventCreate", c.pointer(start), 0)
	c.call(success, "cuEventCreate", c.pointer(end), 0)
	c.call(success, "cuEventRecord", *start, 0)
	c.call(success, "cuEventRecord", *end, 0)
	c.call(success, "cuEventElapsedTime", c.pointer(ms), *start, *end)
	if *ms < 0 || *ms > 1000 {
		t.Errorf("%v ms", *ms)
	}
}
