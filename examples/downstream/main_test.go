package main

import (
	"errors"
	"testing"

	"github.com/sigattn/sigattn"

	"example.com/downstream/attn"
)

// With a GPU the example runs and finds its own result right; without one it says that there is none.
func TestRun(t *testing.T) {
	err := run()
	if errors.Is(err, sigattn.ErrNoDriver) || errors.Is(err, sigattn.ErrUnsupportedArch) {
		t.Skipf("no GPU: %v", err)
	}
	if err != nil {
		t.Error(err)
	}
}

// The folder's own package serves what was generated, and says what that is where it is asked for something else.
func TestSelection(t *testing.T) {
	p, err := attn.Find(attn.Spec{HeadDim: 72, DType: sigattn.BF16, Mask: sigattn.Causal})
	if err != nil || p.Name != "d96bf16causal" {
		t.Errorf("got %v, %v", p, err)
	}
	if _, err := attn.Find(attn.Spec{HeadDim: 128, DType: sigattn.BF16, Mask: sigattn.Causal}); !errors.Is(err, attn.ErrNoPackage) {
		t.Errorf("got %v, want ErrNoPackage", err)
	}
}
