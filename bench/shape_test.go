package bench

import (
	"math"
	"strings"
	"testing"

	"github.com/sigattn/sigattn"
)

func TestFLOPs(t *testing.T) {
	for _, tc := range []struct {
		pass Pass
		mask sigattn.Mask
		want float64
	}{
		{Forward, sigattn.Full, 4 * 8 * 16 * 2048 * 2048 * 128},
		{Forward, sigattn.Causal, 2 * 8 * 16 * 2048 * 2048 * 128},
		{Backward, sigattn.Full, 10 * 8 * 16 * 2048 * 2048 * 128},
		{BackwardDeterministic, sigattn.Causal, 5 * 8 * 16 * 2048 * 2048 * 128},
		{Step, sigattn.Full, 14 * 8 * 16 * 2048 * 2048 * 128},
	} {
		s := testShape()
		s.Pass, s.Mask = tc.pass, tc.mask
		if got := s.FLOPs(); got != tc.want {
			t.Errorf("%v: %g FLOP, want %g", s, got, tc.want)
		}
	}
	if long := (Shape{Pass: Forward, Batch: 1 << 10, HeadsQ: 1 << 10, SeqLen: 1 << 20, HeadDim: 256}).FLOPs(); long != math.Ldexp(1, 70) {
		t.Errorf("%g FLOP, want 2^70: an int overflowed", long)
	}
}

// The last 128 of 2048 queries: under a causal mask they see all keys but the ones behind each.
func TestFewerQueries(t *testing.T) {
	request := DefaultRequest()
	request.Passes, request.HeadDims, request.SeqLens, request.Queries = []Pass{Forward}, []int{128}, []int{128, 2048}, 128
	shapes := request.Shapes()
	if len(shapes) != 4 || shapes[0].Queries != 0 || shapes[1].Queries != 128 || shapes[1].SeqLenQ() != 128 {
		t.Fatalf("%v", shapes)
	}
	full, causal := shapes[1], shapes[3]
	if got, want := full.FLOPs(), float64(4*8*16*128*2048*128); got != want {
		t.Errorf("%v: %g FLOP, want %g", full, got, want)
	}
	if got, want := causal.FLOPs(), float64(4*8*16*128*(2048-64)*128); got != want {
		t.Errorf("%v: %g FLOP, want %g", causal, got, want)
	}
	if got, want := full.Bytes(), float64(2*8*16*128*(2*128+2*2048)); got != want {
		t.Errorf("%v: %v bytes, want %v", full, got, want)
	}
}

// Logits of standard deviation 4 are those of N(0,1) inputs, scaled.
func TestLogitStd(t *testing.T) {
	request := DefaultRequest()
	if s := request.Shapes()[0]; s.Scale() != 1/math.Sqrt(64) || strings.Contains(s.String(), "std") {
		t.Errorf("%v: scale %v, want 1/8", s, s.Scale())
	}
	request.LogitStd = 4
	if s := request.Shapes()[0]; s.Scale() != 4/math.Sqrt(64) || !strings.HasSuffix(s.String(), "/std=4") {
		t.Errorf("%v: scale %v, want 1/2", s, s.Scale())
	}
}

func TestBytes(t *testing.T) {
	s := Shape{Pass: Forward, Batch: 2, HeadsQ: 8, HeadsKV: 2, SeqLen: 100, HeadDim: 64}
	if got, want := s.Bytes(), float64(2*100*64*2*(8+8+2+2)); got != want {
		t.Errorf("forward: %v bytes, want %v", got, want)
	}
	s.Pass = Backward
	if got, want := s.Bytes(), float64(2*100*64*2*(3*8+4*2)); got != want {
		t.Errorf("backward: %v bytes, want %v", got, want)
	}
	s.Pass = Step
	if got, want := s.Bytes(), float64(2*100*64*2*(5*8+6*2)); got != want {
		t.Errorf("step: %v bytes, want %v", got, want)
	}
}

func TestShapes(t *testing.T) {
	shapes := DefaultRequest().Shapes()
	if len(shapes) != 2*2*2*4 {
		t.Fatalf("%d shapes, want 32", len(shapes))
	}
	for _, s := range shapes {
		if s.Batch*s.SeqLen != 16384 || s.HeadsQ*s.HeadDim != 2048 || s.HeadsKV != s.HeadsQ {
			t.Errorf("%v: want 16384 tokens and a width of 2048", s)
		}
	}
	odd := Request{
		Passes: []Pass{Forward}, DTypes: []sigattn.DType{sigattn.FP16}, Masks: []sigattn.Mask{sigattn.Full},
		HeadDims: []int{96}, SeqLens: []int{3000, 1 << 20}, Tokens: 16384, Width: 2048, Group: 4,
	}.Shapes()
	if s := odd[0]; s.Batch != 5 || s.HeadsQ != 20 || s.HeadsKV != 5 {
		t.Errorf("%v: want whole sequences and whole groups", s)
	}
	if s := odd[1]; s.Batch != 1 {
		t.Errorf("%v: want at least one sequence", s)
	}
}

func TestLimit(t *testing.T) {
	long := testShape()
	limit := testDevice.Limit(long, Image{sigattn.SM80, true})
	if want := long.FLOPs() / 639e12 * 1e3; limit.Rate != "tensor" || math.Abs(limit.MS/want-1) > 1e-12 {
		t.Errorf("long sequences: %+v, want tensor, %v ms", limit, want)
	}
	if limit := testDevice.Limit(long, Image{Arch: sigattn.SM90}); limit.MS >= long.FLOPs()/1000e12*1e3 {
		t.Errorf("by wgmma: %+v, want less than at 1000 TFLOP/s", limit)
	}
	short := long
	short.SeqLen, short.Batch = 128, 128
	limit = testDevice.Limit(short, Image{sigattn.SM80, true})
	if want := short.Bytes() / 4e12 * 1e3; limit.Rate != "copy" || limit.MS != want {
		t.Errorf("short sequences: %+v, want copy, %v ms", limit, want)
	}
	unknown := Device{Capability: 121, SMs: 48, ClockHz: 1e9}
	if limit := unknown.Limit(long, Image{}); limit != (Limit{}) {
		t.Errorf("an unknown chip has the limit %+v", limit)
	}
}

func TestMedian(t *testing.T) {
	for _, tc := range []struct {
		values []float64
		want   float64
	}{
		{nil, 0}, {[]float64{3}, 3}, {[]float64{3, 1}, 2}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 3, 100}, 3.5},
	} {
		if got := Median(tc.values); got != tc.want {
			t.Errorf("median of %v is %v, want %v", tc.values, got, tc.want)
		}
	}
	values := []float64{3, 1, 2}
	Median(values)
	if values[0] != 3 {
		t.Error("Median reordered its argument")
	}
}
