// Package gen turns a Request for sigmoid attention kernels into a tree of Go packages.
//
// A Spec says what one kernel computes, a Plan how it runs on its chip. A Plan renders to one self-contained CUDA
// source; the images that a Compiler makes of the sources go with their Plans into one Go package per head dim, storage
// type and mask. Generate is an ordered list of named steps over one state: see steps.go.
//
// The package must not know NVRTC, a GPU or a driver: the Compiler is handed to it. It prints nothing.
package gen
