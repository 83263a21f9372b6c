package driver

import (
	"fmt"
	"strings"
	"sync"
	"unsafe"
)

// symbol is one function of the driver.
type symbol int

const (
	symInit symbol = iota
	symDriverGetVersion
	symGetErrorName
	symGetErrorString
	symDeviceGetCount
	symDeviceGet
	symDeviceGetName
	symDeviceGetAttribute
	symDeviceTotalMem
	symPrimaryCtxRetain
	symPrimaryCtxRelease
	symCtxGetCurrent
	symCtxSetCurrent
	symCtxGetDevice
	symCtxSynchronize
	symMemGetInfo
	symMemAlloc
	symMemFree
	symMemcpyHtoD
	symMemcpyDtoH
	symMemcpyDtoD
	symMemcpyHtoDAsync
	symMemcpyDtoHAsync
	symMemcpyDtoDAsync
	symMemsetD8
	symMemsetD8Async
	symMemsetD32Async
	symStreamCreate
	symStreamDestroy
	symStreamSynchronize
	symStreamWaitEvent
	symStreamBeginCapture
	symStreamEndCapture
	symEventCreate
	symEventDestroy
	symEventRecord
	symEventSynchronize
	symEventElapsedTime
	symModuleLoadDataEx
	symModuleUnload
	symModuleGetFunction
	symFuncGetAttribute
	symFuncSetAttribute
	symLaunchKernel
	symGraphInstantiate
	symGraphLaunch
	symGraphExecDestroy
	symGraphDestroy
	symLaunchKernelEx
	symOccupancyMaxActiveClusters
	symTensorMapEncodeTiled
	symbolCount
)

// symbolNames are the exported names; a suffix is the version whose prototype the package calls.
var symbolNames = [symbolCount]string{
	symInit:               "cuInit",
	symDriverGetVersion:   "cuDriverGetVersion",
	symGetErrorName:       "cuGetErrorName",
	symGetErrorString:     "cuGetErrorString",
	symDeviceGetCount:     "cuDeviceGetCount",
	symDeviceGet:          "cuDeviceGet",
	symDeviceGetName:      "cuDeviceGetName",
	symDeviceGetAttribute: "cuDeviceGetAttribute",
	symDeviceTotalMem:     "cuDeviceTotalMem_v2",
	symPrimaryCtxRetain:   "cuDevicePrimaryCtxRetain",
	symPrimaryCtxRelease:  "cuDevicePrimaryCtxRelease_v2",
	symCtxGetCurrent:      "cuCtxGetCurrent",
	symCtxSetCurrent:      "cuCtxSetCurrent",
	symCtxGetDevice:       "cuCtxGetDevice",
	symCtxSynchronize:     "cuCtxSynchronize",
	symMemGetInfo:         "cuMemGetInfo_v2",
	symMemAlloc:           "cuMemAlloc_v2",
	symMemFree:            "cuMemFree_v2",
	symMemcpyHtoD:         "cuMemcpyHtoD_v2",
	symMemcpyDtoH:         "cuMemcpyDtoH_v2",
	symMemcpyDtoD:         "cuMemcpyDtoD_v2",
	symMemcpyHtoDAsync:    "cuMemcpyHtoDAsync_v2",
	symMemcpyDtoHAsync:    "cuMemcpyDtoHAsync_v2",
	symMemcpyDtoDAsync:    "cuMemcpyDtoDAsync_v2",
	symMemsetD8:           "cuMemsetD8_v2",
	symMemsetD8Async:      "cuMemsetD8Async",
	symMemsetD32Async:     "cuMemsetD32Async",
	symStreamCreate:       "cuStreamCreate",
	symStreamDestroy:      "cuStreamDestroy_v2",
	symStreamSynchronize:  "cuStreamSynchronize",
	symStreamWaitEvent:    "cuStreamWaitEvent",
	symStreamBeginCapture: "cuStreamBeginCapture_v2",
	symStreamEndCapture:   "cuStreamEndCapture",
	symEventCreate:        "cuEventCreate",
	symEventDestroy:       "cuEventDestroy_v2",
	symEventRecord:        "cuEventRecord",
	symEventSynchronize:   "cuEventSynchronize",
	symEventElapsedTime:   "cuEventElapsedTime",
	symModuleLoadDataEx:   "cuModuleLoadDataEx",
	symModuleUnload:       "cuModuleUnload",
	symModuleGetFunction:  "cuModuleGetFunction",
	symFuncGetAttribute:   "cuFuncGetAttribute",
	symFuncSetAttribute:   "cuFuncSetAttribute",
	symLaunchKernel:       "cuLaunchKernel",
	symGraphInstantiate:   "cuGraphInstantiateWithFlags",
	symGraphLaunch:        "cuGraphLaunch",
	symGraphExecDestroy:   "cuGraphExecDestroy",
	symGraphDestroy:       "cuGraphDestroy",

	symLaunchKernelEx:             "cuLaunchKernelEx",
	symOccupancyMaxActiveClusters: "cuOccupancyMaxActiveClusters",
	symTensorMapEncodeTiled:       "cuTensorMapEncodeTiled",
}

