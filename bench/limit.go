package bench

import (
	"fmt"

	"github.com/sigattn/sigattn"
)

// Device is the chip that a bench runs on and the rates that limit it.
type Device struct {
	Name         string
	Capability   int     // compute capability times ten
	SMs          int     // streaming multiprocessors
	ClockHz      float64 // the highest SM clock
	CopyBytesSec float64 // measured: bytes read plus bytes written per second of a large device-to-device copy
}

// mmaFLOPs is the rate of mma.sync, which images for 8.x use, with 16-bit operands and float32 sums, dense, in FLOP per
// clock and SM, by compute capability times ten. 8.x: NVIDIA's whitepapers of A100, GA102 (A40) and AD102 (L40); GeForce
// boards of 8.6 and 8.9 run at half of it. 9.0, whose nominal 4096 only wgmma reaches: measured, 639 TFLOP/s on an H200.
var mmaFLOPs = map[int]float64{80: 2048, 86: 1024, 89: 1024, 90: 639e12 / (132 * 1.98e9)}

// wgmmaFLOPs is the nominal rate of wgmma, which images for 9.0 use (NVIDIA's whitepaper of H100).
const wgmmaFLOPs = 4096

// TensorFLOPS is the tensor cores' rate in FLOP/s at the highest clock by the instruction that an image uses, 0 for a chip
// whose rate is not known.
func (d Device) TensorFLOPS(i Image) float64 {
	rate := mmaFLOPs[d.Capability]
	if i.Arch == sigattn.SM90 {
		rate = wgmmaFLOPs
	}
	return rate * float64(d.SMs) * d.ClockHz
}

// wgmmaFLOPS is the rate of wgmma, 0 for a chip that lacks it.
func (d Device) wgmmaFLOPS() float64 {
	if d.Capability != int(sigattn.SM90) {
		return 0
	}
	return d.TensorFLOPS(Image{Arch: sigattn.SM90})
}

// Rates says what limits shapes on the device, in words.
func (d Device) Rates() string {
	tensor := "–"
	if rate := d.TensorFLOPS(Image{}); rate > 0 {
		tensor = fmt.Sprintf("%.0f", rate/1e12)
	}
	text := fmt.Sprintf("tensor %s TFLOP/s", tensor)
	if rate := d.wgmmaFLOPS(); rate > 0 {
		text += fmt.Sprintf(" by mma.sync, %.0f by wgmma", rate/1e12)
	}
	return text + fmt.Sprintf(" (nominal, %.0f MHz), copy %.0f GB/s (measured)", d.ClockHz/1e6, d.CopyBytesSec/1e9)
}

// capability is the compute capability as NVIDIA writes it.
func (d Device) capability() string { return fmt.Sprintf("%d.%d", d.Capability/10, d.Capability%10) }

// Limit is the least time that a shape can take, and why.
type Limit struct {
	Rate string  // "tensor" or "copy"; empty where neither rate is known
	MS   float64 // milliseconds
}

// Limit compares the time of a shape's products at an image's tensor rate with the time of its traffic at the copy rate.
func (d Device) Limit(s Shape, i Image) Limit {
	var limit Limit
	if rate := d.TensorFLOPS(i); rate > 0 {
		limit = Limit{"tensor", s.FLOPs() / rate * 1e3}
	}
	if d.CopyBytesSec > 0 {
		if ms := s.Bytes() / d.CopyBytesSec * 1e3; ms > limit.MS {
			limit = Limit{"copy", ms}
		}
	}
	return limit
}
