// Package sigattn launches sigmoid attention, O = σ(scale·Q·Kᵀ + bias)·V, and its gradients on NVIDIA GPUs.
//
// It is what generated packages (github.com/sigattn/sigattn/generated/...) and their callers share: the tensors and
// arguments of a launch, the checks on them, and the choice and loading of a kernel image for the current device.
// A program needs the NVIDIA driver and nothing else: no cgo, no CUDA toolkit. The method is that of "Theory,
// Analysis, and Best Practices for Sigmoid Self-Attention" (FlashSigmoid), Algorithms 1 and 2.
//
// The package must not know how kernels are made: nothing of specs, plans, templates or NVRTC.
package sigattn
