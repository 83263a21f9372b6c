package ptx

// statement reads one statement of module scope.
func (p *parser) statement() error {
	line := p.token.line
	name, err := p.word()
	if err != nil {
		return err
	}
	switch name {
	case ".version":
		p.module.Version, err = p.take(numberToken, "a version")
	case ".target":
		p.module.Target, err = p.word()
	case ".address_size":
		p.module.AddressSize, err = p.count(64)
	case ".file":
		err = p.file()
	case ".section":
		err = p.section()
	case ".visible":
		if err = p.expect(".entry"); err == nil {
			err = p.entry(line)
		}
	case ".entry":
		err = p.entry(line)
	case ".extern":
		err = p.variable(&p.module.Variables, p.globals, true)
	case ".global", ".shared", ".const":
		err = p.declare(name, &p.module.Variables, p.globals, false)
	default:
		return &Error{line, "unknown directive " + name}
	}
	return err
}

// file reads what follows .file: a number, a name, and perhaps a time and a size.
func (p *parser) file() error {
	n, err := p.count(maxRegisterCount)
	if err != nil {
		return err
	}
	if p.module.Files[n], err = p.take(stringToken, "a file's name"); err != nil {
		return err
	}
	for p.token.is(",") {
		if err := p.advance(); err != nil {
			return err
		}
		if _, err := p.take(numberToken, "a number"); err != nil {
			return err
		}
	}
	return nil
}

// section skips a section of debug information.
func (p *parser) section() error {
	if _, err := p.word(); err != nil {
		return err
	}
	if err := p.expect("{"); err != nil {
		return err
	}
	for !p.token.is("}") {
		if p.token.kind == endToken {
			return p.errorf("a section does not end")
		}
		if err := p.advance(); err != nil {
			return err
		}
	}
	return p.advance()
}

// variable reads a declaration from its state space on.
func (p *parser) variable(into *[]Variable, names map[string]*Variable, extern bool) error {
	space, err := p.word()
	if err != nil {
		return err
	}
	return p.declare(space, into, names, extern)
}

var spaces = map[string]Space{".param": Param, ".global": Global, ".shared": Shared, ".const": Const}

var typeBytes = map[string]int{
	".b8": 1, ".u8": 1, ".s8": 1, ".b16": 2, ".u16": 2, ".s16": 2, ".f16": 2,
	".b32": 4, ".u32": 4, ".s32": 4, ".f32": 4, ".b64": 8, ".u64": 8, ".s64": 8, ".f64": 8,
}

// declare reads a declaration behind its state space, up to its semicolon.
func (p *parser) declare(space string, into *[]Variable, names map[string]*Variable, extern bool) error {
	v, err := p.declarator(space, extern)
	if err != nil {
		return err
	}
	if p.token.is("=") { // initial values belong to variables that kernels' constants leave behind; reading one is an error later
		for !p.token.is(";") {
			if p.token.kind == endToken {
				return p.errorf("a declaration does not end")
			}
			if err := p.advance(); err != nil {
				return err
			}
		}
	}
	if err := p.expect(";"); err != nil {
		return err
	}
	return addVariable(v, into, names)
}

func addVariable(v Variable, into *[]Variable, names map[string]*Variable) error {
	if names[v.Name] != nil {
		return &Error{v.Line, v.Name + " is declared twice"}
	}
	*into = append(*into, v)
	names[v.Name] = &v
	return nil
}

// declarator reads .align N .type name[size].
func (p *parser) declarator(space string, extern bool) (Variable, error) {
	v := Variable{Line: p.token.line, Extern: extern, Space: spaces[space]}
	if v.Space == NoSpace {
		return v, p.errorf("unknown state space %s", space)
	}
	aligned, err := p.accept(".align")
	if err != nil {
		return v, err
	}
	if aligned {
		if v.Align, err = p.count(1 << 16); err != nil {
			return v, err
		}
		if v.Align == 0 || v.Align&(v.Align-1) != 0 {
			return v, p.errorf("alignment %d is no power of two", v.Align)
		}
	}
	typ, err := p.word()
	if err != nil {
		return v, err
	}
	v.Size = typeBytes[typ]
	if v.Size == 0 {
		return v, p.errorf("unknown type %s", typ)
	}
	v.Align = max(v.Align, v.Size)
	if v.Name, err = p.word(); err != nil {
		return v, err
	}
	array, err := p.accept("[")
	if err != nil {
		return v, err
	}
	if array {
		if err := p.arraySize(&v); err != nil {
			return v, err
		}
	}
	if (v.Size == 0) != v.Extern {
		return v, p.errorf("%s has the size %d", v.Name, v.Size)
	}
	return v, nil
}

// arraySize reads a size behind its bracket; an empty one is for the launch to give.
func (p *parser) arraySize(v *Variable) error {
	n := 0
	if p.token.kind == numberToken {
		var err error
		if n, err = p.count(maxVariableBytes / v.Size); err != nil {
			return err
		}
	}
	v.Size *= n
	return p.expect("]")
}