// optional are the symbols that a driver may lack. What needs them asks served.
var optional = [symbolCount]bool{symLaunchKernelEx: true, symOccupancyMaxActiveClusters: true, symTensorMapEncodeTiled: true}

// served reports whether there is a function of the symbol to call, once open has succeeded.
func served(s symbol) bool { return standIn.Load() != nil || addresses[s] != 0 }

// notServed is the error of calls that need a function that is not served.
func notServed(s symbol) error {
	return &Error{Op: symbolNames[s], Code: CodeNotSupported, Name: "CUDA_ERROR_NOT_SUPPORTED", Detail: "the installed driver lacks it"}
}

// addresses are the functions' entry points, valid once open succeeded.
var addresses [symbolCount]uintptr

// open makes sure that there is something to call: a stand-in, or the driver.
func open() error {
	if standIn.Load() != nil {
		return nil
	}
	return openDriver()
}

// openDriver loads and initialises the driver once. Its error wraps ErrNoDriver.
var openDriver = sync.OnceValue(func() error {
	resolve, err := openLibrary()
	if err != nil {
		return fmt.Errorf("%w: %v", ErrNoDriver, err)
	}
	for s, name := range symbolNames {
		if addresses[s], err = resolve(name); err != nil && !optional[s] {
			return fmt.Errorf("%w: the installed one is too old: it lacks %s", ErrNoDriver, name)
		}
	}
	if code := syscallN(addresses[symInit], 0); code != 0 {
		return fmt.Errorf("%w: %w", ErrNoDriver, newError(symInit, code))
	}
	return nil
})

// Open loads and initialises the driver, once per process. Its error wraps ErrNoDriver and says what is missing.
func Open() error { return open() }

// Available reports whether there is a driver and a device.
func Available() bool {
	n, err := DeviceCount()
	return err == nil && n > 0
}

// Version is the CUDA version that the driver implements, such as 13, 0.
func Version() (major, minor int, err error) {
	var v int32
	if err := do(symDriverGetVersion, uintptr(unsafe.Pointer(&v))); err != nil {
		return 0, 0, err
	}
	return int(v) / 1000, int(v) % 1000 / 10, nil
}

// do opens the driver if need be, calls s and turns its result into an error.
//
//go:uintptrescapes
func do(s symbol, args ...uintptr) error {
	if err := open(); err != nil {
		return err
	}
	if code := call(s, args...); code != 0 {
		return newError(s, code)
	}
	return nil
}

// call is do for an open driver, and returns the CUresult.
//
//go:uintptrescapes
func call(s symbol, args ...uintptr) int32 {
	if in := standIn.Load(); in != nil {
		return (*in).Call(symbolNames[s], args)
	}
	return syscallN(addresses[s], args...)
}

// newError asks the driver to name code.
func newError(s symbol, code int32) *Error {
	e := &Error{Op: strings.TrimSuffix(symbolNames[s], "_v2"), Code: int(code)}
	var name, text *byte
	if call(symGetErrorName, uintptr(code), uintptr(unsafe.Pointer(&name))) == 0 {
		e.Name = cString(name)
	}
	if call(symGetErrorString, uintptr(code), uintptr(unsafe.Pointer(&text))) == 0 {
		e.Detail = cString(text)
	}
	return e
}

// cString copies a NUL-terminated string of the driver's; nil is empty.
func cString(p *byte) string {
	if p == nil {
		return ""
	}
	n := 0
	for *(*byte)(unsafe.Add(unsafe.Pointer(p), n)) != 0 {
		n++
	}
	return string(unsafe.Slice(p, n))
}
