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
	Stages int // tiles in flight in the cp.async ring
	Warps  int // per block
	Blocks int // resident blocks per SM that registers must allow

	Pipeline
}

// String is the tile as names and flags write it: "128x64x2w4", or "128x64x2w4b2" where registers must allow more than
// one block per SM, and with a Pipeline behind it where that is given. What is 0 stays away.
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
	return text + t.Pipeline.String()
}

var tilePattern = regexp.MustCompile(`^([1-9]\d{0,3})x([1-9]\d{0,3})(?:x([1-9]\d?))?(?:w([1-9]\d?)(?:b([1-9]\d?))?)?(?:g([1-9]\d?)q(0|[1-9]\d?)(p)?)?$`)

// ParseTile reads String's form. What stays away is 0, but where the warps are named blocks default to 1. The error is a *ValueError.
func ParseTile(text string) (Tile, error) {
	match := tilePattern.FindStringSubmatch(text)
	if match == nil {
		return Tile{}, &ValueError{What: "tile", Value: text, Legal: "MxN[xSTAGES][wWARPS[bBLOCKS]][gGROUPqRESIDENT[p]], such as 128x64 or 128x64x3w4b2"}
	}
	var n [7]int
	for i := range n {
		n[i], _ = strconv.Atoi(match[i+1]) // the pattern leaves digits or nothing, which is 0
	}
	t := Tile{n[0], n[1], n[2], n[3], n[4], Pipeline{n[5], n[6], match[8] != ""}}
	if t.Warps != 0 && t.Blocks == 0 {
		t.Blocks = 1
	}
	return t, t.validate(true)
}

// validate is a *ValueError where t breaks the bounds that every kernel shares; partial allows what a Request leaves
// open, and only Group may always be.
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
		{"stages", t.Stages, 1, 8, true, "1 to 8"},
		{"warps", t.Warps, 1, 32, true, "1 to 32"},
		{"blocks per SM", t.Blocks, 1, 32, true, "1 to 32"},
		{"group", t.Group, leastGroup, 2 * leastGroup, true, "16, 32"},
	} {
		if f.value == 0 && f.optional && (partial || f.what == "group") {
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
