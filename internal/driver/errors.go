package driver

import (
	"errors"
	"fmt"
)

// Sentinels that every error of the package wraps one of.
var (
	ErrNoDriver = errors.New("no usable CUDA driver")
	ErrCUDA     = errors.New("CUDA driver error")
)

// Result codes (CUresult in cuda.h) that callers tell apart.
const (
	CodeInvalidValue       = 1
	CodeOutOfMemory        = 2
	CodeNoDevice           = 100
	CodeInvalidContext     = 201
	CodeNoBinaryForGPU     = 209
	CodeContextIsDestroyed = 709
	CodeNotSupported       = 801
)

// Error is a driver call that failed.
type Error struct {
	Op     string // the driver's function, such as cuLaunchKernel
	Code   int    // CUresult
	Name   string // such as CUDA_ERROR_INVALID_VALUE
	Detail string // the driver's own words, or a compiler's log
}

func (e *Error) Error() string {
	name := e.Name
	if name == "" {
		name = "unknown error"
	}
	text := fmt.Sprintf("%s: %s (%d)", e.Op, name, e.Code)
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text
}

// Unwrap makes errors.Is(err, ErrCUDA) true.
func (e *Error) Unwrap() error { return ErrCUDA }
