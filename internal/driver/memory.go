package driver

import "unsafe"

// DevicePtr is an address in device memory.
type DevicePtr uintptr

// Scalar is what host slices of a copy may hold.
type Scalar interface {
	~uint8 | ~uint16 | ~uint32 | ~uint64 | ~int32 | ~int64 | ~float32 | ~float64
}

// MemoryInfo is the current device's free and total memory in bytes.
func MemoryInfo() (free, total int64, err error) {
	var f, t uint64
	err = do(symMemGetInfo, uintptr(unsafe.Pointer(&f)), uintptr(unsafe.Pointer(&t)))
	return int64(f), int64(t), err
}

// Alloc allocates n bytes, n > 0, at an address that is a multiple of 256.
func Alloc(n int64) (DevicePtr, error) {
	var p DevicePtr
	err := do(symMemAlloc, uintptr(unsafe.Pointer(&p)), uintptr(n))
	return p, err
}

// Free returns what Alloc gave. It waits for work that may still use it.
func Free(p DevicePtr) error { return do(symMemFree, uintptr(p)) }

// CopyToDevice copies src to dst and returns when src may be reused.
func CopyToDevice[T Scalar](dst DevicePtr, src []T) error {
	if len(src) == 0 {
		return nil
	}
	return do(symMemcpyHtoD, uintptr(dst), uintptr(unsafe.Pointer(&src[0])), size(src))
}

// CopyToHost fills dst from src, after the work on the default stream.
func CopyToHost[T Scalar](dst []T, src DevicePtr) error {
	if len(dst) == 0 {
		return nil
	}
	return do(symMemcpyDtoH, uintptr(unsafe.Pointer(&dst[0])), uintptr(src), size(dst))
}

// CopyToDeviceAsync is CopyToDevice in a stream's order. The driver stages Go memory, so src may be reused on return.
func CopyToDeviceAsync[T Scalar](dst DevicePtr, src []T, s Stream) error {
	if len(src) == 0 {
		return nil
	}
	return do(symMemcpyHtoDAsync, uintptr(dst), uintptr(unsafe.Pointer(&src[0])), size(src), uintptr(s))
}

// CopyToHostAsync is CopyToHost in a stream's order. Into Go memory, which is pageable, it returns when dst is filled.
func CopyToHostAsync[T Scalar](dst []T, src DevicePtr, s Stream) error {
	if len(dst) == 0 {
		return nil
	}
	return do(symMemcpyDtoHAsync, uintptr(unsafe.Pointer(&dst[0])), uintptr(src), size(dst), uintptr(s))
}

// Copy copies n bytes within device memory.
func Copy(dst, src DevicePtr, n int64) error {
	return do(symMemcpyDtoD, uintptr(dst), uintptr(src), uintptr(n))
}

// CopyAsync is Copy in a stream's order.
func CopyAsync(dst, src DevicePtr, n int64, s Stream) error {
	return do(symMemcpyDtoDAsync, uintptr(dst), uintptr(src), uintptr(n), uintptr(s))
}

// Memset fills n bytes with value.
func Memset(p DevicePtr, value byte, n int64) error {
	return do(symMemsetD8, uintptr(p), uintptr(value), uintptr(n))
}

// MemsetAsync is Memset in a stream's order.
func MemsetAsync(p DevicePtr, value byte, n int64, s Stream) error {
	return do(symMemsetD8Async, uintptr(p), uintptr(value), uintptr(n), uintptr(s))
}

// MemsetWordsAsync fills n 32-bit words, at a multiple of 4, in a stream's order. It allocates nothing.
func MemsetWordsAsync(p DevicePtr, value uint32, n int64, s Stream) error {
	if err := open(); err != nil {
		return err
	}
	f := frames.Get().(*frame)
	f.args[0], f.args[1], f.args[2], f.args[3] = uintptr(p), uintptr(value), uintptr(n), uintptr(s)
	code := call(symMemsetD32Async, f.args[:4]...)
	frames.Put(f)
	if code != 0 {
		return newError(symMemsetD32Async, code)
	}
	return nil
}

// size is the slice's length in bytes.
func size[T Scalar](s []T) uintptr { return uintptr(len(s)) * unsafe.Sizeof(s[0]) }
