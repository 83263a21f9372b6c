package corpus

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/sigattn/sigattn/internal/emulator/ptx"
)

// access is what a load or store moves: count elements, each of some bytes, which loads extend by their sign or by zeros.
type access struct {
	count, bytes int
	signed       bool
}

// accessOf reads it off a form's name, such as ld.global.v2.s32.
func accessOf(name string) access {
	words := strings.Split(name, ".")
	typ := words[len(words)-1]
	a := access{count: 1, signed: typ[0] == 's'}
	a.bytes = map[string]int{"8": 1, "16": 2, "32": 4, "64": 8}[typ[1:]]
	if v := words[len(words)-2]; v == "v2" || v == "v4" {
		a.count = int(v[1] - '0')
	}
	return a
}

// extend widens the first bytes of memory to a register.
func (a access) extend(memory []byte, w ptx.Width) uint64 {
	var b [8]byte
	copy(b[:a.bytes], memory)
	x := binary.LittleEndian.Uint64(b[:])
	if shift := 64 - 8*a.bytes; a.signed {
		x = uint64(int64(x<<shift) >> shift)
	}
	return cut(x, w)
}

// widths are the registers that a form takes: of the width it names, or wider where its type is one that may be.
func widths(o ptx.OperandForm, name string) []ptx.Width {
	all := []ptx.Width{o.Width}
	if !o.Wider || strings.HasSuffix(name, ".f32") {
		return all
	}
	for _, w := range []ptx.Width{ptx.W32, ptx.W64} {
		if w > o.Width {
			all = append(all, w)
		}
	}
	return all
}

// registers lists n registers of a width, in braces where the operand is a vector.
func registers(o ptx.OperandForm, w ptx.Width, first int) (names []string, operand string) {
	for i := range max(1, o.Count) {
		names = append(names, fmt.Sprintf("%%%s%d", file(w), first+i))
	}
	if operand = strings.Join(names, ", "); o.Count > 0 {
		operand = "{" + operand + "}"
	}
	return names, operand
}

// loads executes each form of ld on the memory that address points to with a displacement, into registers of every width
// that it takes. Memory is what each thread sees there.
func (b *builder) loads(forms string, address string, displacement int, memory func(thread int) []byte) {
	for _, name := range expand(forms) {
		f := formNamed(name)
		a := accessOf(name)
		for _, w := range widths(f.Operands[0], name) {
			names, operand := registers(f.Operands[0], w, 20)
			if f.Operands[1].Space != ptx.Param {
				b.line("bar.sync 0;") // lest the assembler make one load of several
			}
			b.line("%s %s, [%s+%d];", name, operand, address, displacement)
			for i, register := range names {
				b.store(w, register, Output{
					Name: fmt.Sprintf("%s to %d bits, part %d", name, w, i), Size: int(w) / 8, Count: b.program.Blocks * b.program.Threads,
					Want: func(thread int) uint64 { return a.extend(memory(thread)[displacement+i*a.bytes:], w) },
				})
			}
		}
	}
}

// stride is how far apart the threads' own parts of memory are.
const stride = 32

// perThread makes the registers that store uses.
func (b *builder) perThread() {
	for i, size := range []int{2, 4, 8} {
		b.address(fmt.Sprintf("%%d%d", 40+i), "%d0", "%r0", size)
	}
}

const (
	scalarLoads = "{u8,s8,b8,u16,s16,b16,b32,u32,s32,f32,b64,u64,s64}"
	vectorLoads = "{v2.b32,v2.u32,v2.f32,v4.b32,v4.u32,v4.f32,v2.b64,v2.u64}"
	allStores   = "{u8,b8,u16,b16,b32,u32,f32,b64,u64,v2.b32,v2.u32,v2.f32,v4.b32,v4.u32,v4.f32,v2.b64,v2.u64}"
)

// accessPrograms are loads and stores of every width.
func accessPrograms() []*Program {
	r := random(8)
	return []*Program{loadGlobal(&r), loadShared(&r), loadParam(&r), storeGlobal(&r), storeShared(&r)}
}

func loadGlobal(r *random) *Program {
	b := newBuilder("load_global")
	memory := r.bytes(blockThreads * stride)
	b.perThread()
	b.address("%d30", b.input(memory), "%r0", stride)
	own := func(thread int) []byte { return memory[thread*stride:] }
	b.loads("ld.global."+scalarLoads, "%d30", 0, own)
	b.loads("ld.global."+scalarLoads, "%d30", 8, own)
	b.loads("ld.global."+vectorLoads, "%d30", 16, own)
	b.loads("ld.global.nc.{b32,u32,f32,v2.b32,v2.u32,v2.f32,v4.b32,v4.u32,v4.f32}", "%d30", 0, own)
	return b.finish()
}

func loadShared(r *random) *Program {
	b := newBuilder("load_shared")
	memory := r.bytes(blockThreads * stride)
	b.declare(fmt.Sprintf(".shared .align 16 .b8 buffer[%d];", len(memory)))
	b.perThread()
	b.address("%d30", b.input(memory), "%r0", stride)
	b.lines(`
		mov.u32 %r40, buffer;
		mad.lo.s32 %r41, %r1, 32, %r40;
		ld.global.v4.b32 {%r50, %r51, %r52, %r53}, [%d30];
		ld.global.v4.b32 {%r54, %r55, %r56, %r57}, [%d30+16];
		st.shared.v4.b32 [%r41], {%r50, %r51, %r52, %r53};
		st.shared.v4.b32 [%r41+16], {%r54, %r55, %r56, %r57};
		bar.sync 0;
		xor.b32 %r42, %r1, 37;
		mad.lo.s32 %r43, %r42, 32, %r40;
		cvt.u64.u32 %d50, %r43;`)
	other := func(thread int) []byte { return memory[(thread^37)*stride:] }
	b.loads("ld.shared."+scalarLoads, "%r43", 0, other)
	b.loads("ld.shared."+scalarLoads, "%r43", 8, other)
	b.loads("ld.shared."+vectorLoads, "%r43", 16, other)
	b.loads("ld.shared.{b32,v4.f32}", "%d50", 0, other) // an address of 64 bits
	b.loads("ld.shared.{b32,u8}", "buffer", 100, func(int) []byte { return memory })
	return b.finish()
}

