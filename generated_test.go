package sigattn_test

import (
	"testing"

	"github.com/sigattn/sigattn"
	"github.com/sigattn/sigattn/generated"
)

// The runtime reads what the generator packs: every checked-in image is whole and is what its manifest says.
func TestGeneratedArchives(t *testing.T) {
	if len(generated.Packages()) == 0 {
		t.Fatal("there are no packages")
	}
	for _, p := range generated.Packages() {
		n, err := sigattn.ReadImages(p)
		if err != nil {
			t.Error(err)
		}
		if n < len(p.Kernels) {
			t.Errorf("%s: %d images of %d kernels", p.Name, n, len(p.Kernels))
		}
	}
}
