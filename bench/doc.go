// Package bench times generated packages on a GPU through the runtime that users have, in turn with other
// implementations of attention on the same shapes, and reports times, rates and ratios.
//
// It measures and returns plain values; it prints nothing. It must not know how kernels are made: nothing of gen,
// templates or NVRTC.
package bench
