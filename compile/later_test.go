//go:build nvrtc

package compile

import (
	"testing"

	"github.com/sigattn/sigattn"
	"github.com/sigattn/sigattn/gen"
)

// TestImagesForLaterDevicesDoNotSpill compiles for 9.0 what the driver compiles there from PTX: the assembler gives out
// registers otherwise than for 8.0.
func TestImagesForLaterDevicesDoNotSpill(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the default matrix")
	}
	plans, _ := gen.DefaultRequest().Plans()
	var sources []Source
	for _, p := range plans {
		if p.Arch != sigattn.SM80 {
			continue
		}
		text, err := gen.Render(p)
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, Source{Name: p.Name(), Text: text, Arch: sigattn.SM90})
	}
	if len(sources) == 0 {
		t.Fatal("the default matrix has no sm_80 kernel")
	}
	if _, err := Compile(t.Context(), sources, Options{CacheDir: t.TempDir()}); err != nil {
		t.Error(err)
	}
}
