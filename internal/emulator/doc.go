// Package emulator executes PTX on the CPU and checks it on the way, so that kernels run and are found wrong where there
// is no GPU.
//
// Data flows one way:
//
//	text ──ptx.Parse──▶ ptx.Module ──Compile──▶ Program ──Kernel.Run(Launch)──▶ nil or *Fault, a list of Reports
//
// Compile turns every kernel into steps, each a function over the 32 lanes of a warp with its registers already placed
// (compile.go, flow.go, slots.go, and the build_… files, one for each family of instructions). Run spreads the blocks of
// a launch over the processors; within a block a seeded schedule interleaves the warps (schedule.go), which diverge at
// branches and reconverge at immediate post-dominators (warp.go).
//
// Integer and float arithmetic, conversions and their rounding are bit-exact. What the ISA leaves open is chosen by
// Options: how approximations err, when asynchronous work completes, how warps interleave. A contraction of mul and add into
// fma, which the ISA permits the assembler, never happens. A sum inside mma is taken in float64 and rounded to float32
// once: it is off by at most half a unit in the last place and 2^-49 of the sum of its terms' magnitudes. wgmma sums alike.
//
// What works beside the warps on sm_90a, bulk copies and wgmma, are agents of their own in the search for races (agents.go).
// Bulk copies land when mbarriers or groups say so (flight.go, bulk_groups.go, mbarrier.go); the four warps of a warpgroup
// each compute their rows of a wgmma, and wait for its groups together (wgmma.go), while its registers are watched
// (wgmma_registers.go). The blocks of a cluster run together (cluster.go).
//
// The package knows PTX. It must not know attention, nor anything of how kernels are made or launched, and it imports no
// other room of the module.
package emulator
