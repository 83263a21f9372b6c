//go:build nvrtc

package compile

import (
	"testing"

	"github.com/sigattn/sigattn"
	"github.com/sigattn/sigattn/gen"
)

// compileMatrix compiles what a request asks of one architecture for another, and demands that nothing spills.
func compileMatrix(t *testing.T, request gen.Request, from, to sigattn.Arch) {
	t.Helper()
	if testing.Short() {
		t.Skip("compiles dozens of kernels")
	}
	plans, _ := request.Plans()
	var sources []Source
	for _, p := range plans {
		if p.Arch != from {
			continue
		}
		text, err := gen.Render(p)
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, Source{Name: p.Name(), Text: text, Arch: to})
	}
	if len(sources) == 0 {
		t.Fatalf("the request has no kernel for %v", from)
	}
	if _, err := Compile(t.Context(), sources, Options{CacheDir: t.TempDir()}); err != nil {
		t.Error(err)
	}
}

// TestImagesForLaterDevicesDoNotSpill compiles for 9.0 what the driver compiles there from PTX: the assembler gives out
// registers otherwise than for 8.0.
func TestImagesForLaterDevicesDoNotSpill(t *testing.T) {
	compileMatrix(t, gen.DefaultRequest(), sigattn.SM80, sigattn.SM90)
}

// TestTanhDoesNotSpill compiles the sigmoid mode that no checked-in package has.
func TestTanhDoesNotSpill(t *testing.T) {
	request := gen.DefaultRequest()
	request.Sigmoids = []sigattn.Sigmoid{sigattn.Tanh}
	compileMatrix(t, request, sigattn.SM80, sigattn.SM80)
	compileMatrix(t, request, sigattn.SM90, sigattn.SM90)
}
