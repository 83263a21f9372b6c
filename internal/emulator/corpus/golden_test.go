package corpus

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/sigattn/sigattn/internal/driver"
	"github.com/sigattn/sigattn/internal/emulator"
	"github.com/sigattn/sigattn/internal/emulator/cuda"
)

// maxTestdata bounds the recordings together.
const maxTestdata = 1 << 20

// TestRecordingRoundTrip records every program with the emulator in the GPU's place.
func TestRecordingRoundTrip(t *testing.T) {
	total := 0
	err := driver.WithStandIn(cuda.New(emulator.Options{}), func() error {
		return driver.WithPrimary(0, func() error {
			device, err := CurrentDevice()
			if err != nil {
				return err
			}
			for _, p := range Programs() {
				g, err := Record(p, device)
				if err != nil {
					t.Errorf("%s: %v", p.Name, err)
					continue
				}
				file, err := g.Encode()
				if err != nil {
					return err
				}
				total += len(file)
				back, err := DecodeGolden(file)
				if err != nil {
					return err
				}
				if back.Device != cuda.Name || back.Driver != device.Driver || back.Digest != p.Digest() || !bytes.Equal(back.Output, g.Output) {
					t.Errorf("%s does not come back as it was recorded", p.Name)
				}
			}
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	if total > maxTestdata {
		t.Errorf("recordings of %d bytes, want at most %d", total, maxTestdata)
	}
	t.Logf("%d bytes of recordings", total)
}

// TestOtherResultsAreFound changes an element of each output in turn.
func TestOtherResultsAreFound(t *testing.T) {
	for _, p := range Programs() {
		outputs, err := Emulate(p, emulator.Options{})
		if err != nil {
			t.Fatal(err)
		}
		at := 0
		for i := range p.Outputs {
			o := &p.Outputs[i]
			last := outputs[at+o.bytes()-o.Size : at+o.bytes()]
			before := slices.Clone(outputs)
			for j := range last {
				last[j] ^= 0xff
			}
			if wrong := Compare(p, outputs, before); (len(wrong) == 0) != (o.Near != nil) {
				t.Errorf("%s, %s: compared to another result: %q", p.Name, o.Name, wrong)
			}
			if wrong := Check(p, outputs); len(wrong) == 0 && (o.Near != nil || o.Want != nil) {
				t.Errorf("%s, %s: another result passes", p.Name, o.Name)
			}
			copy(outputs, before)
			at += o.bytes()
		}
	}
}

func TestDigestCoversTheProgram(t *testing.T) {
	p := func() *Program { return Programs()[0] }
	same := p().Digest()
	if p().Digest() != same {
		t.Error("the digest is another one for the same program")
	}
	for name, change := range map[string]func(p *Program){
		"text":      func(p *Program) { p.Text += "\n" },
		"threads":   func(p *Program) { p.Threads++ },
		"shared":    func(p *Program) { p.SharedBytes++ },
		"input":     func(p *Program) { p.Inputs[0][0] ^= 1 },
		"output":    func(p *Program) { p.Outputs[0].Count-- },
		"constants": func(p *Program) { p.Constants = []byte{0} },
		"tensors":   func(p *Program) { p.Tensors = []Tensor{{}} },
	} {
		q := p()
		change(q)
		if q.Digest() == same {
			t.Errorf("the digest does not cover the %s", name)
		}
	}
}

func TestDecodeGoldenRefuses(t *testing.T) {
	whole, err := (&Golden{"GPU", "1.0", "d", []byte("some output")}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string][]byte{
		"nothing":       nil,
		"another title": append([]byte("x"), whole...),
		"a short body":  whole[:len(whole)-3],
		"another size":  bytes.Replace(whole, []byte("bytes: 11"), []byte("bytes: 12"), 1),
		"no driver":     bytes.Replace(whole, []byte("driver"), []byte("tester"), 1),
	} {
		if _, err := DecodeGolden(file); !errors.Is(err, ErrGolden) {
			t.Errorf("%s: %v, want ErrGolden", name, err)
		}
	}
}

func TestSuits(t *testing.T) {
	for _, c := range []struct {
		target     string
		capability int
		want       bool
	}{{"sm_80", 80, true}, {"sm_80", 90, true}, {"sm_90", 80, false}, {"sm_90a", 90, true}, {"sm_90a", 100, false}, {"sm_90a", 80, false}, {"compute", 90, false}} {
		if got := Suits(c.target, c.capability); got != c.want {
			t.Errorf("%s on sm_%d: %v", c.target, c.capability, got)
		}
	}
}