// loadParam reads what its struct holds behind the outputs' address. One thread reads them: a warp need not be full.
func loadParam(r *random) *Program {
	b := newBuilder("load_param")
	b.program.Threads = 1
	memory := r.bytes(48)
	b.program.Constants = memory[8:]
	b.perThread()
	own := func(int) []byte { return memory }
	b.loads("ld.param."+scalarLoads, "params", 16, own)
	b.loads("ld.param."+scalarLoads, "params", 24, own)
	b.loads("ld.param."+vectorLoads, "params", 32, own)
	return b.finish()
}

// stored is the form with the registers that it stores from.
type stored struct {
	form  *ptx.Form
	width ptx.Width
}

func eachStore(forms string) (all []stored) {
	for _, name := range expand(forms) {
		f := formNamed(name)
		for _, w := range widths(f.Operands[1], name) {
			all = append(all, stored{f, w})
		}
	}
	return all
}

// slot is what each store has to itself: it writes a part that starts in the middle, at a multiple of its size.
const slot = 32

// after is the word number i of a thread's slot behind a store of what memory holds.
func (s stored) after(memory []byte, i int, before uint64) uint64 {
	a := accessOf(s.form.Name)
	n := a.count * a.bytes
	at := slotOffset(n)
	bytes := binary.LittleEndian.AppendUint32(nil, uint32(before))
	for j := range bytes {
		if k := 4*i + j - at; k >= 0 && k < n {
			bytes[j] = memory[k/a.bytes*8+k%a.bytes] // each register comes from 8 bytes
		}
	}
	return uint64(binary.LittleEndian.Uint32(bytes))
}

// slotOffset is where n bytes are stored.
func slotOffset(n int) int {
	if n < 4 {
		return 8 + n
	}
	return n % slot
}

// sources loads the registers that stores write, each from 8 bytes of its thread.
func (b *builder) sources(memory []byte) {
	b.address("%d30", b.input(memory), "%r0", stride)
	for i := range 4 {
		b.line("ld.global.b64 %%d%d, [%%d30+%d];", 50+i, 8*i)
		b.line("ld.global.b32 %%r%d, [%%d30+%d];", 50+i, 8*i)
		b.line("ld.global.u16 %%h%d, [%%d30+%d];", 50+i, 8*i)
	}
}

func storeGlobal(r *random) *Program {
	b := newBuilder("store_global")
	memory := r.bytes(blockThreads * stride)
	b.perThread()
	b.sources(memory)
	b.address("%d31", "%d0", "%r0", slot)
	for _, s := range eachStore("st.global." + allStores) {
		at := b.output(Output{
			Name: fmt.Sprintf("%s of %d bits", s.form.Name, s.width), Size: 4, Count: blockThreads * slot / 4,
			Want: func(i int) uint64 {
				return s.after(memory[i/(slot/4)*stride:], i%(slot/4), poisoned)
			},
		})
		a := accessOf(s.form.Name)
		_, operand := registers(s.form.Operands[1], s.width, 50)
		b.line("%s [%%d31+%d], %s;", s.form.Name, at+slotOffset(a.count*a.bytes), operand)
	}
	return b.finish()
}

// storeShared reads back what each store leaves of a pattern.
func storeShared(r *random) *Program {
	b := newBuilder("store_shared")
	memory := r.bytes(blockThreads * stride)
	b.declare(fmt.Sprintf(".shared .align 16 .b8 buffer[%d];", blockThreads*slot))
	b.perThread()
	b.sources(memory)
	b.address("%d31", "%d0", "%r0", slot)
	b.lines(`
		mov.u32 %r40, buffer;
		mad.lo.s32 %r41, %r1, 32, %r40;`)
	const pattern = 0x5a3c96e1
	for _, s := range eachStore("st.shared." + allStores) {
		a := accessOf(s.form.Name)
		_, operand := registers(s.form.Operands[1], s.width, 50)
		for i := range slot / 4 {
			b.line("st.shared.b32 [%%r41+%d], %#x;", 4*i, uint32(pattern))
		}
		b.line("%s [%%r41+%d], %s;", s.form.Name, slotOffset(a.count*a.bytes), operand)
		b.line("bar.sync 0;") // lest the assembler keep in registers what is stored
		at := b.output(Output{
			Name: fmt.Sprintf("%s of %d bits", s.form.Name, s.width), Size: 4, Count: blockThreads * slot / 4,
			Want: func(i int) uint64 { return s.after(memory[i/(slot/4)*stride:], i%(slot/4), pattern) },
		})
		for i := range slot / 4 {
			b.line("ld.shared.b32 %%r60, [%%r41+%d];", 4*i)
			b.line("st.global.b32 [%%d31+%d], %%r60;", at+4*i)
		}
	}
	return b.finish()
}
