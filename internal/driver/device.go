package driver

import "unsafe"

// Device is a GPU's CUdevice handle.
type Device int32

// DeviceAttribute is a CUdevice_attribute.
type DeviceAttribute int32

// Device attributes (CU_DEVICE_ATTRIBUTE_… in cuda.h).
const (
	MaxThreadsPerBlock       DeviceAttribute = 1
	ClockRateKHz             DeviceAttribute = 13
	MultiprocessorCount      DeviceAttribute = 16
	MemoryClockRateKHz       DeviceAttribute = 36
	MemoryBusWidthBits       DeviceAttribute = 37
	L2CacheBytes             DeviceAttribute = 38
	CapabilityMajor          DeviceAttribute = 75
	CapabilityMinor          DeviceAttribute = 76
	SharedBytesPerSM         DeviceAttribute = 81
	SharedBytesPerBlockOptIn DeviceAttribute = 97
)

// DeviceCount is how many GPUs the process sees.
func DeviceCount() (int, error) {
	var n int32
	err := do(symDeviceGetCount, uintptr(unsafe.Pointer(&n)))
	return int(n), err
}

// DeviceAt is the GPU with this ordinal, counted from 0.
func DeviceAt(ordinal int) (Device, error) {
	var d Device
	err := do(symDeviceGet, uintptr(unsafe.Pointer(&d)), uintptr(ordinal))
	return d, err
}

// Name is the device's product name.
func (d Device) Name() (string, error) {
	var buf [256]byte
	if err := do(symDeviceGetName, uintptr(unsafe.Pointer(&buf)), uintptr(len(buf)), uintptr(d)); err != nil {
		return "", err
	}
	return cString(&buf[0]), nil
}

// Attribute reads one attribute.
func (d Device) Attribute(a DeviceAttribute) (int, error) {
	var v int32
	err := do(symDeviceGetAttribute, uintptr(unsafe.Pointer(&v)), uintptr(a), uintptr(d))
	return int(v), err
}

// Capability is the compute capability times ten, such as 90.
func (d Device) Capability() (int, error) {
	major, err := d.Attribute(CapabilityMajor)
	if err != nil {
		return 0, err
	}
	minor, err := d.Attribute(CapabilityMinor)
	if err != nil {
		return 0, err
	}
	return 10*major + minor, nil
}

// TotalMemory is the device's memory in bytes.
func (d Device) TotalMemory() (int64, error) {
	var n uint64
	err := do(symDeviceTotalMem, uintptr(unsafe.Pointer(&n)), uintptr(d))
	return int64(n), err
}
