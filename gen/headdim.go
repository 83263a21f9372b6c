package gen

import (
	"strconv"
)

// kernelHeadDims are the head dims that kernels exist for. A tensor's head dim runs in the next larger one, zero-filled
// in shared memory.
var kernelHeadDims = []int{32, 64, 96, 128, 192, 256}

// KernelHeadDim is the kernel that serves tensors of head dim d: the smallest that is no less. d is a positive multiple
// of 8 up to 256; anything else is a *ValueError.
func KernelHeadDim(d int) (int, error) {
	if err := checkHeadDim(d); err != nil {
		return 0, err
	}
	for _, k := range kernelHeadDims {
		if d <= k {
			return k, nil
		}
	}
	return 0, illegalHeadDim(strconv.Itoa(d))
}

func checkHeadDim(d int) error {
	if d <= 0 || d > kernelHeadDims[len(kernelHeadDims)-1] || d%8 != 0 {
		return illegalHeadDim(strconv.Itoa(d))
	}
	return nil
}

func illegalHeadDim(value string) error {
	return &ValueError{What: "head dim", Value: value, Legal: "positive multiples of 8 up to 256"}
}
