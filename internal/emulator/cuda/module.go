package cuda

import (
	"cmp"
	"errors"
	"strings"
	"unsafe"

	"github.com/sigattn/sigattn/internal/emulator"
)

// Options of loading (CUjit_option in cuda.h).
const (
	jitErrorLog      = 5
	jitErrorLogBytes = 6
)

// moduleLoadDataEx takes PTX alone.
func moduleLoadDataEx(d *Driver, a []uintptr) result {
	text := goText(a[1])
	if !strings.Contains(text, ".version") {
		return noBinary
	}
	program, err := emulator.Load(text)
	if err != nil {
		writeLog(err.Error(), a[2], a[3], a[4])
		return invalidPTX
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.handle()
	d.modules[h] = program
	return put(a[0], h)
}

// writeLog leaves what went wrong in the buffer that the options name.
func writeLog(text string, count, options, values uintptr) {
	var buffer, size uintptr
	for i := range count {
		value := *at[uintptr](values + 8*i)
		switch *at[int32](options + 4*i) {
		case jitErrorLog:
			buffer = value
		case jitErrorLogBytes:
			size = value
		}
	}
	if buffer != 0 && size > 0 {
		log := bytesAt(buffer, int(size))
		log[copy(log[:size-1], text)] = 0
	}
}

func moduleUnload(d *Driver, a []uintptr) result {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.modules[a[0]] == nil {
		return invalidHandle
	}
	delete(d.modules, a[0])
	return success
}

func moduleGetFunction(d *Driver, a []uintptr) result {
	d.mu.Lock()
	defer d.mu.Unlock()
	program := d.modules[a[1]]
	if program == nil {
		return invalidHandle
	}
	kernel := program.Kernel(goText(a[2]))
	if kernel == nil {
		return notFound
	}
	h := d.handle()
	d.functions[h] = kernel
	return put(a[0], h)
}

// Attributes of functions (CUfunction_attribute in cuda.h).
const (
	funcMaxThreads      = 0
	funcSharedBytes     = 1
	funcConstBytes      = 2
	funcLocalBytes      = 3
	funcRegisters       = 4
	funcMaxDynamicBytes = 8
	funcLargeClusters   = 14
)

func (d *Driver) function(h uintptr) *emulator.Kernel {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.functions[h]
}

// funcGetAttribute knows what PTX says. Registers are the assembler's to give, so a kernel has none here.
func funcGetAttribute(d *Driver, a []uintptr) result {
	kernel := d.function(a[2])
	if kernel == nil {
		return invalidHandle
	}
	switch a[1] {
	case funcMaxThreads:
		return put(a[0], int32(kernel.MaxThreads()))
	case funcSharedBytes:
		return put(a[0], int32(kernel.StaticShared()))
	case funcConstBytes, funcLocalBytes, funcRegisters:
		return put[int32](a[0], 0)
	}
	return invalidValue
}

func funcSetAttribute(d *Driver, a []uintptr) result {
	kernel := d.function(a[0])
	switch {
	case kernel == nil:
		return invalidHandle
	case a[1] == funcLargeClusters && a[2] == 1:
		return success // emulator.Launch's clusters are as large as a device's
	case a[1] != funcMaxDynamicBytes || int(int32(a[2])) < 0 || int(int32(a[2]))+kernel.StaticShared() > blockShared:
		return invalidValue
	}
	return success
}

func launchKernel(d *Driver, a []uintptr) result {
	return d.submitLaunch(a[0], a[8], a[9], emulator.Launch{
		Grid:        [3]int{int(a[1]), int(a[2]), int(a[3])},
		Block:       [3]int{int(a[4]), int(a[5]), int(a[6])},
		SharedBytes: int(a[7]),
	})
}

// launchConfig is CUlaunchConfig, and launchAttribute CUlaunchAttribute, whose value's first three words are a cluster's dimensions.
type (
	launchConfig struct {
		grid, block [3]uint32
		sharedBytes uint32
		stream      uintptr
		attributes  uintptr
		count       uint32
	}
	launchAttribute struct {
		id    uint32
		_     uint32
		value [16]uint32
	}
)

// attributeClusterDimension is CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION, the only attribute that launches may have.
const attributeClusterDimension = 4

func launchKernelEx(d *Driver, a []uintptr) result {
	c := *at[launchConfig](a[0])
	l, code := c.launch()
	if code != success {
		return code
	}
	return d.submitLaunch(a[1], c.stream, a[2], l)
}

// launch is the configuration's, but for the parameters.
func (c *launchConfig) launch() (emulator.Launch, result) {
	l := emulator.Launch{Grid: dimensions(c.grid), Block: dimensions(c.block), SharedBytes: int(c.sharedBytes)}
	for i := range uintptr(c.count) {
		attribute := *at[launchAttribute](c.attributes + i*unsafe.Sizeof(launchAttribute{}))
		if attribute.id != attributeClusterDimension {
			return l, notSupported
		}
		l.Cluster = dimensions([3]uint32(attribute.value[:3]))
	}
	return l, success
}

// maxActiveClusters counts one block for each multiprocessor.
func maxActiveClusters(_ *Driver, a []uintptr) result {
	l, code := at[launchConfig](a[2]).launch()
	blocks := int32(l.Cluster[0] * l.Cluster[1] * l.Cluster[2])
	if code != success || blocks == 0 {
		return cmp.Or(code, invalidValue)
	}
	return put(a[0], attributes[multiprocessors]/blocks)
}

func dimensions(d [3]uint32) [3]int { return [3]int{int(d[0]), int(d[1]), int(d[2])} }

// submitLaunch copies the parameters and runs the launch of a function, or captures it.
func (d *Driver) submitLaunch(function, stream, params uintptr, l emulator.Launch) result {
	kernel := d.function(function)
	if kernel == nil {
		return invalidHandle
	}
	l.Params = make([]byte, kernel.ParamBytes())
	for i, p := range kernel.Params() {
		copy(l.Params[p.Offset:], bytesAt(*at[uintptr](params + 8*uintptr(i)), p.Size))
	}
	return d.submit(stream, func() result { return d.launch(kernel, l) })
}

func (d *Driver) launch(kernel *emulator.Kernel, l emulator.Launch) result {
	err := kernel.Run(d.memory, l, d.options)
	switch {
	case errors.Is(err, emulator.ErrLaunch):
		return invalidValue
	case err != nil:
		d.mu.Lock()
		defer d.mu.Unlock()
		d.faults = append(d.faults, err)
	}
	return success
}
