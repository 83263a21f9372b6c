package ptx

import (
	"fmt"
	"strconv"
	"strings"
)

// Form is an opcode with its modifiers, and the operands that it takes.
type Form struct {
	Name         string // as written, such as mul.wide.u32
	Operands     []OperandForm
	Destinations int // of Operands
	Required     int // of Operands; the ones behind may be left out
}

// OperandForm is what one operand may be.
type OperandForm struct {
	Class OperandClass
	Width Width // of a register or immediate, or of a vector's elements
	Wider bool  // a register may be wider than Width, as loads, stores and conversions allow
	Count int   // of a vector's elements; 0 for a scalar
	Pair  bool  // a destination that may be "register|predicate"
	Sink  bool  // a destination that may be _, or of which elements may
	Space Space // of an address; NoSpace where it is generic
	// Coordinates is how many of a tensor follow an address.
	Coordinates int
	// Or is another form that the operand may have instead; nil without one.
	Or *OperandForm
}

// OperandClass is the sort of an OperandForm.
type OperandClass uint8

// Operand classes.
const (
	ValueClass   OperandClass = iota // a register; as a source also an immediate, a special register or a variable's address
	AddressClass                     // [base+offset]
	LiteralClass                     // an immediate
	TargetClass                      // a label
)

// instructionTable lists the forms: a set of names and the operands they share. In names, {a,b} stands for each of its
// words. Operands are destinations = sources: p, h, w and d are registers of 1, 16, 32 and 64 bits, a + behind one
// allows wider registers, a number makes a vector, |p an optional predicate beside a destination; [g], [s] and
// [p] are addresses in a space, [a] generic ones and [1] to [5] those of a tensor map with so many coordinates; i is an
// immediate and l a label. A destination with _ may be that instead. What stands behind ? may be left out, and / separates two
// forms of one operand.
const instructionTable = `
{add,sub,mul.lo,div,rem,min,max}.{s32,u32}              w = w w
{add,sub,mul.lo,min,max}.{s16,u16}                      h = h h
{add,sub,mul.lo,div,rem,min,max}.{s64,u64}              d = d d
mul.hi.{s32,u32}                                        w = w w
mul.wide.{s32,u32}                                      d = w w
mul.wide.{s16,u16}                                      w = h h
mad.lo.{s32,u32}                                        w = w w w
mad.lo.{s64,u64}                                        d = d d d
mad.wide.{s32,u32}                                      d = w w d
{neg,abs}.s32                                           w = w
neg.s64                                                 d = d
{and,or,xor}.b16                                        h = h h
{and,or,xor}.b32                                        w = w w
{and,or,xor}.b64                                        d = d d
{and,or,xor}.pred                                       p = p p
not.b16                                                 h = h
not.b32                                                 w = w
not.b64                                                 d = d
not.pred                                                p = p
{shl.b32,shr.u32,shr.s32,shr.b32}                       w = w w
{shl.b64,shr.u64,shr.s64,shr.b64}                       d = d w
{shl.b16,shr.u16,shr.s16,shr.b16}                       h = h w
{popc,clz,brev}.b32                                     w = w
bfi.b32                                                 w = w w w w
prmt.b32                                                w = w w w
lop3.b32                                                w = w w w i

setp.{eq,ne,lt,le,gt,ge}.{s16,u16}                      p = h h
setp.{eq,ne,lt,le,gt,ge}.{s32,u32}                      p = w w
setp.{eq,ne,lt,le,gt,ge}.{s64,u64}                      p = d d
setp.{eq,ne}.{b32}                                      p = w w
setp.{eq,ne,lt,le,gt,ge,equ,neu,ltu,leu,gtu,geu,num,nan}.f32 p = w w
selp.{b16,u16,s16}                                      h = h h p
selp.{b32,u32,s32,f32}                                  w = w w p
selp.{b64,u64,s64}                                      d = d d p

mov.{b16,u16,s16}                                       h = h
mov.{b32,u32,s32,f32}                                   w/h2_ = w/h2
mov.{b64,u64,s64}                                       d/w2_ = d/w2
mov.pred                                                p = p
cvta.to.global.u64                                      d = d
cvta.to.shared.u64                                      d = d

cvt.{s64,u64}.{s32,u32}                                 d = w
cvt.{s64,u64}.{s16,u16}                                 d = h
cvt.{s32,u32}.{s64,u64}                                 w = d
cvt.{s32,u32}.{s16,u16}                                 w = h
cvt.{s32,u32}.{s8,u8}                                   w = h+
cvt.{s16,u16}.{s32,u32}                                 h = w
cvt.{s16,u16}.{s64,u64}                                 h = d
cvt.rn.f32.{s32,u32}                                    w = w
cvt.{rzi,rni}.{s32,u32}.f32                             w = w
cvt.f32.f16                                             w = h
cvt.f32.bf16                                            w = h
cvt.rn.{f16,bf16}.f32                                   h = w
cvt.rn.{f16x2,bf16x2}.f32                               w = w w

{add,sub,mul}.f32                                       w = w w
{add,sub,mul}.rn.f32                                    w = w w
{add,sub,mul}.ftz.f32                                   w = w w
mul.sat.f32                                             w = w w
fma.rn.f32                                              w = w w w
fma.rn.ftz.f32                                          w = w w w
{neg,abs}.f32                                           w = w
{min,max}.f32                                           w = w w
{min,max}.NaN.f32                                       w = w w
{min,max}.NaN.{f16x2,bf16x2}                            w = w w
{ex2,rcp,lg2,rsqrt}.approx.ftz.f32                      w = w
tanh.approx.f32                                         w = w

ld.param.{b32,u32,s32,f32}                              w+ = [p]
ld.param.{b64,u64,s64}                                  d = [p]
ld.param.v2.{b32,u32,f32}                               w2 = [p]
ld.param.v4.{b32,u32,f32}                               w4 = [p]
ld.param.v2.{b64,u64}                                   d2 = [p]
ld.param.{u8,s8,b8}                                     h+ = [p]
ld.param.{u16,s16,b16}                                  h+ = [p]
ld.global.{u8,s8,b8}                                    h+ = [g]
ld.global.{u16,s16,b16}                                 h+ = [g]
ld.global.{b32,u32,s32,f32}                             w+ = [g]
ld.global.{b64,u64,s64}                                 d = [g]
ld.global.v2.{b32,u32,f32}                              w2 = [g]
ld.global.v4.{b32,u32,f32}                              w4 = [g]
ld.global.v2.{b64,u64}                                  d2 = [g]
ld.global.nc.{b32,u32,f32}                              w+ = [g]
ld.global.nc.v2.{b32,u32,f32}                           w2 = [g]
ld.global.nc.v4.{b32,u32,f32}                           w4 = [g]
ld.shared.{u8,s8,b8}                                    h+ = [s]
ld.shared.{u16,s16,b16}                                 h+ = [s]
ld.shared.{b32,u32,s32,f32}                             w+ = [s]
ld.shared.{b64,u64,s64}                                 d = [s]
ld.shared.v2.{b32,u32,f32}                              w2 = [s]
ld.shared.v4.{b32,u32,f32}                              w4 = [s]
ld.shared.v2.{b64,u64}                                  d2 = [s]
st.global.{u8,b8}                                       = [g] h+
st.global.{u16,b16}                                     = [g] h+
st.global.{b32,u32,f32}                                 = [g] w+
st.global.{b64,u64}                                     = [g] d
st.global.v2.{b32,u32,f32}                              = [g] w2
st.global.v4.{b32,u32,f32}                              = [g] w4
st.global.v2.{b64,u64}                                  = [g] d2
st.shared.{u8,b8}                                       = [s] h+
st.shared.{u16,b16}                                     = [s] h+
st.shared.{b32,u32,f32}                                 = [s] w+
st.shared.{b64,u64}                                     = [s] d
st.shared.v2.{b32,u32,f32}                              = [s] w2
st.shared.v4.{b32,u32,f32}                              = [s] w4
st.shared.v2.{b64,u64}                                  = [s] d2
red.relaxed.gpu.global.add.{f32,u32,s32}                = [g] w
red.global.add.{f32,u32,s32}                            = [g] w
atom.relaxed.gpu.global.add.{f32,u32,s32}               w = [g] w
atom.global.add.{f32,u32,s32}                           w = [g] w

cp.async.cg.shared.global                               = [s] [g] i ? w
cp.async.cg.shared.global.L2::128B                      = [s] [g] i ? w
cp.async.ca.shared.global                               = [s] [g] i ? w
cp.async.ca.shared.global.L2::128B                      = [s] [g] i ? w
cp.async.commit_group                                   =
cp.async.wait_group                                     = i
cp.async.wait_all                                       =

ldmatrix.sync.aligned.m8n8.x4.shared.b16                w4 = [s]
ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16          w4 = [s]
ldmatrix.sync.aligned.m8n8.x2.shared.b16                w2 = [s]
ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16          w2 = [s]
ldmatrix.sync.aligned.m8n8.x1.shared.b16                w1 = [s]
ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16          w1 = [s]
mma.sync.aligned.m16n8k16.row.col.f32.{bf16.bf16,f16.f16}.f32 w4 = w4 w2 w4

shfl.sync.{bfly,idx,up,down}.b32                        w|p = w w w w
vote.sync.{all,any}.pred                                p = p w
vote.sync.ballot.b32                                    w = p w
bar.warp.sync                                           = w
bar.sync                                                = w ? w
barrier.sync                                            = w ? w
bar.arrive                                              = w w
bar.red.{or,and}.pred                                   p = w p
bar.red.popc.u32                                        w = w p

bra                                                     = l
bra.uni                                                 = l
ret                                                     =
exit                                                    =
`

