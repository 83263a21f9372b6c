package emulator

import (
	"strconv"
	"strings"

	"github.com/sigattn/sigattn/internal/emulator/ptx"
)

func init() {
	for _, f := range ptx.Forms() {
		if strings.HasPrefix(f.Name, "wgmma.mma_async") {
			defineMasked(buildProduct, f.Name)
		}
	}
	defineMasked(func(*compiler, *ptx.Instruction) func(*warp) { return (*warp).fenceProducts }, "wgmma.fence.sync.aligned")
	defineMasked(func(*compiler, *ptx.Instruction) func(*warp) { return (*warp).commitProducts }, "wgmma.commit_group.sync.aligned")
	defineMasked(func(_ *compiler, in *ptx.Instruction) func(*warp) {
		pending := int(min(in.Operands[0].Immediate, 1<<20))
		return func(w *warp) { w.waitProducts(pending) }
	}, "wgmma.wait_group.sync.aligned")
	defineControl(waits, "wgmma.wait_group.sync.aligned")
}

// fenceProducts is wgmma.fence.
func (w *warp) fenceProducts() {
	if w.joins() {
		w.matrix.fences++
	}
}

var elementTypes = map[string]elementType{
	"bf16": {2, fromBF16}, "f16": {2, fromFP16}, "e4m3": {1, fromE4M3}, "e5m2": {1, fromE5M2},
}

// buildProduct makes wgmma.mma_async. Its name is wgmma.mma_async.sync.aligned.mMnNkK.d.a.b; behind the operands d, a, b and
// scale-d come immediates that negate A and B, and for 16-bit operands in shared memory whether they are transposed.
func buildProduct(c *compiler, in *ptx.Instruction) func(*warp) {
	words := strings.Split(in.Form.Name, ".")
	_, shape, _ := strings.Cut(words[4], "n")
	columns, _, _ := strings.Cut(shape, "k")
	f := &productForm{elements: elementTypes[words[6]], elementsB: elementTypes[words[7]], half: words[5] == "f16"}
	f.n, _ = strconv.Atoi(columns)
	f.d, _ = c.elements(0)
	inRegisters := in.Operands[1].Kind == ptx.VectorOperand
	if inRegisters {
		for i := range in.Operands[1].Vector {
			f.a = append(f.a, c.place(&in.Operands[1].Vector[i], ptx.W32))
		}
	}
	transposes := 0
	if f.elements.bytes == 2 {
		transposes = 2
		if inRegisters {
			transposes = 1
		}
	}
	immediates := in.Operands[4:]
	if n := len(immediates); n != 2+transposes {
		c.fail("%s takes %d immediates behind scale-d, not %d", in.Form.Name, 2+transposes, n)
		return nil
	}
	for i, x := range immediates {
		switch value := int64(x.Immediate); {
		case i < 2 && (value == 1 || value == -1):
			f.negate = f.negate != (value < 0)
		case i >= 2 && (value == 0 || value == 1):
			if i == 2 && !inRegisters {
				f.majorA = value == 1
			} else {
				f.majorB = value == 1
			}
		default:
			c.fail("%s: %d among its immediates", in.Form.Name, value)
			return nil
		}
	}
	scale, b := c.predicate(3), c.slot(2)
	a := int32(-1)
	if !inRegisters {
		a = c.slot(1)
	}
	return func(w *warp) {
		var descriptor uint64
		if a >= 0 {
			descriptor = w.d[a][0]
			if !w.uniform(&w.d[a], "descriptors of A") {
				return
			}
		}
		p := scale.of(w)
		if !w.uniform(&w.d[b], "descriptors of B") {
			return
		}
		if p != 0 && p != allLanes {
			w.report(Report{Kind: Divergent, Detail: "scale-d differs between lanes"}, w.active)
			w.stop()
			return
		}
		w.multiply(f, descriptor, w.d[b][0], p != 0)
	}
}

// uniform checks that all lanes hold the same value.
func (w *warp) uniform(x *vec64, what string) bool {
	for lane := range x {
		if x[lane] != x[0] && w.active>>lane&1 != 0 {
			w.report(Report{Kind: Divergent, Detail: what + " differ between lanes"}, w.active)
			w.stop()
			return false
		}
	}
	return true
}
