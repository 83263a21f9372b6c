package sigattn

import (
	"encoding"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// Every value's name reads back as the value.
func TestNames(t *testing.T) {
	checkNames(t, ParseArch, "sm_80", "sm_86", "sm_89", "sm_90")
	checkNames(t, ParseDType, "bf16", "fp16")
	checkNames(t, ParseMask, "full", "causal")
	checkNames(t, ParseSigmoid, "accurate", "tanh")
	checkNames(t, ParsePass, "fwd", "bwd", "bwddkv", "bwddq", "bwdfin")
}

func checkNames[T interface {
	comparable
	fmt.Stringer
	encoding.TextMarshaler
}](t *testing.T, parse func(string) (T, error), names ...string) {
	t.Helper()
	seen := map[T]bool{}
	for _, name := range names {
		v, err := parse(name)
		text, _ := v.MarshalText()
		if err != nil || v.String() != name || string(text) != name || seen[v] {
			t.Errorf("%s: %v, %v", name, v, err)
		}
		seen[v] = true
	}
	for _, bad := range []string{"", "x", strings.ToUpper(names[0]), names[0] + " "} {
		_, err := parse(bad)
		var e *NameError
		if !errors.As(err, &e) || !errors.Is(err, ErrName) || e.Got != bad {
			t.Fatalf("%q: %v, want a *NameError", bad, err)
		}
		for _, name := range names {
			if !strings.Contains(err.Error(), name) {
				t.Errorf("%q does not say %s", err, name)
			}
		}
	}
}

func TestNamesOfStrayValues(t *testing.T) {
	if got := Arch(121).String(); got != "sm_121" {
		t.Errorf("arch %s", got)
	}
	if got := DType(9).String(); got != "sigattn.DType(9)" {
		t.Errorf("dtype %s", got)
	}
}
