package bench

import "github.com/sigattn/sigattn"

// Report is a bench as JSON.
type Report struct {
	Device   DeviceRecord `json:"device"`
	Rounds   int          `json:"rounds"`
	Iters    int          `json:"iters"`
	Inputs   string       `json:"inputs"`
	Measured []Record     `json:"results"`
}

// DeviceRecord is a Device as JSON.
type DeviceRecord struct {
	Name         string  `json:"name"`
	Capability   string  `json:"capability"` // such as "9.0"
	SMs          int     `json:"sms"`
	ClockMHz     float64 `json:"clock_mhz"`
	TensorTFLOPS float64 `json:"tensor_tflops"`          // by mma.sync at the highest clock; 0 where not known
	WgmmaTFLOPS  float64 `json:"wgmma_tflops,omitempty"` // the same by wgmma, of 9.0
	CopyGBSec    float64 `json:"copy_gb_s"`              // measured
}

// Record is a Result as JSON.
type Record struct {
	Pass      Pass             `json:"pass"`
	DType     sigattn.DType    `json:"dtype"`
	Mask      sigattn.Mask     `json:"mask"`
	HeadDim   int              `json:"head_dim"`
	SeqLen    int              `json:"seq_len"`
	Queries   int              `json:"queries,omitempty"`   // of each sequence, where not seq_len
	LogitStd  float64          `json:"logit_std,omitempty"` // of the logits, where not 1
	Batch     int              `json:"batch"`
	HeadsQ    int              `json:"heads_q"`
	HeadsKV   int              `json:"heads_kv"`
	Image     string           `json:"image,omitempty"` // that ran
	MS        float64          `json:"ms"`              // the median over rounds
	TFLOPS    float64          `json:"tflops"`
	LimitedBy string           `json:"limited_by"` // "tensor" or "copy"
	Share     float64          `json:"share"`      // of the rate that limits
	RoundsMS  []float64        `json:"rounds_ms"`
	Error     string           `json:"error,omitempty"`
	Baselines []BaselineRecord `json:"baselines"`
}

// BaselineRecord is another implementation's Series as JSON.
type BaselineRecord struct {
	Name     string    `json:"name"`
	MS       float64   `json:"ms"`
	TFLOPS   float64   `json:"tflops"`
	Ratio    float64   `json:"ratio"` // how many times as fast ours is: the median of the rounds' ratios
	RoundsMS []float64 `json:"rounds_ms"`
	Error    string    `json:"error,omitempty"`
}

// inputs says what is timed.
const inputs = "Q, K, V and dO: independent N(0,1), rounded to the dtype; bias -ln(seq_len)"

// NewReport puts results into records.
func NewReport(device Device, schedule Schedule, results []Result) Report {
	report := Report{
		Device: DeviceRecord{
			Name: device.Name, Capability: device.capability(), SMs: device.SMs, ClockMHz: device.ClockHz / 1e6,
			TensorTFLOPS: device.TensorFLOPS(Image{}) / 1e12, WgmmaTFLOPS: device.wgmmaFLOPS() / 1e12, CopyGBSec: device.CopyBytesSec / 1e9,
		},
		Rounds: schedule.Rounds, Iters: schedule.Iters, Inputs: inputs,
		Measured: []Record{},
	}
	for _, r := range results {
		report.Measured = append(report.Measured, r.record())
	}
	return report
}

func (r Result) record() Record {
	s, ours := r.Shape, r.Series[0]
	record := Record{
		Pass: s.Pass, DType: s.DType, Mask: s.Mask, HeadDim: s.HeadDim, SeqLen: s.SeqLen, Queries: s.Queries, LogitStd: s.LogitStd,
		Batch: s.Batch, HeadsQ: s.HeadsQ, HeadsKV: s.HeadsKV,
		Image: ours.Image.String(), MS: ours.Median(), TFLOPS: r.TFLOPS(ours), LimitedBy: r.Limit.Rate, Share: r.Share(),
		RoundsMS: append([]float64{}, ours.MS...), Error: ours.Unavailable,
		Baselines: []BaselineRecord{},
	}
	for _, series := range r.Series[1:] {
		record.Baselines = append(record.Baselines, BaselineRecord{
			Name: series.Implementation, MS: series.Median(), TFLOPS: r.TFLOPS(series), Ratio: r.Ratio(series),
			RoundsMS: append([]float64{}, series.MS...), Error: series.Unavailable,
		})
	}
	return record
}
