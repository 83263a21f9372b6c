package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestDoctor(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "cache")
	r := runArgs(t, "doctor", "--json", "--cache", cache)
	var findings []finding
	if err := json.Unmarshal([]byte(r.stdout), &findings); err != nil {
		t.Fatal(err)
	}
	missing := false
	for _, part := range []string{"Go", "NVRTC", "cache", "driver", "device"} {
		i := slices.IndexFunc(findings, func(f finding) bool { return strings.HasPrefix(f.Part, part) })
		if i < 0 {
			t.Errorf("doctor says nothing of %s", part)
			continue
		}
		f := findings[i]
		missing = missing || f.Needed && !f.Found
		if f.What == "" || !f.Found && f.Advice == "" {
			t.Errorf("%+v: want what there is, or advice", f)
		}
	}
	if want := map[bool]int{false: exitFine, true: exitShort}[missing]; r.code != want {
		t.Errorf("status %d, want %d", r.code, want)
	}
	if _, err := os.Stat(cache); err == nil {
		t.Error("doctor made the cache directory")
	}
}

func TestDoctorCache(t *testing.T) {
	dir := t.TempDir()
	if f := findCache(dir); !f.Found || !strings.HasSuffix(f.What, ": 0 entries") {
		t.Errorf("an empty directory: %+v", f)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if f := findCache(file); f.Found || f.Advice == "" {
		t.Errorf("a file: %+v, want advice", f)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("doctor left something behind: %v", entries)
	}
}

func TestImagesOfDevices(t *testing.T) {
	for capability, want := range map[int]string{80: "sm_80 images", 86: "sm_86 images", 89: "sm_86 images", 90: "sm_90 images", 100: "PTX of sm_80", 120: "PTX of sm_80"} {
		if got := imagesOf(capability); !strings.HasPrefix(got, want) {
			t.Errorf("%d: %q, want %q", capability, got, want)
		}
	}
}
