package ptx

import (
	"fmt"
	"slices"
)

// guarded reads an instruction behind its @.
func (b *body) guarded() error {
	g := Guard{Present: true}
	var err error
	if g.Negated, err = b.accept("!"); err != nil {
		return err
	}
	name := b.token
	if _, err := b.word(); err != nil {
		return err
	}
	var ok bool
	if g.On, ok = b.register(name.text); !ok || b.entry.Registers[g.On].Width != W1 {
		return &Error{name.line, name.text + " is no predicate"}
	}
	opcode := b.token
	if _, err := b.word(); err != nil {
		return err
	}
	return b.instruction(opcode, g)
}

// instruction reads the operands behind an opcode, and the semicolon.
func (b *body) instruction(opcode token, g Guard) error {
	form := forms[opcode.text]
	if form == nil {
		return &Error{opcode.line, "unknown instruction " + opcode.text}
	}
	in := Instruction{Line: opcode.line, Location: b.location, Guard: g, Form: form, Operands: make([]Operand, 0, len(form.Operands))}
	for !b.token.is(";") {
		if n := len(in.Operands); n == len(form.Operands) {
			return b.errorf("%s takes %d operands", form.Name, n)
		} else if n > 0 {
			if err := b.expect(","); err != nil {
				return err
			}
		}
		x, err := b.operand(form.Operands[len(in.Operands)], len(in.Operands))
		if err != nil {
			return err
		}
		in.Operands = append(in.Operands, x)
	}
	if n := len(in.Operands); n < form.Required {
		return b.errorf("%s takes %d operands, not %d", form.Name, form.Required, n)
	}
	for i := range in.Operands {
		if wrong := form.Operands[i].suits(&in.Operands[i], i < form.Destinations, b.entry.Registers); wrong != "" {
			return &Error{opcode.line, fmt.Sprintf("operand %d of %s %s", i+1, form.Name, wrong)}
		}
	}
	b.entry.Body = append(b.entry.Body, in)
	return b.advance()
}

// operand reads the operand number i of an instruction.
func (b *body) operand(form OperandForm, i int) (Operand, error) {
	switch {
	case form.Class == TargetClass:
		label := b.token
		_, err := b.word()
		b.branches = append(b.branches, branch{len(b.entry.Body), i, label.text, label.line, slices.Clone(b.scopes)})
		return Operand{Kind: TargetOperand}, err
	case b.token.is("{"):
		return b.vector()
	case b.token.is("["):
		return b.address()
	}
	return b.scalar()
}

const maxVector = 128

func (b *body) vector() (Operand, error) {
	x := Operand{Kind: VectorOperand}
	for more := true; more; {
		if err := b.advance(); err != nil { // the brace or comma
			return x, err
		}
		element, err := b.scalar()
		if err != nil {
			return x, err
		}
		if x.Vector = append(x.Vector, element); len(x.Vector) > maxVector {
			return x, b.errorf("a vector of more than %d", maxVector)
		}
		more = b.token.is(",")
	}
	return x, b.expect("}")
}

// address reads [base], [base+offset] or [offset]; a tensor's coordinates may follow as in [base, {x, y}].
func (b *body) address() (Operand, error) {
	x := Operand{Kind: AddressOperand}
	err := b.advance()
	if err != nil {
		return x, err
	}
	if b.token.kind == wordToken {
		base, err := b.scalar()
		if err != nil {
			return x, err
		}
		switch base.Kind {
		case RegisterOperand:
			x.HasBase, x.Register = true, base.Register
		case SymbolOperand:
			x.Symbol = base.Symbol
		default:
			return x, b.errorf("an address that starts with neither a register nor a variable")
		}
		plus, err := b.accept("+")
		if err != nil {
			return x, err
		}
		if !plus {
			return x, b.endAddress(&x)
		}
	}
	if x.Immediate, err = b.number(); err != nil {
		return x, err
	}
	return x, b.endAddress(&x)
}

// endAddress reads coordinates, if there are any, and the bracket.
func (b *body) endAddress(x *Operand) error {
	more, err := b.accept(",")
	if err != nil {
		return err
	}
	if more {
		if !b.token.is("{") {
			return b.errorf("%v, want coordinates", b.token)
		}
		coordinates, err := b.vector()
		if err != nil {
			return err
		}
		x.Vector = coordinates.Vector
	}
	return b.expect("]")
}

// scalar reads a register, perhaps inverted or with a second one, a literal, a special register or a variable's name.
func (b *body) scalar() (Operand, error) {
	inverted, err := b.accept("!")
	if err != nil {
		return Operand{}, err
	}
	if b.token.kind != wordToken {
		n, err := b.number()
		return Operand{Kind: ImmediateOperand, Negated: inverted, Immediate: n}, err
	}
	t := b.token
	if err := b.advance(); err != nil {
		return Operand{}, err
	}
	r, ok := b.register(t.text)
	if ok || t.text == "_" {
		x := Operand{Kind: RegisterOperand, Negated: inverted, Register: r}
		if !ok {
			x.Kind = SinkOperand
		}
		if x.HasPair, err = b.accept("|"); err != nil || !x.HasPair {
			return x, err
		}
		second := b.token
		if _, err := b.word(); err != nil {
			return x, err
		}
		if x.Pair, ok = b.register(second.text); !ok {
			return x, &Error{second.line, "no register " + second.text}
		}
		return x, nil
	}
	if s, ok := specials[t.text]; ok {
		return Operand{Kind: SpecialOperand, Negated: inverted, Special: s}, nil
	}
	v := b.variables[t.text]
	if v == nil {
		v = b.globals[t.text]
	}
	if v == nil {
		return Operand{}, &Error{t.line, "nothing is named " + t.text}
	}
	return Operand{Kind: SymbolOperand, Negated: inverted, Symbol: v}, nil
}
