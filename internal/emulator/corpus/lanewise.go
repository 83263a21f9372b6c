package corpus

import (
	"fmt"
	"math"
	"strings"

	"github.com/sigattn/sigattn/internal/emulator/ptx"
)

// lanewise is a program whose instructions act on each thread alone: every case is executed on all rows of the operands.
type lanewise struct {
	name     string
	target   string // sm_80 where empty
	operands columns
	cases    []laneCase
}

// laneCase is some forms that compute the same function.
type laneCase struct {
	forms string // with {a,b} for alternatives
	tail  string // operands behind the registers
	rule  Rule
	want  func(x args) uint64 // cut to the destination's width; nil where only the chip knows
	near  func(x args) Near
}

// args are the operands of one thread, cut to their widths.
type args []uint64

func (x args) s16(i int) int16   { return int16(x[i]) }
func (x args) s32(i int) int32   { return int32(x[i]) }
func (x args) u32(i int) uint32  { return uint32(x[i]) }
func (x args) s64(i int) int64   { return int64(x[i]) }
func (x args) f32(i int) float32 { return math.Float32frombits(uint32(x[i])) }

// truth is a predicate as programs store it.
func truth(holds bool) uint64 {
	if holds {
		return 1
	}
	return 0
}

// expand replaces each {a,b} of a name by its words.
func expand(name string) []string {
	head, rest, ok := strings.Cut(name, "{")
	if !ok {
		return []string{name}
	}
	words, rest, _ := strings.Cut(rest, "}")
	var all []string
	for word := range strings.SplitSeq(words, ",") {
		for _, end := range expand(rest) {
			all = append(all, head+word+end)
		}
	}
	return all
}

// formNamed finds a form in the emulator's table.
func formNamed(name string) *ptx.Form {
	for _, f := range ptx.Forms() {
		if f.Name == name {
			return f
		}
	}
	panic("the corpus has a program for " + name + ", which is no form")
}

// file is the letter of the registers of a width.
func file(w ptx.Width) string {
	return map[ptx.Width]string{ptx.W1: "p", ptx.W16: "h", ptx.W32: "r", ptx.W64: "d"}[w]
}

// program makes the kernel: operand i of width w lies in register number 8+i of its file, and results in number 20.
func (l lanewise) program() *Program {
	b := newBuilder(l.name)
	if l.target != "" {
		b.program.Target = l.target
	}
	rows := len(l.operands[0])
	b.program.Blocks = rows / blockThreads
	for i, column := range l.operands {
		b.input(words64(column))
		b.address(fmt.Sprintf("%%d%d", 30+i), fmt.Sprintf("%%d%d", 1+i), "%r0", 8)
	}
	for i, size := range []int{2, 4, 8} {
		b.address(fmt.Sprintf("%%d%d", 40+i), "%d0", "%r0", size)
	}
	loaded := make(map[string]bool)
	for _, c := range l.cases {
		for _, name := range expand(c.forms) {
			l.add(b, formNamed(name), c, loaded)
		}
	}
	return b.finish()
}

// add executes one form.
func (l lanewise) add(b *builder, f *ptx.Form, c laneCase, loaded map[string]bool) {
	var sources []ptx.Width
	names := []string{"%" + file(f.Operands[0].Width) + "20"}
	for i, o := range f.Operands[1:] {
		if o.Class != ptx.ValueClass {
			break // the tail's
		}
		name := fmt.Sprintf("%%%s%d", file(o.Width), 8+i)
		if !loaded[name] {
			loaded[name] = true
			load(b, name, o.Width, fmt.Sprintf("%%d%d", 30+i))
		}
		names = append(names, name)
		sources = append(sources, o.Width)
	}
	b.line("%s %s%s;", f.Name, strings.Join(names, ", "), c.tail)
	b.store(f.Operands[0].Width, names[0], l.output(f, c, sources))
}

// load reads an operand from the low bytes of its row.
func load(b *builder, name string, w ptx.Width, address string) {
	switch w {
	case ptx.W1:
		b.line("ld.global.b32 %%r28, [%s];", address)
		b.line("and.b32 %%r28, %%r28, 1;")
		b.line("setp.ne.b32 %s, %%r28, 0;", name)
	case ptx.W16:
		b.line("ld.global.u16 %s, [%s];", name, address)
	case ptx.W32:
		b.line("ld.global.b32 %s, [%s];", name, address)
	default:
		b.line("ld.global.b64 %s, [%s];", name, address)
	}
}

// store writes a result to an output, which has an element for every thread. Addresses are as program lays them out.
func (b *builder) store(w ptx.Width, name string, o Output) {
	at := b.output(o)
	switch w {
	case ptx.W1:
		b.line("selp.b32 %%r28, 1, 0, %s;", name)
		b.line("st.global.b32 [%%d41+%d], %%r28;", at)
	case ptx.W16:
		b.line("st.global.b16 [%%d40+%d], %s;", at, name)
	case ptx.W32:
		b.line("st.global.b32 [%%d41+%d], %s;", at, name)
	default:
		b.line("st.global.b64 [%%d42+%d], %s;", at, name)
	}
}

// cut is the low bits of x.
func cut(x uint64, w ptx.Width) uint64 { return x & (^uint64(0) >> (64 - w)) }

func (l lanewise) output(f *ptx.Form, c laneCase, sources []ptx.Width) Output {
	width := f.Operands[0].Width
	o := Output{Name: f.Name + c.tail, Size: max(2, int(width)/8), Count: len(l.operands[0]), Rule: c.rule}
	if width == ptx.W1 {
		o.Size = 4
	}
	row := func(j int) args {
		x := make(args, len(sources))
		for i, w := range sources {
			x[i] = cut(l.operands[i][j], w)
		}
		return x
	}
	if c.near != nil {
		o.Near = func(j int) Near { return c.near(row(j)) }
	} else if c.want != nil {
		o.Want = func(j int) uint64 { return cut(c.want(row(j)), width) }
	}
	return o
}
