package gen

import (
	"fmt"
	"strconv"

	"github.com/sigattn/sigattn"
)

// checkShape is checkFamily's reason where there is no template for spec, and a *ValueError where it cannot be made with tile. It mirrors
// the templates' static_asserts, so that a tile is refused before NVRTC refuses it. Kernel authors keep them alike.
func checkShape(spec Spec, tile Tile) error {
	if err := checkFamily(spec); err != nil {
		return err
	}
	if isHopper(spec) {
		return checkHopper(spec, tile)
	}
	if tile.Hopper != (Hopper{}) {
		return &ValueError{"Q tiles of " + spec.Arch.String(), tile.Hopper.String(), "none"}
	}
	if tile.Stages > 8 {
		return illegalShape(spec, "stages", tile.Stages, "up to 8")
	}
	if spec.HeadDim%64 == 0 && tile.Warps%2 != 0 { // a step of load_tile takes 4 rows a warp, and whole swizzles of 8
		return illegalShape(spec, "warps", tile.Warps, "even numbers")
	}
	if spec.Pass == sigattn.Forward {
		return checkForward(spec, tile)
	}
	if tile.Pipeline != none {
		return &ValueError{"pipeline of " + spec.Pass.String(), tile.Pipeline.String(), "none"}
	}
	switch spec.Pass {
	case sigattn.BackwardFused, sigattn.BackwardDKV:
		return checkBackward(spec, tile)
	case sigattn.BackwardDQ:
		return checkBackwardDQ(spec, tile)
	}
	return nil
}

func checkForward(spec Spec, tile Tile) error {
	fragments := spec.HeadDim / 16
	switch {
	case tile.Group == 0: // beside others of its Pipeline
		return illegalShape(spec, "group", tile.Group, "16, 32")
	case tile.N%(2*tile.Group) != 0:
		return illegalShape(spec, "tile keys", tile.N, fmt.Sprintf("multiples of %d", 2*tile.Group))
	case tile.Stages < 3:
		return illegalShape(spec, "stages", tile.Stages, "3 to 8")
	case tile.Resident < 0 || tile.Resident > fragments:
		return illegalShape(spec, "resident fragments", tile.Resident, fmt.Sprintf("0 to %d", fragments))
	}
	return checkOwnRows(spec, tile)
}

// checkBackward is for the kernels whose warps own keys. Beyond head dim 64 they own them in pairs.
func checkBackward(spec Spec, tile Tile) error {
	const handovers = 14 // named barriers for all chunks but the last of every pair
	owners := tile.Warps
	if spec.HeadDim > 64 {
		if owners%2 != 0 {
			return illegalShape(spec, "warps", tile.Warps, "even numbers")
		}
		owners /= 2
		if most := 16 * (handovers/owners + 1); tile.M > most {
			return illegalShape(spec, "tile rows", tile.M, fmt.Sprintf("up to %d with %d warps", most, tile.Warps))
		}
	}
	switch {
	case tile.M != 16 && tile.M != 32 && tile.M%64 != 0:
		return illegalShape(spec, "tile rows", tile.M, "16, 32 and multiples of 64")
	case tile.N%(16*owners) != 0:
		return illegalShape(spec, "tile keys", tile.N, fmt.Sprintf("multiples of %d with %d warps", 16*owners, tile.Warps))
	case tile.Stages < 2:
		return illegalShape(spec, "stages", tile.Stages, "2 to 8")
	case !splitsDQ(spec.HeadDim, tile):
		return illegalShape(spec, "tile rows", tile.M, fmt.Sprintf("those of which %d warps can share %d columns in blocks of 16", tile.Warps, spec.HeadDim))
	}
	return nil
}

// splitsDQ reports whether the warps can share dQ of a tile in equal blocks of multiples of 16, as dq_column_warps does.
func splitsDQ(headDim int, tile Tile) bool {
	for columns := 1; columns <= tile.Warps; columns *= 2 {
		if tile.Warps%columns == 0 && headDim%(16*columns) == 0 && tile.M%(16*(tile.Warps/columns)) == 0 {
			return true
		}
	}
	return false
}

func checkBackwardDQ(spec Spec, tile Tile) error {
	if tile.Stages < 2 {
		return illegalShape(spec, "stages", tile.Stages, "2 to 8")
	}
	return checkOwnRows(spec, tile)
}

// checkOwnRows is for the kernels whose warps own query rows: 16 or a multiple each.
func checkOwnRows(spec Spec, tile Tile) error {
	if rows := 16 * tile.Warps; tile.M%rows != 0 {
		return illegalShape(spec, "tile rows", tile.M, fmt.Sprintf("multiples of %d with %d warps", rows, tile.Warps))
	}
	return nil
}

func illegalShape(spec Spec, what string, value int, legal string) error {
	return &ValueError{fmt.Sprintf("%s of %v with head dim %d", what, spec.Pass, spec.HeadDim), strconv.Itoa(value), legal}
}
