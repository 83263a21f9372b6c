package cuda

import (
	"errors"
	"strings"

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
	case a[1] != funcMaxDynamicBytes || int(int32(a[2])) < 0 || int(int32(a[2]))+kernel.StaticShared() > blockShared:
		return invalidValue
	}
	return success
}

// launchKernel copies the parameters and runs the launch, or captures it.
func launchKernel(d *Driver, a []uintptr) result {
	kernel := d.function(a[0])
	if kernel == nil {
		return invalidHandle
	}
	l := emulator.Launch{
		Grid:        [3]int{int(a[1]), int(a[2]), int(a[3])},
		Block:       [3]int{int(a[4]), int(a[5]), int(a[6])},
		SharedBytes: int(a[7]),
		Params:      make([]byte, kernel.ParamBytes()),
	}
	for i, p := range kernel.Params() {
		copy(l.Params[p.Offset:], bytesAt(*at[uintptr](a[9] + 8*uintptr(i)), p.Size))
	}
	return d.submit(a[8], func() result { return d.launch(kernel, l) })
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
