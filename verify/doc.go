// Package verify runs generated kernels over a grid of cases and holds every output to a float64 reference.
//
// A case is generated (inputs.go, layout.go), run on a device between guard bands and over poisoned outputs (memory.go,
// execute.go, collect.go), computed in float64 (reference.go), and judged against the floor that rounding P, dS and the
// result to the storage type sets (yardstick.go). Kernels run through sigattn.Kernel, so that what is tested is what
// users have. Where there is no GPU, they run the kernels' PTX on an emulator with checks (emulated.go).
//
// Run does it for packages × cases and returns a Report of plain values.
//
// The package must not know how kernels are made (gen, compile, templates), and it prints nothing.
package verify
