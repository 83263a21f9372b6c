package cuda

import "unsafe"

// at is the pointer that an argument is. The caller keeps what it points to alive until the call returns.
func at[T any](arg uintptr) *T { return *(**T)(unsafe.Pointer(&arg)) }

// put stores a value where an argument points to.
func put[T any](arg uintptr, x T) result {
	if arg == 0 {
		return invalidValue
	}
	*at[T](arg) = x
	return success
}

// bytesAt is n bytes of the host's from an argument on.
func bytesAt(arg uintptr, n int) []byte { return unsafe.Slice(at[byte](arg), n) }

// cText is where a constant string that ends in a NUL begins; nil for the empty one.
func cText(s string) *byte {
	if s == "" {
		return nil
	}
	return unsafe.StringData(s)
}

// goText copies a string that ends in a NUL.
func goText(arg uintptr) string {
	n := 0
	for p := unsafe.Pointer(at[byte](arg)); *(*byte)(unsafe.Add(p, n)) != 0; n++ {
	}
	return string(bytesAt(arg, n))
}
