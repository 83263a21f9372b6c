package main

import "github.com/sigattn/sigattn/examples/device"

// roundBF16 rounds numbers to what bfloat16 can hold, in place.
func roundBF16(x []float64) {
	short := convert[float32](x)
	device.RoundBF16(short)
	copy(x, convert[float64](short))
}

func convert[To, From float32 | float64](x []From) []To {
	y := make([]To, len(x))
	for i, v := range x {
		y[i] = To(v)
	}
	return y
}
