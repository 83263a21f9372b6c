package corpus

import (
	"fmt"
	"strings"

	"github.com/sigattn/sigattn/internal/driver"
)

// blockThreads is the size of a block where a program does not need another.
const blockThreads = 64

// builder collects a program. Its entry has %d0 with the address of the outputs and %d1, %d2, … with those of the inputs,
// %r0 with the thread's number in the grid and %r1 in its block. Registers from number 8 on are the body's: predicates
// %p, and %h, %r and %d of 16, 32 and 64 bits.
type builder struct {
	program Program
	offset  int // of the next output
	waits   int // loops so far

	module     strings.Builder // declarations before the entry
	directives string          // behind the entry's parameters, such as .reqnctapercluster 2
	body       strings.Builder
}

func newBuilder(name string) *builder {
	return &builder{program: Program{Name: name, Target: "sm_80", Blocks: 1, Threads: blockThreads}}
}

// input adds a buffer and returns the register with its address.
func (b *builder) input(bytes []byte) string {
	b.program.Inputs = append(b.program.Inputs, bytes)
	return fmt.Sprintf("%%d%d", len(b.program.Inputs))
}

// output adds a part of the output buffer and returns its offset, a multiple of the element's size and of 16.
func (b *builder) output(o Output) int {
	if pad := -b.offset & 15; pad > 0 { // what lies between outputs stays poison
		b.program.Outputs = append(b.program.Outputs, Output{Name: "gap", Size: 1, Count: pad, Want: constant(poison)})
		b.offset += pad
	}
	at := b.offset
	b.program.Outputs = append(b.program.Outputs, o)
	b.offset += o.bytes()
	return at
}

// hopper is the target whose forms only devices of 9.0 have.
const hopper = "sm_90a"

// onHopper is a builder for them, for blocks of so many threads.
func onHopper(name string, threads int) *builder {
	b := newBuilder(name)
	b.program.Target, b.program.Threads = hopper, threads
	b.perThread()
	return b
}

// tensor adds a tensor map and returns the register with its generic address.
func (b *builder) tensor(t Tensor) string {
	n := len(b.program.Tensors)
	b.program.Tensors = append(b.program.Tensors, t)
	d := fmt.Sprintf("%%d%d", 240+n)
	b.line("mov.b64 %s, params;", d)
	b.line("cvta.param.u64 %[1]s, %[1]s;", d)
	b.line("add.s64 %[1]s, %[1]s, %d;", d, mapsOffset+n*mapBytes)
	return d
}

func constant(x uint64) func(int) uint64 { return func(int) uint64 { return x } }

// line adds an instruction or label to the body.
func (b *builder) line(format string, args ...any) {
	fmt.Fprintf(&b.body, "\t"+format+"\n", args...)
}

// lines adds several, written as a text.
func (b *builder) lines(text string) {
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		b.line("%s", strings.TrimSpace(line))
	}
}

// declare adds a declaration of module scope.
func (b *builder) declare(line string) { b.module.WriteString(line + "\n") }

// address makes register d the address base + thread·stride.
func (b *builder) address(d, base, thread string, stride int) {
	b.line("mul.wide.u32 %s, %s, %d;", d, thread, stride)
	b.line("add.s64 %s, %s, %s;", d, d, base)
}

const registerCount = 256

// finish completes the program.
func (b *builder) finish() *Program {
	var t strings.Builder
	p := &b.program
	version := "8.0"
	if p.Target == hopper {
		version = "8.1"
	}
	fmt.Fprintf(&t, ".version %s\n.target %s\n.address_size 64\n%s", version, p.Target, b.module.String())
	size := len(p.params(0, make([]uint64, len(p.Inputs)), make([]driver.TensorMap, len(p.Tensors))))
	align := 16
	if len(p.Tensors) > 0 {
		align = 64
	}
	fmt.Fprintf(&t, ".visible .entry corpus(.param .align %d .b8 params[%d])%s\n{\n", align, size, b.directives)
	fmt.Fprintf(&t, "\t.reg .pred %%p<%[1]d>;\n\t.reg .b16 %%h<%[1]d>;\n\t.reg .b32 %%r<%[1]d>;\n\t.reg .b64 %%d<%[1]d>;\n", registerCount)
	for i := range len(p.Inputs) + 1 {
		fmt.Fprintf(&t, "\tld.param.u64 %%d%d, [params+%d];\n\tcvta.to.global.u64 %%d%d, %%d%d;\n", i, 8*i, i, i)
	}
	t.WriteString("\tmov.u32 %r1, %tid.x;\n\tmov.u32 %r2, %ctaid.x;\n\tmov.u32 %r3, %ntid.x;\n\tmad.lo.s32 %r0, %r2, %r3, %r1;\n")
	t.WriteString(b.body.String())
	t.WriteString("\tret;\n}\n")
	p.Text = t.String()
	return p
}
