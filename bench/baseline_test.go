package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sigattn/sigattn"
)

// fakeMode in the environment makes the test binary a baseline process that behaves so.
const fakeMode = "SIGATTN_FAKE_BASELINE"

func TestMain(m *testing.M) {
	if mode := os.Getenv(fakeMode); mode != "" {
		fakeBaseline(mode)
		return
	}
	os.Exit(m.Run())
}

func fakeBaseline(mode string) {
	if mode == "dies" {
		fmt.Fprintln(os.Stderr, "no module named torch")
		os.Exit(1)
	}
	scanner := bufio.NewScanner(os.Stdin)
	for scanner.Scan() {
		var ask request
		if err := json.Unmarshal(scanner.Bytes(), &ask); err != nil {
			fmt.Println(`{"error":"bad request"}`)
			continue
		}
		switch {
		case mode == "prints":
			fmt.Println("loading libraries...")
		case mode == "silent":
		case mode == "short":
			fmt.Println(`{"ms":[1]}`)
		case mode == "negative":
			fmt.Println(`{"ms":[1,-1,1]}`)
		case ask.Backend == "cudnn":
			fmt.Println(`{"error":"no engine"}`)
		default: // the request comes back as a time that depends on each field
			ms := float64(ask.Batch) + float64(ask.Heads)*10 + float64(ask.HeadsKV)*100 + float64(ask.SeqLen)*1e3
			if ask.Pass == "bwd" && ask.DType == "fp16" && ask.Causal && ask.HeadDim == 72 && ask.Scale == 4/math.Sqrt(72) {
				ms += 0.5
			}
			times := make([]float64, ask.Iters)
			for i := range times {
				times[i] = ms
			}
			line, _ := json.Marshal(reply{MS: times})
			fmt.Println(string(line))
		}
	}
}

func startFake(t *testing.T, ctx context.Context, mode string) *Baseline {
	t.Helper()
	t.Setenv(fakeMode, mode)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := StartBaseline(ctx, self)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func TestBaselineProtocol(t *testing.T) {
	b := startFake(t, t.Context(), "good")
	shape := Shape{
		Pass: BackwardDeterministic, DType: sigattn.FP16, Mask: sigattn.Causal,
		Batch: 3, HeadsQ: 4, HeadsKV: 2, SeqLen: 5, HeadDim: 72, LogitStd: 4,
	}
	for range 2 { // the process serves many requests
		ms, err := b.Backend("flash").Time(t.Context(), shape, 3)
		if err != nil {
			t.Fatal(err)
		}
		const want = 3 + 40 + 200 + 5000 + 0.5
		if len(ms) != 3 || ms[0] != want || ms[2] != want {
			t.Errorf("times %v, want three of %v: the request did not arrive whole", ms, want)
		}
	}
	_, err := b.Backend("cudnn").Time(t.Context(), shape, 3)
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "no engine") {
		t.Errorf("error %v, want ErrUnavailable with the process's words", err)
	}
}

func TestBaselineBrokenProtocol(t *testing.T) {
	for mode, want := range map[string]string{
		"dies":     "no module named torch",
		"prints":   "loading libraries",
		"short":    "1 times where 3",
		"negative": "-1 ms",
	} {
		t.Run(mode, func(t *testing.T) {
			b := startFake(t, t.Context(), mode)
			_, err := b.Backend("flash").Time(t.Context(), Shape{Pass: Forward, HeadDim: 64}, 3)
			if !errors.Is(err, ErrBaseline) || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want ErrBaseline with %q", err, want)
			}
			if _, err := b.Backend("flash").Time(t.Context(), Shape{Pass: Forward, HeadDim: 64}, 3); !errors.Is(err, ErrBaseline) {
				t.Errorf("asked again: error %v, want ErrBaseline", err)
			}
		})
	}
}

func TestBaselineEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	b := startFake(t, ctx, "silent")
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := b.Backend("flash").Time(ctx, Shape{HeadDim: 64}, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
}

func TestStartBaselineRefuses(t *testing.T) {
	for _, command := range []string{"", "  ", "/no/such/program x"} {
		if _, err := StartBaseline(t.Context(), command); !errors.Is(err, ErrBaseline) {
			t.Errorf("%q: error %v, want ErrBaseline", command, err)
		}
	}
}
