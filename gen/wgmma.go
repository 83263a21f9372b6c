package gen

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sigattn/sigattn"
)

// wgmmaTemplate is the file whose place a Plan's wgmma wrappers take: C++ cannot write an asm whose operands are as many
// as a constant says.
const wgmmaTemplate = "ptx/wgmma_products.cuh"

// wgmmaWidths are the columns of the products that p's kernel makes: those of S, and those of O; in the fused backward passes of S
// and dP, of dK and dV, and a consumer's share of dQ's; in that of dQ alone of S and dP, and of dQ.
func wgmmaWidths(p Plan) []int {
	widths := []int{p.N, p.HeadDim}
	switch {
	case isWide(p.Spec):
		widths = []int{p.M, p.HeadDim}
	case isFused(p.Spec):
		widths = []int{p.M, p.HeadDim, dqColumns(p)}
	}
	slices.Sort(widths)
	return slices.Compact(widths)
}

// wgmmaProducts are the wrappers of p's products, in place of ptx/wgmma_products.cuh.
func wgmmaProducts(p Plan) string {
	element := "bf16"
	if p.DType == sigattn.FP16 {
		element = "f16"
	}
	var b strings.Builder
	for i, width := range wgmmaWidths(p) {
		if i > 0 {
			b.WriteString("\n")
		}
		w := wgmma{element, width}
		w.shared(&b)
		w.rows(&b)
		if isFused(p.Spec) && width == dqColumns(p) {
			w.transposed(&b)
		}
		if ownsKeys(p.Spec) && width == p.M {
			w.resident(&b)
		}
		w.pin(&b)
	}
	return b.String()
}

// wgmma writes the wrappers of products 64 x columns, with 16 columns of a and rows of b each.
type wgmma struct {
	element string // of a and b
	columns int
}

// registers is how many of a product's elements a thread holds.
func (w wgmma) registers() int { return w.columns / 2 }

func (w wgmma) shared(b *strings.Builder) {
	n := w.registers()
	fmt.Fprintf(b, "// d (64 x %d) = a b, added to d where `accumulate`: a and b K-major in shared memory.\n", w.columns)
	fmt.Fprintf(b, "__device__ __forceinline__ void wgmma(float (&d)[%d], Descriptor a, Descriptor b, int accumulate) {\n", n)
	w.instruction(b, n+2, fmt.Sprintf("%%%d, %%%d, p, 1, 1, 0, 0", n, n+1))
	b.WriteString("        : \"l\"(a), \"l\"(b), \"r\"(accumulate));\n}\n\n")
}

func (w wgmma) rows(b *strings.Builder) {
	n := w.registers()
	b.WriteString("// The same with a in registers and b MN-major: its rows are the product's k.\n")
	fmt.Fprintf(b, "__device__ __forceinline__ void wgmma_rows(float (&d)[%d], const Register (&a)[4], Descriptor b, int accumulate) {\n", n)
	w.instruction(b, n+5, fmt.Sprintf("{%%%d, %%%d, %%%d, %%%d}, %%%d, p, 1, 1, 1", n, n+1, n+2, n+3, n+4))
	b.WriteString("        : \"r\"(a[0]), \"r\"(a[1]), \"r\"(a[2]), \"r\"(a[3]), \"l\"(b), \"r\"(accumulate));\n}\n\n")
}

func (w wgmma) transposed(b *strings.Builder) {
	n := w.registers()
	b.WriteString("// The same with a and b MN-major in shared memory: their rows are the product's k.\n")
	fmt.Fprintf(b, "__device__ __forceinline__ void wgmma_transposed(float (&d)[%d], Descriptor a, Descriptor b, int accumulate) {\n", n)
	w.instruction(b, n+2, fmt.Sprintf("%%%d, %%%d, p, 1, 1, 1, 1", n, n+1))
	b.WriteString("        : \"l\"(a), \"l\"(b), \"r\"(accumulate));\n}\n\n")
}

func (w wgmma) resident(b *strings.Builder) {
	n := w.registers()
	b.WriteString("// The same with a in registers and b K-major.\n")
	fmt.Fprintf(b, "__device__ __forceinline__ void wgmma_resident(float (&d)[%d], const Register (&a)[4], Descriptor b, int accumulate) {\n", n)
	w.instruction(b, n+5, fmt.Sprintf("{%%%d, %%%d, %%%d, %%%d}, %%%d, p, 1, 1, 0", n, n+1, n+2, n+3, n+4))
	b.WriteString("        : \"r\"(a[0]), \"r\"(a[1]), \"r\"(a[2]), \"r\"(a[3]), \"l\"(b), \"r\"(accumulate));\n}\n\n")
}

func (w wgmma) pin(b *strings.Builder) {
	b.WriteString("// No use of d moves across.\n")
	fmt.Fprintf(b, "__device__ __forceinline__ void pin(float (&d)[%d]) {\n", w.registers())
	b.WriteString("    asm volatile(\n        \"\"\n")
	w.outputs(b)
	b.WriteString("        : : \"memory\");\n}\n")
}

// instruction writes the asm up to its outputs; accumulate is that operand's number, rest are those behind d.
func (w wgmma) instruction(b *strings.Builder, accumulate int, rest string) {
	fmt.Fprintf(b, "    asm volatile(\n        \"{\\n.reg .pred p;\\n\"\n        \"setp.ne.b32 p, %%%d, 0;\\n\"\n", accumulate)
	fmt.Fprintf(b, "        \"wgmma.mma_async.sync.aligned.m64n%dk16.f32.%[2]s.%[2]s {\"\n", w.columns, w.element)
	w.operands(b, 16, func(from, to int) string {
		line := list(from, to, "%%%d")
		if to < w.registers() {
			line += ", "
		}
		return `"` + line + `"`
	})
	fmt.Fprintf(b, "        \"}, %s;\\n}\\n\"\n", rest)
	w.outputs(b)
}

func (w wgmma) outputs(b *strings.Builder) {
	w.operands(b, 8, func(from, to int) string {
		line := list(from, to, `"+f"(d[%d])`)
		if from == 0 {
			line = ": " + line
		} else {
			line = "  " + line
		}
		if to < w.registers() {
			line += ","
		}
		return line
	})
}

// operands writes a line for each so many registers of d.
func (w wgmma) operands(b *strings.Builder, perLine int, line func(from, to int) string) {
	for from := 0; from < w.registers(); from += perLine {
		b.WriteString("        " + line(from, min(from+perLine, w.registers())) + "\n")
	}
}

// list is form of from … to−1.
func list(from, to int, form string) string {
	var parts []string
	for i := from; i < to; i++ {
		parts = append(parts, fmt.Sprintf(form, i))
	}
	return strings.Join(parts, ", ")
}
