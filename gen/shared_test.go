package gen

import (
	"testing"

	"github.com/sigattn/sigattn"
)

// Q leaves its place to the ring only where the chip has no room for both, and only if registers hold all of it.
func TestForwardSharedBytes(t *testing.T) {
	const ring = 2 * 3 * 32 * 256 * elementBytes
	for name, c := range map[string]struct {
		arch     sigattn.Arch
		resident int
		want     int
	}{
		"room for both":     {sigattn.SM80, 16, ring + 128*256*elementBytes},
		"Q leaves":          {sigattn.SM86, 16, ring},
		"Q has to stay":     {sigattn.SM86, 15, ring + 128*256*elementBytes},
		"Q would have left": {sigattn.SM80, 15, ring + 128*256*elementBytes},
	} {
		t.Run(name, func(t *testing.T) {
			spec := Spec{Pass: sigattn.Forward, Arch: c.arch, HeadDim: 256}
			if got := sharedBytes(Plan{Spec: spec, Tile: ampere(128, 32, 3, 8, 1, Pipeline{16, c.resident, false})}); got != c.want {
				t.Errorf("%d bytes, want %d", got, c.want)
			}
		})
	}
}
