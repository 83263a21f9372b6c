package ptx

import (
	"fmt"
	"strconv"
)

// entry reads a kernel behind .entry.
func (p *parser) entry(line int) error {
	name, err := p.word()
	if err != nil {
		return err
	}
	e := &Entry{Name: name, Line: line}
	b := &body{parser: p, entry: e, variables: make(map[string]*Variable)}
	if err := b.params(); err != nil {
		return err
	}
	if err := b.performance(); err != nil {
		return err
	}
	if err := p.expect("{"); err != nil {
		return err
	}
	if err := b.statements(); err != nil {
		return err
	}
	if err := b.resolve(); err != nil {
		return err
	}
	p.module.Entries = append(p.module.Entries, e)
	return nil
}

// params reads the parameter list.
func (b *body) params() error {
	listed, err := b.accept("(")
	if err != nil || !listed {
		return err
	}
	for !b.token.is(")") {
		if len(b.entry.Params) == maxParams {
			return b.errorf("more than %d parameters", maxParams)
		}
		if err := b.expect(".param"); err != nil {
			return err
		}
		v, err := b.declarator(".param", false)
		if err != nil {
			return err
		}
		if err := addVariable(v, &b.entry.Params, b.variables); err != nil {
			return err
		}
		more, err := b.accept(",")
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	return b.expect(")")
}

// performance reads the directives between parameters and body.
func (b *body) performance() error {
	for b.token.kind == wordToken {
		name := b.token.text
		if err := b.advance(); err != nil {
			return err
		}
		var err error
		switch name {
		case ".maxntid", ".reqntid":
			b.entry.Exact = name == ".reqntid"
			b.entry.MaxThreads, err = b.dimensions()
		case ".minnctapersm", ".maxnreg", ".maxclusterrank":
			_, err = b.count(1 << 16) // what the assembler allots; nothing here depends on it
		case ".reqnctapercluster":
			b.entry.Cluster, err = b.dimensions()
		case ".explicitcluster": // the launch gives the cluster, where Cluster does not
		default:
			return b.errorf("unknown directive %s", name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// dimensions reads one to three numbers.
func (b *body) dimensions() (d [3]int, err error) {
	d = [3]int{1, 1, 1}
	for i := range d {
		if i > 0 {
			if more, err := b.accept(","); err != nil || !more {
				return d, err
			}
		}
		if d[i], err = b.count(1 << 16); err != nil {
			return d, err
		}
	}
	return d, nil
}

// body reads the statements of a kernel.
type body struct {
	*parser
	entry     *Entry
	variables map[string]*Variable // parameters and shared variables of the kernel
	scopes    []*scope             // the innermost last
	branches  []branch
	location  *Location
}

// scope holds the registers of a pair of braces.
type scope struct {
	declared map[string]Width         // by name
	ranges   map[string]registerRange // by the name's part before the number
	used     map[string]Register
	labels   map[string]int // the index of Body that each stands before
}

// registerRange is a declaration such as %r<10>.
type registerRange struct {
	width Width
	count int
}

// branch is an operand that waits for its label.
type branch struct {
	instruction, operand int
	label                string
	line                 int
	scopes               []*scope // that the label may be one of
}

// statements reads up to the closing brace of the kernel.
func (b *body) statements() error {
	b.open()
	for len(b.scopes) > 0 {
		if err := b.statement(); err != nil {
			return err
		}
	}
	return nil
}

const maxScopes = 16

func (b *body) open() {
	b.scopes = append(b.scopes, &scope{make(map[string]Width), make(map[string]registerRange), make(map[string]Register), make(map[string]int)})
}

func (b *body) statement() error {
	t := b.token
	if err := b.advance(); err != nil {
		return err
	}
	switch {
	case t.is("{"):
		if len(b.scopes) == maxScopes {
			return b.errorf("more than %d nested blocks", maxScopes)
		}
		b.open()
		return nil
	case t.is("}"):
		b.scopes = b.scopes[:len(b.scopes)-1]
		return nil
	case t.is("@"):
		return b.guarded()
	case t.kind != wordToken:
		return &Error{t.line, fmt.Sprintf("%v, want a statement", t)}
	case t.text[0] == '.':
		return b.directive(t)
	case b.token.is(":"):
		labels := b.scopes[len(b.scopes)-1].labels
		if _, twice := labels[t.text]; twice {
			return &Error{t.line, t.text + " is a label twice"}
		}
		labels[t.text] = len(b.entry.Body)
		return b.advance()
	}
	return b.instruction(t, Guard{})
}

// directive reads a directive of a body behind its name.
func (b *body) directive(t token) error {
	switch t.text {
	case ".reg":
		return b.registers()
	case ".shared":
		return b.declare(".shared", &b.entry.Shared, b.variables, false)
	case ".loc":
		return b.loc(t.line)
	case ".pragma": // hints to the assembler
		if _, err := b.take(stringToken, "a string"); err != nil {
			return err
		}
		return b.expect(";")
	}
	return &Error{t.line, "unknown directive " + t.text}
}

var registerWidths = map[string]Width{
	".pred": W1, ".b16": W16, ".u16": W16, ".s16": W16, ".f16": W16,
	".b32": W32, ".u32": W32, ".s32": W32, ".f32": W32, ".b64": W64, ".u64": W64, ".s64": W64,
}

// registers reads a declaration behind .reg.
func (b *body) registers() error {
	typ, err := b.word()
	if err != nil {
		return err
	}
	width := registerWidths[typ]
	if width == 0 {
		return b.errorf("unknown register type %s", typ)
	}
	in := b.scopes[len(b.scopes)-1]
	for {
		name, err := b.word()
		if err != nil {
			return err
		}
		ranged, err := b.accept("<")
		if err != nil {
			return err
		}
		if ranged {
			n, err := b.count(maxRegisterCount)
			if err != nil {
				return err
			}
			if err := b.expect(">"); err != nil {
				return err
			}
			in.ranges[name] = registerRange{width, n}
		} else {
			in.declared[name] = width
		}
		if more, err := b.accept(","); err != nil || !more {
			if err != nil {
				return err
			}
			return b.expect(";")
		}
	}
}

// register finds a name from the innermost scope outwards.
func (b *body) register(name string) (Register, bool) {
	for i := len(b.scopes) - 1; i >= 0; i-- {
		in := b.scopes[i]
		if r, ok := in.used[name]; ok {
			return r, true
		}
		width, ok := in.declared[name]
		if !ok {
			width, ok = in.inRange(name)
		}
		if ok {
			r := Register(len(b.entry.Registers))
			b.entry.Registers = append(b.entry.Registers, RegisterInfo{name, width})
			in.used[name] = r
			return r, true
		}
	}
	return 0, false
}

func (s *scope) inRange(name string) (Width, bool) {
	cut := len(name)
	for cut > 0 && isDigit(name[cut-1]) {
		cut--
	}
	r, ok := s.ranges[name[:cut]]
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(name[cut:])
	return r.width, err == nil && n < r.count
}

// loc reads a source location, which ends with its line.
func (b *body) loc(line int) error {
	var l Location
	for _, n := range []*int{&l.File, &l.Line, &l.Column} {
		var err error
		if *n, err = b.count(1 << 30); err != nil {
			return err
		}
	}
	if b.token.is(",") && b.token.line == line {
		if err := b.expect(",", "function_name"); err != nil {
			return err
		}
		if _, err := b.word(); err != nil {
			return err
		}
		if err := b.expect(",", "inlined_at"); err != nil {
			return err
		}
		var column int
		for _, n := range []*int{&l.InlinedFile, &l.InlinedLine, &column} {
			var err error
			if *n, err = b.count(1 << 30); err != nil {
				return err
			}
		}
	}
	b.location = &l
	return nil
}

// resolve points branches at instructions.
func (b *body) resolve() error {
	for _, x := range b.branches {
		to, ok := x.find()
		if !ok {
			return &Error{x.line, "no label " + x.label}
		}
		if to == len(b.entry.Body) {
			return &Error{x.line, "nothing follows the label " + x.label}
		}
		b.entry.Body[x.instruction].Operands[x.operand].Target = to
	}
	return nil
}

// find looks for the label from the branch's own scope outwards.
func (x branch) find() (to int, ok bool) {
	for i := len(x.scopes) - 1; i >= 0 && !ok; i-- {
		to, ok = x.scopes[i].labels[x.label]
	}
	return to, ok
}
