//go:build linux && !android && (amd64 || arm64)

package driver

import "github.com/ebitengine/purego"

// openLibrary loads libcuda and returns its symbol look-up.
func openLibrary() (func(name string) (uintptr, error), error) {
	lib, err := purego.Dlopen("libcuda.so.1", purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return nil, err
	}
	return func(name string) (uintptr, error) { return purego.Dlsym(lib, name) }, nil
}

// syscallN calls the C function at fn and returns its CUresult. It allocates nothing where args is the caller's slice.
//
//go:uintptrescapes
func syscallN(fn uintptr, args ...uintptr) int32 {
	r, _, _ := purego.SyscallN(fn, args...)
	return int32(r)
}
