package driver

import (
	"errors"
	"testing"

	"github.com/sigattn/sigattn/internal/emulator"
	"github.com/sigattn/sigattn/internal/emulator/cuda"
)

// TestEmulatorServesEverything holds the emulated driver to the functions that the package calls.
func TestEmulatorServesEverything(t *testing.T) {
	const notSupported = 801
	d := cuda.New(emulator.Options{})
	for _, name := range symbolNames {
		if code := d.Call(name, nil); code == notSupported {
			t.Errorf("%s is not served", name)
		}
	}
}

// refuser is a stand-in that refuses everything.
type refuser struct{ calls []string }

func (r *refuser) Call(name string, _ []uintptr) int32 {
	r.calls = append(r.calls, name)
	return CodeInvalidValue
}

func TestStandIn(t *testing.T) {
	before := Available()
	r := new(refuser)
	err := WithStandIn(r, func() error { return Free(7) })
	var e *Error
	if !errors.As(err, &e) || e.Op != "cuMemFree" || e.Code != CodeInvalidValue {
		t.Errorf("%v, want the stand-in's refusal", err)
	}
	if r.calls[0] != "cuMemFree_v2" {
		t.Errorf("calls %q", r.calls)
	}
	calls := len(r.calls)
	if after := Available(); after != before || len(r.calls) != calls {
		t.Errorf("calls go to the stand-in afterwards")
	}
}
