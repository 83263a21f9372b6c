// Package cuda serves the functions of the CUDA driver over the emulator, for one device that runs PTX.
//
// Driver.Call takes a function's exported name and its arguments as C would, so that code which calls the driver runs
// unchanged. What it submits runs before the call returns: streams are always idle. What kernels are found to do wrong
// does not fail calls; TakeFaults returns it.
//
// The package knows the driver's functions as cuda.h declares them. It must not know attention, and it imports no room of
// the module but the emulator.
package cuda
