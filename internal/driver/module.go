package driver

import (
	"errors"
	"runtime"
	"strings"
	"unsafe"
)

// Module is a CUmodule handle: loaded device code.
type Module uintptr

// Function is a CUfunction handle: a kernel of a module.
type Function uintptr

// FunctionAttribute is a CUfunction_attribute.
type FunctionAttribute int32

// Function attributes (CU_FUNC_ATTRIBUTE_… in cuda.h).
const (
	FuncSharedBytes    FunctionAttribute = 1  // static, per block
	FuncLocalBytes     FunctionAttribute = 3  // per thread: stack and spills
	FuncRegisters      FunctionAttribute = 4  // per thread
	FuncMaxSharedBytes FunctionAttribute = 8  // dynamic, per block; must be set above 48 KB
	FuncLargeClusters  FunctionAttribute = 14 // whether clusters may have more than eight blocks, where the device takes them
)

// JIT options (CUjit_option in cuda.h).
const (
	jitErrorLog      = 5
	jitErrorLogBytes = 6
)

// LoadModule loads a cubin, or compiles PTX for the current context's device. PTX ends in a NUL, which LoadPTX adds.
// Where the compiler refuses it, the error's Detail is the compiler's log.
func LoadModule(image []byte) (Module, error) {
	if len(image) == 0 {
		return 0, &Error{Op: "cuModuleLoadDataEx", Code: CodeInvalidValue, Name: "CUDA_ERROR_INVALID_VALUE", Detail: "empty image"}
	}
	var (
		m       Module
		log     = make([]byte, 8192)
		options = [...]int32{jitErrorLog, jitErrorLogBytes}
		pins    runtime.Pinner
	)
	pins.Pin(&log[0])
	defer pins.Unpin()
	values := [...]uintptr{uintptr(unsafe.Pointer(&log[0])), uintptr(len(log))}
	err := do(symModuleLoadDataEx, uintptr(unsafe.Pointer(&m)), uintptr(unsafe.Pointer(&image[0])),
		uintptr(len(options)), uintptr(unsafe.Pointer(&options)), uintptr(unsafe.Pointer(&values)))
	if e := (*Error)(nil); errors.As(err, &e) && log[0] != 0 {
		e.Detail = strings.TrimSpace(cString(&log[0]))
	}
	return m, err
}

// LoadPTX is LoadModule for PTX text that does not end in a NUL.
func LoadPTX(text []byte) (Module, error) { return LoadModule(append(text[:len(text):len(text)], 0)) }

// Unload releases the module's code; none of its kernels may still run.
func (m Module) Unload() error { return do(symModuleUnload, uintptr(m)) }

// Function finds a kernel by its symbol.
func (m Module) Function(name string) (Function, error) {
	var f Function
	symbol := append([]byte(name), 0)
	err := do(symModuleGetFunction, uintptr(unsafe.Pointer(&f)), uintptr(m), uintptr(unsafe.Pointer(&symbol[0])))
	if e := (*Error)(nil); errors.As(err, &e) {
		e.Detail = name
	}
	return f, err
}

// Attribute reads one attribute of the compiled kernel, and completes a lazy load of it.
func (f Function) Attribute(a FunctionAttribute) (int, error) {
	var v int32
	err := do(symFuncGetAttribute, uintptr(unsafe.Pointer(&v)), uintptr(a), uintptr(f))
	return int(v), err
}

// SetAttribute sets one attribute.
func (f Function) SetAttribute(a FunctionAttribute, value int) error {
	return do(symFuncSetAttribute, uintptr(f), uintptr(a), uintptr(value))
}
