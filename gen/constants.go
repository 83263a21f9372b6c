package gen

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/sigattn/sigattn"
)

// planTemplate is the file whose place the Plan's constants take.
const planTemplate = "common/plan.cuh"

// constant is one of a Plan's named values.
type constant struct {
	name    string
	value   int
	meaning string
}

// constants is the block of a Plan's named constants, in place of common/plan.cuh.
func constants(p Plan) string {
	list := []constant{
		{"HEAD_DIM", p.HeadDim, "the largest head dim that the kernel serves"},
		{"TILE_M", p.M, "query rows of a tile"},
		{"TILE_N", p.N, "keys of a tile"},
		{"STAGES", p.Stages, "tiles in flight"},
		{"WARPS", p.Warps, "per block"},
		{"THREADS", p.Threads, "per block"},
		{"BLOCKS_PER_SM", p.Blocks, "that registers must allow"},
		{"SHARED_BYTES", p.SharedBytes, "dynamic shared memory per block"},
	}
	switch {
	case isHopper(p.Spec) && isForward(p.Spec):
		list = append(list, constant{"Q_TILES", p.QTiles, "places for Q"})
	case isForward(p.Spec):
		list = append(list,
			constant{"GROUP", p.Group, "keys that the pipeline's steps take at a time"},
			constant{"Q_RESIDENT_STEPS", p.Resident, fmt.Sprintf("of %d, those whose Q fragments stay in registers", p.HeadDim/16)})
	}
	var b strings.Builder
	fmt.Fprintf(&b, "#define KERNEL_NAME %s\n", p.Name())
	for _, c := range list {
		fmt.Fprintf(&b, "constexpr int %-16s = %-7s // %s\n", c.name, strconv.Itoa(c.value)+";", c.meaning)
	}
	switch {
	case isForward(p.Spec) && isHopper(p.Spec):
		writeBool(&b, "SPLIT", p.Pass == sigattn.ForwardSplit, "the blocks of a cluster share a tile's keys")
	case isForward(p.Spec):
		writeBool(&b, "PACED", p.Paced, "sigmoids are held in step with the products")
	}
	switch {
	case isFused(p.Spec):
		writeBool(&b, "ORDERED", p.Pass == sigattn.BackwardOrdered, "dQ is added key tile behind key tile")
	case ownsKeys(p.Spec) && !isHopper(p.Spec):
		writeBool(&b, "ACCUMULATE_DQ", p.Pass == sigattn.BackwardFused, "dQ too, added into a float32 workspace")
	}
	return b.String()
}

func writeBool(b *strings.Builder, name string, value bool, meaning string) {
	fmt.Fprintf(b, "constexpr bool %-15s = %-7s // %s\n", name, strconv.FormatBool(value)+";", meaning)
}
