//go:build !linux || android || !(amd64 || arm64)

package driver

import (
	"fmt"
	"runtime"
)

// openLibrary fails: the package loads the driver on linux/amd64 and linux/arm64 only.
func openLibrary() (func(name string) (uintptr, error), error) {
	return nil, fmt.Errorf("%s/%s is not supported; linux/amd64 and linux/arm64 are", runtime.GOOS, runtime.GOARCH)
}

// syscallN is never reached: nothing calls the driver before openLibrary succeeds.
func syscallN(uintptr, ...uintptr) int32 { return CodeNoDevice }
