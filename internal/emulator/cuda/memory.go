package cuda

func memGetInfo(d *Driver, a []uintptr) result {
	free, total := d.memory.Size()
	if r := put(a[0], uint64(free)); r != success {
		return r
	}
	return put(a[1], uint64(total))
}

func memAlloc(d *Driver, a []uintptr) result {
	if a[1] == 0 || uint64(a[1]) > memoryBytes {
		return outOfMemory
	}
	base, err := d.memory.Alloc(int64(a[1]), d.options.CheckGlobal)
	if err != nil {
		return outOfMemory
	}
	return put(a[0], base)
}

func memFree(d *Driver, a []uintptr) result { return refused(d.memory.Free(uint64(a[0]))) }

func memcpyHtoD(d *Driver, a []uintptr) result {
	return refused(d.memory.Write(uint64(a[0]), bytesAt(a[1], int(a[2]))))
}

func memcpyDtoH(d *Driver, a []uintptr) result {
	return refused(d.memory.Read(bytesAt(a[0], int(a[2])), uint64(a[1])))
}

func memcpyDtoD(d *Driver, a []uintptr) result {
	buffer := make([]byte, a[2])
	if err := d.memory.Read(buffer, uint64(a[1])); err != nil {
		return refused(err)
	}
	return refused(d.memory.Write(uint64(a[0]), buffer))
}

func memsetD8(d *Driver, a []uintptr) result {
	return refused(d.memory.Fill(uint64(a[0]), []byte{byte(a[1])}, int64(a[2])))
}

func memsetD32(d *Driver, a []uintptr) result {
	x := uint32(a[1])
	return refused(d.memory.Fill(uint64(a[0]), []byte{byte(x), byte(x >> 8), byte(x >> 16), byte(x >> 24)}, 4*int64(a[2])))
}

// refused is the result of an access that memory may refuse.
func refused(err error) result {
	if err != nil {
		return illegalAddress
	}
	return success
}
