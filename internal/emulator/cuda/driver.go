package cuda

import (
	"math/bits"
	"sync"

	"github.com/sigattn/sigattn/internal/emulator"
)

// What the device says of itself. Its capability is one that takes PTX of every earlier architecture.
const (
	Name            = "PTX emulator"
	capabilityMajor = 9
	capabilityMinor = 0
	cudaVersion     = 13000
	memoryBytes     = 8 << 30
	blockShared     = 227 << 10
)

// Driver is an emulated driver with one device. Its methods may be called by many goroutines.
type Driver struct {
	options emulator.Options
	memory  *emulator.Memory

	mu        sync.Mutex
	next      uintptr // handle
	modules   map[uintptr]*emulator.Program
	functions map[uintptr]*emulator.Kernel
	streams   map[uintptr]*stream
	graphs    map[uintptr][]func() result
	events    map[uintptr]*event
	faults    []error
}

// New is a driver whose kernels run with these options.
func New(o emulator.Options) *Driver {
	return &Driver{
		options: o, memory: emulator.NewMemory(memoryBytes), next: 1,
		modules: make(map[uintptr]*emulator.Program), functions: make(map[uintptr]*emulator.Kernel),
		streams: map[uintptr]*stream{0: {}}, graphs: make(map[uintptr][]func() result), events: make(map[uintptr]*event),
	}
}

// TakeFaults returns the faults of launches since the last call, each an *emulator.Fault.
func (d *Driver) TakeFaults() []error {
	d.mu.Lock()
	defer d.mu.Unlock()
	faults := d.faults
	d.faults = nil
	return faults
}

// handle is a new handle, which nothing else has had.
func (d *Driver) handle() uintptr {
	d.next++
	return d.next << 8
}

// function is one function of the driver.
type function func(d *Driver, args []uintptr) result

// Call calls the function of this name. One that is not served gives CUDA_ERROR_NOT_SUPPORTED, as everything does on hosts
// whose words do not hold a device address; one that is called with too few arguments gives CUDA_ERROR_INVALID_VALUE.
func (d *Driver) Call(name string, args []uintptr) int32 {
	f, ok := functions[name]
	switch {
	case !ok || bits.UintSize < 64:
		return int32(notSupported)
	case len(args) < f.args:
		return int32(invalidValue)
	}
	return int32(f.call(d, args))
}

// served is a function and how many arguments it takes.
type served struct {
	args int
	call function
}

// functions are those served, by exported name.
var functions map[string]served

func init() {
	functions = map[string]served{
		"cuInit":                       {1, nothing},
		"cuDriverGetVersion":           {1, driverGetVersion},
		"cuGetErrorName":               {2, getErrorName},
		"cuGetErrorString":             {2, getErrorString},
		"cuDeviceGetCount":             {1, deviceGetCount},
		"cuDeviceGet":                  {2, deviceGet},
		"cuDeviceGetName":              {3, deviceGetName},
		"cuDeviceGetAttribute":         {3, deviceGetAttribute},
		"cuDeviceTotalMem_v2":          {2, deviceTotalMem},
		"cuDevicePrimaryCtxRetain":     {2, primaryCtxRetain},
		"cuDevicePrimaryCtxRelease_v2": {1, nothing},
		"cuCtxGetCurrent":              {1, ctxGetCurrent},
		"cuCtxSetCurrent":              {1, nothing},
		"cuCtxGetDevice":               {1, ctxGetDevice},
		"cuCtxSynchronize":             {0, nothing},
		"cuMemGetInfo_v2":              {2, memGetInfo},
		"cuMemAlloc_v2":                {2, memAlloc},
		"cuMemFree_v2":                 {1, memFree},
		"cuMemcpyHtoD_v2":              {3, memcpyHtoD},
		"cuMemcpyDtoH_v2":              {3, memcpyDtoH},
		"cuMemcpyDtoD_v2":              {3, memcpyDtoD},
		"cuMemcpyHtoDAsync_v2":         {4, hostCopy(3, memcpyHtoD)},
		"cuMemcpyDtoHAsync_v2":         {4, hostCopy(3, memcpyDtoH)},
		"cuMemcpyDtoDAsync_v2":         {4, submitted(3, memcpyDtoD)},
		"cuMemsetD8_v2":                {3, memsetD8},
		"cuMemsetD8Async":              {4, submitted(3, memsetD8)},
		"cuMemsetD32Async":             {4, submitted(3, memsetD32)},
		"cuStreamCreate":               {2, streamCreate},
		"cuStreamDestroy_v2":           {1, streamDestroy},
		"cuStreamSynchronize":          {1, streamSynchronize},
		"cuStreamWaitEvent":            {3, nothing},
		"cuStreamBeginCapture_v2":      {2, streamBeginCapture},
		"cuStreamEndCapture":           {2, streamEndCapture},
		"cuEventCreate":                {2, eventCreate},
		"cuEventDestroy_v2":            {1, eventDestroy},
		"cuEventRecord":                {2, eventRecord},
		"cuEventSynchronize":           {1, nothing},
		"cuEventElapsedTime":           {3, eventElapsedTime},
		"cuModuleLoadDataEx":           {5, moduleLoadDataEx},
		"cuModuleUnload":               {1, moduleUnload},
		"cuModuleGetFunction":          {3, moduleGetFunction},
		"cuFuncGetAttribute":           {3, funcGetAttribute},
		"cuFuncSetAttribute":           {3, funcSetAttribute},
		"cuLaunchKernel":               {11, launchKernel},
		"cuLaunchKernelEx":             {4, launchKernelEx},
		"cuOccupancyMaxActiveClusters": {3, maxActiveClusters},
		"cuGraphInstantiateWithFlags":  {3, graphInstantiate},
		"cuGraphLaunch":                {2, graphLaunch},
		"cuGraphExecDestroy":           {1, graphDestroy},
		"cuGraphDestroy":               {1, graphDestroy},
		"cuTensorMapEncodeTiled":       {12, tensorMapEncodeTiled},
	}
}

// nothing is a function with nothing to do: what it would wait for has happened, and the one context is current on every
// thread.
func nothing(*Driver, []uintptr) result { return success }
