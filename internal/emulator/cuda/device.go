package cuda

// multiprocessors is the attribute of how many a device has.
const multiprocessors = 16

// Attributes of devices (CUdevice_attribute in cuda.h).
var attributes = map[uintptr]int32{
	1:  1024, // threads per block
	8:  48 << 10,
	10: 32,              // threads per warp
	13: 1_000_000,       // clock in kHz
	36: 1_000_000,       // memory clock in kHz
	37: 64,              // bits of the memory's bus
	38: 1 << 20,         // bytes of L2
	75: capabilityMajor, // the compute capability
	76: capabilityMinor,
	81: blockShared + 1<<10, // shared memory per multiprocessor
	97: blockShared,         // and per block that asks for it

	multiprocessors: 4, // few, so that blocks that stay on theirs take several tiles
}

// context is the handle of the one context.
const context uintptr = 0xc0

func driverGetVersion(_ *Driver, a []uintptr) result { return put[int32](a[0], cudaVersion) }

func deviceGetCount(_ *Driver, a []uintptr) result { return put[int32](a[0], 1) }

func deviceGet(_ *Driver, a []uintptr) result {
	if a[1] != 0 {
		return invalidDevice
	}
	return put[int32](a[0], 0)
}

func deviceGetName(_ *Driver, a []uintptr) result {
	if a[1] == 0 {
		return invalidValue
	}
	buffer := bytesAt(a[0], int(a[1]))
	buffer[copy(buffer[:len(buffer)-1], Name)] = 0
	return success
}

func deviceGetAttribute(_ *Driver, a []uintptr) result {
	v, ok := attributes[a[1]]
	if !ok {
		return invalidValue
	}
	return put(a[0], v)
}

func deviceTotalMem(_ *Driver, a []uintptr) result { return put[uint64](a[0], memoryBytes) }

func primaryCtxRetain(_ *Driver, a []uintptr) result { return put(a[0], context) }

func ctxGetCurrent(_ *Driver, a []uintptr) result { return put(a[0], context) }

func ctxGetDevice(_ *Driver, a []uintptr) result { return put[int32](a[0], 0) }
