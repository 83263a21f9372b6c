package gen

import (
	"fmt"
	"regexp"
	"strconv"
)

// Tile is the part of a Plan that is free to choose and is chosen by measurement. In a Request the fields after N may
// be 0, which leaves them to the tuned table.
type Tile struct {
	M, N   int // query rows and keys of a block's tile
	Stages int // tiles in flight in the ring in shared memory
	Warps  int // per block
	Blocks int // resident blocks per SM that registers must allow

	Pipeline // of the sm_80 family's forward kernels
	Hopper   // of the sm_90 family
}

// String is the tile as names and flags write it: "128x64x2w4", or "128x64x2w4b2" where registers must allow more than
// one block per SM, and with a Pipeline or a Hopper behind it where that is given. What is 0 stays away.
func (t Tile) String() string {
	text := fmt.Sprintf("%dx%d", t.M, t.N)
	if t.Stages != 0 {
		text += fmt.Sprintf("x%d", t.Stages)
	}
	if t.Warps != 0 {
		text += fmt.Sprintf("w%d", t.Warps)
	}
	if t.Blocks > 1 {
		text += fmt.Sprintf("b%d", t.Blocks)
	}
	return text + t.Pipeline.String() + t.Hopper.String()
}

var tilePattern = regexp.MustCompile(`^([1-9]\d{0,3})x([1-9]\d{0,3})(?:x([1-9]\d?))?(?:w([1-9]\d?)(?:b([1-9]\d?))?)?(?:g([1-9]\d?)q(0|[1-9]\d?)(p)?|t([1-9]))?$`)

// ParseTile reads String's form. What stays away is 0, but where the warps are named blocks default to 1. The error is a *ValueError.
func ParseTile(text string) (Tile, error) {
	match := tilePattern.FindStringSubmatch(text)
	if match == nil {
		return Tile{}, &ValueError{What: "tile", Value: text, Legal: "MxN[xSTAGES][wWARPS[bBLOCKS]][gGROUPqRESIDENT[p]|tQTILES], such as 128x64, 128x64x3w4b2 or 128x128x2w12t2"}
	}
	number := func(i int) int {
		n, _ := strconv.Atoi(match[i]) // the pattern leaves digits or nothing, which is 0
		return n
	}
	t := Tile{
		M: number(1), N: number(2), Stages: number(3), Warps: number(4), Blocks: number(5),
		Pipeline: Pipeline{Group: number(6), Resident: number(7), Paced: match[8] != ""},
		Hopper:   Hopper{QTiles: number(9)},
	}
	if t.Warps != 0 && t.Blocks == 0 {
		t.Blocks = 1
	}
	return t, t.validate(true)
}

// validate is a *ValueError where t breaks the bounds that every kernel shares; partial allows what a Request leaves
// open, and only Group and QTiles may always be.
func (t Tile) validate(partial bool) error {
	for _, f := range []struct {
		what        string
		value       int
		step, most  int
		optional    bool
		description string
	}{
		{"tile rows", t.M, 16, 512, false, "multiples of 16 up to 512"},
		{"tile keys", t.N, 16, 512, false, "multiples of 16 up to 512"},
		{"stages", t.Stages, 1, 16, true, "1 to 16"},
		{"warps", t.Warps, 1, 32, true, "1 to 32"},
		{"blocks per SM", t.Blocks, 1, 32, true, "1 to 32"},
		{"group", t.Group, leastGroup, 2 * leastGroup, true, "16, 32"},
		{"Q tiles", t.QTiles, 1, 2, true, "1, 2"},
	} {
		if f.value == 0 && f.optional && (partial || f.what == "group" || f.what == "Q tiles") {
			continue
		}
		if f.value <= 0 || f.value > f.most || f.value%f.step != 0 {
			return &ValueError{What: f.what, Value: strconv.Itoa(f.value), Legal: f.description}
		}
	}
	return nil
}

// or is t with its open fields taken from other.
func (t Tile) or(other Tile) Tile {
	for _, f := range []struct{ field, other *int }{{&t.Stages, &other.Stages}, {&t.Warps, &other.Warps}, {&t.Blocks, &other.Blocks}} {
		if *f.field == 0 {
			*f.field = *f.other
		}
	}
	return t
}
