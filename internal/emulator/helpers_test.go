package emulator

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// program is a kernel k(in, out) around a body, with the registers that bodies use. %in and %out hold the parameters,
// %tid the thread.
func program(body string) string {
	return `.version 9.0
.target sm_80
.address_size 64
.extern .shared .align 128 .b8 dynamic[];
.visible .entry k(.param .u64 k_in, .param .u64 k_out)
{
	.reg .pred %p<20>;
	.reg .b16 %h<20>;
	.reg .b32 %r<40>, %tid;
	.reg .f32 %f<40>;
	.reg .b64 %d<20>, %in, %out, %mine;
	.shared .align 16 .b8 fixed[64];
	ld.param.u64 %in, [k_in];
	ld.param.u64 %out, [k_out];
	mov.u32 %tid, %tid.x;
	mul.wide.u32 %mine, %tid, 8;
	add.s64 %mine, %mine, %out;
` + body + `
	ret;
}
`
}

// machine is how a test runs a program on one in and one out buffer.
type machine struct {
	threads, blocks, shared int
	options                 Options
	in                      []byte
	outBytes                int
	untracked               bool // in is left unwritten
}

// run compiles and runs a program and returns the out buffer.
func (m machine) run(t testing.TB, text string) ([]byte, error) {
	t.Helper()
	p, err := Load(text)
	if err != nil {
		t.Fatal(err)
	}
	memory := NewMemory(1 << 24)
	alloc := func(n int) uint64 {
		base, err := memory.Alloc(int64(max(n, 1)), m.options.CheckGlobal)
		if err != nil {
			t.Fatal(err)
		}
		return base
	}
	in, out := alloc(len(m.in)), alloc(m.outBytes)
	if !m.untracked {
		if err := memory.Write(in, m.in); err != nil {
			t.Fatal(err)
		}
	}
	params := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, in), out)
	launch := Launch{Grid: [3]int{max(m.blocks, 1), 1, 1}, Block: [3]int{max(m.threads, 1), 1, 1}, SharedBytes: m.shared, Params: params}
	fault := p.Kernel("k").Run(memory, launch, m.options)
	got := make([]byte, m.outBytes)
	if err := memory.Read(got, out); err != nil {
		t.Fatal(err)
	}
	return got, fault
}

// words runs a program whose thread i writes 8 bytes at out + 8i, and returns them.
func (m machine) words(t testing.TB, text string) []uint64 {
	t.Helper()
	m.outBytes = 8 * m.threads * max(m.blocks, 1)
	got, err := m.run(t, text)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]uint64, len(got)/8)
	for i := range out {
		out[i] = binary.LittleEndian.Uint64(got[8*i:])
	}
	return out
}

// lineOf is the line of a program that holds a marker.
func lineOf(t testing.TB, text, marker string) int {
	t.Helper()
	before, _, ok := strings.Cut(text, marker)
	if !ok {
		t.Fatalf("no %q in the program", marker)
	}
	return strings.Count(before, "\n") + 1
}

// kinds lists what a run's fault reports, such as "race@17".
func kinds(err error) string {
	var f *Fault
	if !errors.As(err, &f) {
		return fmt.Sprint(err)
	}
	var all []string
	for _, r := range f.Reports {
		all = append(all, fmt.Sprintf("%s@%d", r.Kind, r.Line))
	}
	return strings.Join(all, " ")
}
