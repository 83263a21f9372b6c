package gen

import (
	"fmt"

	"github.com/sigattn/sigattn"
)

// Pipeline is the part of a Tile that only the forward kernel of the sm_80 family has. A Request that leaves Group 0 leaves all of it to the
// tuned table.
type Pipeline struct {
	Group    int  // keys that the pipeline's steps take at a time: 16 or 32
	Resident int  // of the HeadDim/16 fragments of Q, those that stay in registers
	Paced    bool // sigmoids are held in step with the products
}

// leastGroup is the smallest Group: the depth of one mma.
const leastGroup = 16

// String is the pipeline as a tile's text ends: "g16q8", or "g16q8p" where it is paced. The zero Pipeline is "".
func (p Pipeline) String() string {
	if p == none {
		return ""
	}
	text := fmt.Sprintf("g%dq%d", p.Group, p.Resident)
	if p.Paced {
		text += "p"
	}
	return text
}

// withPipeline is t with the Pipeline of spec's tuned tile where t leaves it open and spec has one.
func (t Tile) withPipeline(spec Spec) Tile {
	if spec.Pass != sigattn.Forward || isHopper(spec) || t.Pipeline != none {
		return t
	}
	best, _ := Best(spec)
	t.Pipeline = best.Pipeline
	if t.Group == 0 || t.N%(2*t.Group) != 0 {
		t.Group = leastGroup
	}
	return t
}

// withoutTunedPipeline is t with its Pipeline left open where withPipeline gives it back.
func (t Tile) withoutTunedPipeline(spec Spec) Tile {
	open := t
	open.Pipeline = none
	if open.withPipeline(spec) == t {
		return open
	}
	return t
}