var forms, formOrder = readForms(instructionTable + hopperTable + productTable())

// Forms lists every form that Parse knows, in the table's order.
func Forms() []*Form { return formOrder }

// readForms expands the table. The table is a constant of this file, so a mistake in it shows in every test.
func readForms(table string) (map[string]*Form, []*Form) {
	all := make(map[string]*Form)
	var order []*Form
	for _, line := range strings.Split(table, "\n") {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		for _, name := range expand(fields[0]) {
			f := &Form{Name: name}
			f.describe(fields[1:])
			all[name] = f
			order = append(order, f)
		}
	}
	return all, order
}

// expand replaces each {a,b} of a name by its words.
func expand(name string) []string {
	open := strings.IndexByte(name, '{')
	if open < 0 {
		return []string{name}
	}
	shut := open + strings.IndexByte(name[open:], '}')
	var all []string
	for _, word := range strings.Split(name[open+1:shut], ",") {
		for _, rest := range expand(name[shut+1:]) {
			all = append(all, name[:open]+word+rest)
		}
	}
	return all
}

func (f *Form) describe(fields []string) {
	f.Required = -1
	for _, field := range fields {
		switch field {
		case "=":
			f.Destinations = len(f.Operands)
		case "?":
			f.Required = len(f.Operands)
		default:
			f.Operands = append(f.Operands, operandForm(field))
		}
	}
	if f.Required < 0 {
		f.Required = len(f.Operands)
	}
}

