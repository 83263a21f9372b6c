package gen

import (
	"errors"
	"slices"
	"testing"

	"github.com/sigattn/sigattn"
)

func TestParseTile(t *testing.T) {
	for text, want := range map[string]Tile{
		"128x64":             ampere(128, 64, 0, 0, 0, none),
		"128x64x2":           ampere(128, 64, 2, 0, 0, none),
		"128x64w8":           ampere(128, 64, 0, 8, 1, none),
		"128x64x3w4":         ampere(128, 64, 3, 4, 1, none),
		"128x64x3w4b2":       ampere(128, 64, 3, 4, 2, none),
		"16x512x8w32b32":     ampere(16, 512, 8, 32, 32, none),
		"128x64g32q0":        ampere(128, 64, 0, 0, 0, Pipeline{32, 0, false}),
		"128x128t2":          {M: 128, N: 128, Hopper: Hopper{2}},
		"192x128x16w16t1":    warpgroups(192, 128, 16, 1),
		"128x64x3w4b2g16q16": ampere(128, 64, 3, 4, 2, Pipeline{16, 16, false}),
	} {
		if got, err := ParseTile(text); err != nil || got != want {
			t.Errorf("ParseTile(%q) = %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "128", "128x", "x64", "128X64", "128x64 ", "0x64", "128x0", "-128x64", "+128x64", "100x64", "528x64", "128x64x17",
		"128x64x3w33", "128x64x3w4b33", "128x64b2w4", "128x64b2", "128x64x3w", "128x64g16", "128x64q4", "128x64g8q4", "128x64g16q04", "128x64t", "128x64t0", "128x64t3", "128x64g16q4t1", "128x64t1g16q4", "99999999999999999999x64"} {
		if got, err := ParseTile(text); !errors.Is(err, ErrValue) {
			t.Errorf("ParseTile(%q) = %+v, %v; want an illegal value", text, got, err)
		}
	}
}

func FuzzParseTile(f *testing.F) {
	f.Add("128x64x3w4b2")
	f.Add("128x64")
	f.Add("128x128x2w12t2")
	f.Fuzz(func(t *testing.T, text string) {
		tile, err := ParseTile(text)
		if err != nil {
			return
		}
		if again, err := ParseTile(tile.String()); err != nil || again != tile {
			t.Fatalf("%q is %+v, whose text %q is %+v, %v", text, tile, tile, again, err)
		}
	})
}

func TestParseHeadDim(t *testing.T) {
	for text, want := range map[string]int{"8": 8, "80": 80, "256": 256} {
		if got, err := ParseHeadDim(text); err != nil || got != want {
			t.Errorf("ParseHeadDim(%q) = %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "0", "-8", "7", "100", "264", "1e2", "064", "+64", " 64", "0x40", "9223372036854775808"} {
		if got, err := ParseHeadDim(text); !errors.Is(err, ErrValue) {
			t.Errorf("ParseHeadDim(%q) = %d, %v; want an illegal value", text, got, err)
		}
	}
}

func TestKernelHeadDim(t *testing.T) {
	for d := -8; d <= 300; d++ {
		k, err := KernelHeadDim(d)
		if legal := d > 0 && d%8 == 0 && d <= 256; legal != (err == nil) {
			t.Fatalf("KernelHeadDim(%d) = %d, %v", d, k, err)
		}
		if err == nil && (k < d || !slices.Contains(kernelHeadDims, k) || slices.ContainsFunc(kernelHeadDims, func(o int) bool { return d <= o && o < k })) {
			t.Fatalf("KernelHeadDim(%d) = %d, which is not the next", d, k)
		}
	}
}

func TestParseList(t *testing.T) {
	got, err := ParseList("full, causal,full", sigattn.ParseMask)
	if want := []sigattn.Mask{sigattn.Full, sigattn.Causal}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	for _, text := range []string{"", "full,", ",", "full,window"} {
		if got, err := ParseList(text, sigattn.ParseMask); !errors.Is(err, sigattn.ErrName) {
			t.Errorf("ParseList(%q) = %v, %v; want an unknown name", text, got, err)
		}
	}
}
