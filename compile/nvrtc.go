//go:build nvrtc

package compile

// #include <nvrtc.h>
import "C"

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"unsafe"

	"gorgonia.org/cu/nvrtc"
)

// Version is NVRTC's, which has then been seen to work.
func Version() (major, minor int, err error) {
	if _, err := newCompiler(); err != nil {
		return 0, 0, err
	}
	major, minor, err = nvrtc.Version()
	if err != nil {
		return 0, 0, fmt.Errorf("%w: %w", ErrNoNVRTC, err)
	}
	return major, minor, nil
}

// newCompiler gives NVRTC once it has compiled an empty program, whose PTX tells the build exactly (Version gives only
// the release) and which fails where NVRTC does not find its other half, libnvrtc-builtins.
var newCompiler = sync.OnceValues(func() (compiler, error) {
	empty := Source{Name: "empty"}
	out, err := run(empty, []string{"--gpu-architecture=compute_80"})
	if err != nil {
		return compiler{}, fmt.Errorf("%w: found, but it fails: %w", ErrNoNVRTC, err)
	}
	return compiler{id: string(out.PTX), compile: compileNVRTC}, nil
})

// compileNVRTC makes cubin and PTX of s.
func compileNVRTC(s Source, options []string) (output, error) {
	out, err := run(s, options)
	if err == nil && (len(out.Cubin) == 0 || len(out.PTX) == 0) {
		err = &SourceError{Kernel: s.Name, Message: "NVRTC gave no code"}
	}
	return out, err
}

// run gives what one compile makes; the cubin is empty where options name a virtual architecture.
func run(s Source, options []string) (output, error) {
	// A relative name would take the working directory into the cubin's and the PTX's line table.
	program, err := nvrtc.CreateProgram(string(s.Text), "/"+s.Name+".cu")
	if err != nil {
		return output{}, &SourceError{Kernel: s.Name, Message: err.Error()}
	}
	defer program.Destroy()
	compileErr := program.Compile(options...)
	log, err := program.GetLog()
	if err := errors.Join(compileErr, err); err != nil {
		return output{}, parseFailure(s, log, err.Error())
	}
	ptx, err := program.GetPTX()
	if err != nil {
		return output{}, &SourceError{Kernel: s.Name, Message: err.Error()}
	}
	cubin, err := getCubin(&program)
	if err != nil {
		return output{}, &SourceError{Kernel: s.Name, Message: err.Error()}
	}
	const nul = "\x00" // ends NVRTC's texts
	return output{Cubin: cubin, PTX: []byte(strings.TrimRight(ptx, nul)), Log: strings.TrimRight(log, nul)}, nil
}

// The program's handle is the only field of cu's struct; this stops compiling when that changes in size.
var _ [unsafe.Sizeof(C.nvrtcProgram(nil))]byte = [unsafe.Sizeof(nvrtc.Program{})]byte{}

// getCubin is nvrtcGetCUBIN, which cu/nvrtc lacks.
func getCubin(p *nvrtc.Program) ([]byte, error) {
	handle := *(*C.nvrtcProgram)(unsafe.Pointer(p))
	var size C.size_t
	if r := C.nvrtcGetCUBINSize(handle, &size); r != C.NVRTC_SUCCESS {
		return nil, errors.New(C.GoString(C.nvrtcGetErrorString(r)))
	}
	if size == 0 {
		return nil, nil
	}
	cubin := make([]byte, size)
	if r := C.nvrtcGetCUBIN(handle, (*C.char)(unsafe.Pointer(&cubin[0]))); r != C.NVRTC_SUCCESS {
		return nil, errors.New(C.GoString(C.nvrtcGetErrorString(r)))
	}
	return cubin, nil
}
