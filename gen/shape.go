package gen

import (
	"fmt"
	"strconv"

	"github.com/sigattn/sigattn"
)

// checkShape is a *ValueError where spec's template cannot be made with tile. It mirrors the templates' static_asserts,
// so that a tile is refused before NVRTC refuses it. Kernel authors keep them alike.
func checkShape(spec Spec, tile Tile) error {
	if spec.Pass == sigattn.Forward {
		return checkForward(spec, tile)
	}
	if tile.Pipeline != none {
		return &ValueError{"pipeline of " + spec.Pass.String(), tile.Pipeline.String(), "none"}
	}
	return nil
}

func checkForward(spec Spec, tile Tile) error {
	rows := 16 * tile.Warps // a warp owns 16 query rows or a multiple
	fragments := spec.HeadDim / 16
	switch {
	case tile.Group == 0: // beside others of its Pipeline
		return illegalShape(spec, "group", tile.Group, "16, 32")
	case tile.M%rows != 0:
		return illegalShape(spec, "tile rows", tile.M, fmt.Sprintf("multiples of %d with %d warps", rows, tile.Warps))
	case tile.N%(2*tile.Group) != 0:
		return illegalShape(spec, "tile keys", tile.N, fmt.Sprintf("multiples of %d", 2*tile.Group))
	case tile.Stages < 3:
		return illegalShape(spec, "stages", tile.Stages, "3 to 8")
	case tile.Resident < 0 || tile.Resident > fragments:
		return illegalShape(spec, "resident fragments", tile.Resident, fmt.Sprintf("0 to %d", fragments))
	}
	return nil
}

func illegalShape(spec Spec, what string, value int, legal string) error {
	return &ValueError{fmt.Sprintf("%s of %v with head dim %d", what, spec.Pass, spec.HeadDim), strconv.Itoa(value), legal}
}
