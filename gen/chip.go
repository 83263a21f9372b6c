package gen

import "github.com/sigattn/sigattn"

// Limits of every chip that kernels are planned for (CUDA C++ Programming Guide, "Technical Specifications per Compute
// Capability").
const (
	maxThreadsPerBlock = 1024
	registersPerSM     = 64 << 10
	maxRegisters       = 255 // per thread
)

// chip is what differs between architectures.
type chip struct {
	sharedPerBlock int // bytes a block may ask for
	threadsPerSM   int
}

var chips = map[sigattn.Arch]chip{
	sigattn.SM80: {163 << 10, 2048},
	sigattn.SM86: {99 << 10, 1536},
	sigattn.SM89: {99 << 10, 1536},
	sigattn.SM90: {227 << 10, 2048},
}
