package gen

import (
	"context"

	"github.com/sigattn/sigattn"
)

// Source is one kernel's CUDA source: what a Compiler is given.
type Source struct {
	Name string // the kernel's symbol; diagnostics speak of NAME.cu
	Text []byte // self-contained: it includes nothing
	Arch sigattn.Arch
}

// Image is what a Compiler makes of a Source.
type Image struct {
	Kernel string // the Source's Name
	Cubin  []byte // machine code for the Source's Arch
	PTX    []byte // what the driver compiles for later chips; without a trailing NUL
	Report Report
}

// Report is ptxas's account of one kernel.
type Report struct {
	Registers         int // per thread
	SpillStoreBytes   int // per thread
	SpillLoadBytes    int // per thread
	StaticSharedBytes int // per block, beside the Plan's dynamic shared memory
	StackBytes        int // per thread
}

// Compiler makes one Image of each Source, in order. An error means that no image may be used.
type Compiler func(ctx context.Context, sources []Source) (Compiled, error)

// Compiled is what a Compiler made.
type Compiled struct {
	Images []Image
	By     string // "NVRTC 13.0"; the manifests record it
}

// CompilerOptions are the options that NVRTC compiles arch's sources with. Manifests record them, so that a change of
// options makes every image anew.
func CompilerOptions(arch sigattn.Arch) []string {
	target := arch.String()
	if arch == sigattn.SM90 {
		target += "a" // wgmma and setmaxnreg exist only there
	}
	return []string{"--gpu-architecture=" + target, "--std=c++17", "-lineinfo", "--ptxas-options=-v"}
}
