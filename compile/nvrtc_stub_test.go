//go:build !nvrtc

package compile

import (
	"errors"
	"strings"
	"testing"
)

func TestWithoutNVRTC(t *testing.T) {
	_, err := Compile(t.Context(), sourcesOf("x"), Options{CacheDir: t.TempDir()})
	if !errors.Is(err, ErrNoNVRTC) || !strings.Contains(err.Error(), "make") {
		t.Errorf("Compile: %v, want ErrNoNVRTC and how to get it", err)
	}
	if _, _, err := Version(); !errors.Is(err, ErrNoNVRTC) {
		t.Errorf("Version: %v, want ErrNoNVRTC", err)
	}
}
