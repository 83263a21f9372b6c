package bench

import "fmt"

// Device is the chip that a bench runs on and the rates that limit it.
type Device struct {
	Name         string
	Capability   int     // compute capability times ten
	SMs          int     // streaming multiprocessors
	ClockHz      float64 // the highest SM clock
	CopyBytesSec float64 // measured: bytes read plus bytes written per second of a large device-to-device copy
}

// mmaFLOPs is the rate of mma.sync, which the kernels use, with 16-bit operands and float32 sums, dense, in FLOP per
// clock and SM, by compute capability times ten. 8.x: NVIDIA's whitepapers of A100, GA102 (A40) and AD102 (L40); GeForce
// boards of 8.6 and 8.9 run at half of it. 9.0, whose nominal 4096 only wgmma reaches: measured, 639 TFLOP/s on an H200.
var mmaFLOPs = map[int]float64{80: 2048, 86: 1024, 89: 1024, 90: 639e12 / (132 * 1.98e9)}

// TensorFLOPS is the tensor cores' rate in FLOP/s by mma.sync at the highest clock, 0 for a chip whose rate is not known.
func (d Device) TensorFLOPS() float64 {
	return mmaFLOPs[d.Capability] * float64(d.SMs) * d.ClockHz
}

// capability is the compute capability as NVIDIA writes it.
func (d Device) capability() string { return fmt.Sprintf("%d.%d", d.Capability/10, d.Capability%10) }

// Limit is the least time that a shape can take, and why.
type Limit struct {
	Rate string  // "tensor" or "copy"; empty where neither rate is known
	MS   float64 // milliseconds
}

// Limit compares the time of a shape's products at the tensor rate with the time of its traffic at the copy rate.
func (d Device) Limit(s Shape) Limit {
	var limit Limit
	if rate := d.TensorFLOPS(); rate > 0 {
		limit = Limit{"tensor", s.FLOPs() / rate * 1e3}
	}
	if d.CopyBytesSec > 0 {
		if ms := s.Bytes() / d.CopyBytesSec * 1e3; ms > limit.MS {
			limit = Limit{"copy", ms}
		}
	}
	return limit
}