func operandForm(field string) OperandForm {
	if first, second, two := strings.Cut(field, "/"); two {
		o, or := operandForm(first), operandForm(second)
		o.Or = &or
		return o
	}
	switch field {
	case "[g]":
		return OperandForm{Class: AddressClass, Space: Global}
	case "[s]":
		return OperandForm{Class: AddressClass, Space: Shared}
	case "[p]":
		return OperandForm{Class: AddressClass, Space: Param}
	case "[a]":
		return OperandForm{Class: AddressClass}
	case "[1]", "[2]", "[3]", "[4]", "[5]":
		return OperandForm{Class: AddressClass, Coordinates: int(field[1] - '0')}
	case "i":
		return OperandForm{Class: LiteralClass}
	case "l":
		return OperandForm{Class: TargetClass}
	}
	field, sink := strings.CutSuffix(field, "_")
	o := OperandForm{Sink: sink, Width: map[byte]Width{'p': W1, 'h': W16, 'w': W32, 'd': W64}[field[0]]}
	switch rest := field[1:]; rest {
	case "":
	case "+":
		o.Wider = true
	case "|p":
		o.Pair = true
	default:
		o.Count, _ = strconv.Atoi(rest)
	}
	return o
}

// suits says what is wrong with an operand, or nothing.
func (o OperandForm) suits(x *Operand, destination bool, registers []RegisterInfo) string {
	if o.Or != nil && o.Or.suits(x, destination, registers) == "" {
		return ""
	}
	switch o.Class {
	case AddressClass:
		if x.Kind != AddressOperand {
			return "is no address"
		}
		if x.HasBase && registers[x.Register].Width < W32 {
			return "is an address in a register that is too narrow"
		}
		if x.Symbol != nil && x.Symbol.Space != o.Space && o.Space != NoSpace {
			return fmt.Sprintf("is an address in %v, want %v", x.Symbol.Space, o.Space)
		}
		return o.suitCoordinates(x, registers)
	case LiteralClass:
		if x.Kind != ImmediateOperand {
			return "is no literal"
		}
		return ""
	case TargetClass:
		if x.Kind != TargetOperand {
			return "is no label"
		}
		return ""
	}
	if o.Count > 0 {
		if x.Kind != VectorOperand || len(x.Vector) != o.Count {
			return fmt.Sprintf("is no vector of %d", o.Count)
		}
		element := OperandForm{Width: o.Width, Sink: o.Sink}
		for i := range x.Vector {
			if wrong := element.suits(&x.Vector[i], destination, registers); wrong != "" {
				return "has an element that " + wrong
			}
		}
		return ""
	}
	return o.suitsScalar(x, destination, registers)
}

func (o OperandForm) suitCoordinates(x *Operand, registers []RegisterInfo) string {
	if len(x.Vector) != o.Coordinates {
		return fmt.Sprintf("has %d coordinates, want %d", len(x.Vector), o.Coordinates)
	}
	for i := range x.Vector {
		if wrong := (OperandForm{Width: W32}).suitsScalar(&x.Vector[i], false, registers); wrong != "" {
			return "has a coordinate that " + wrong
		}
	}
	return ""
}

func (o OperandForm) suitsScalar(x *Operand, destination bool, registers []RegisterInfo) string {
	if x.HasPair && (!o.Pair || registers[x.Pair].Width != W1) {
		return "has a second register"
	}
	if x.Negated && (destination || o.Width != W1) {
		return "is inverted"
	}
	switch x.Kind {
	case RegisterOperand:
		w := registers[x.Register].Width
		if w == o.Width || o.Wider && w > o.Width {
			return ""
		}
		return fmt.Sprintf("is a register of %d bits, want %d", w, o.Width)
	case ImmediateOperand:
		if !destination {
			return ""
		}
	case SpecialOperand:
		if !destination && o.Width == x.Special.Width() {
			return ""
		}
	case SinkOperand:
		if destination && o.Sink {
			return ""
		}
	case SymbolOperand:
		if !destination && o.Width >= W32 {
			return ""
		}
	}
	return fmt.Sprintf("is no register of %d bits", o.Width)
}
