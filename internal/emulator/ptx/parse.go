package ptx

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Limits bound what a file can make Parse and its callers allocate.
const (
	maxVariableBytes = 1 << 20
	maxRegisterCount = 1 << 24 // of one declaration; registers take room when they are used
	maxParams        = 1 << 8
)

// parser reads one file. Its methods leave the token behind what they read in p.token.
type parser struct {
	scanner
	token   token
	module  *Module
	globals map[string]*Variable
}

// Parse reads a PTX file. Its error is an *Error.
func Parse(text string) (*Module, error) {
	p := &parser{scanner: scanner{text: text, line: 1}, module: &Module{Files: make(map[int]string)}, globals: make(map[string]*Variable)}
	if err := p.advance(); err != nil {
		return nil, err
	}
	for p.token.kind != endToken {
		if err := p.statement(); err != nil {
			return nil, err
		}
	}
	switch {
	case p.module.Version == "":
		return nil, p.errorf("the file has no .version")
	case p.module.AddressSize != 64:
		return nil, p.errorf("the file has no .address_size 64")
	}
	return p.module, nil
}

func (p *parser) errorf(format string, args ...any) error {
	return &Error{p.token.line, fmt.Sprintf(format, args...)}
}

// advance reads the next token.
func (p *parser) advance() (err error) {
	p.token, err = p.next()
	return err
}

// accept reads a token of this text if it is the next.
func (p *parser) accept(text string) (bool, error) {
	if !p.token.is(text) {
		return false, nil
	}
	return true, p.advance()
}

// expect reads tokens of these texts.
func (p *parser) expect(texts ...string) error {
	for _, text := range texts {
		if !p.token.is(text) {
			return p.errorf("%v, want %q", p.token, text)
		}
		if err := p.advance(); err != nil {
			return err
		}
	}
	return nil
}

// take reads a token of a kind and returns its text.
func (p *parser) take(kind tokenKind, what string) (string, error) {
	if p.token.kind != kind {
		return "", p.errorf("%v, want %s", p.token, what)
	}
	text := p.token.text
	return text, p.advance()
}

func (p *parser) word() (string, error) { return p.take(wordToken, "a word") }

// count reads an integer from 0 to most.
func (p *parser) count(most int) (int, error) {
	line := p.token.line
	text, err := p.take(numberToken, "a number")
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(text, 0, 64)
	if err != nil || n > uint64(most) {
		return 0, &Error{line, fmt.Sprintf("%s, want a number up to %d", text, most)}
	}
	return int(n), nil
}

// number reads a literal: an integer, perhaps negative, the bits of a float behind 0f or 0d, or a decimal fraction, of which
// it gives the bits as a float of 32.
func (p *parser) number() (uint64, error) {
	negative, err := p.accept("-")
	if err != nil {
		return 0, err
	}
	line := p.token.line
	text, err := p.take(numberToken, "a number")
	if err != nil {
		return 0, err
	}
	var n uint64
	switch {
	case len(text) == 10 && (text[:2] == "0f" || text[:2] == "0F"):
		n, err = strconv.ParseUint(text[2:], 16, 32)
	case len(text) == 18 && (text[:2] == "0d" || text[:2] == "0D"):
		n, err = strconv.ParseUint(text[2:], 16, 64)
	case strings.Contains(text, "."):
		var x float64
		x, err = strconv.ParseFloat(text, 32)
		n = uint64(math.Float32bits(float32(x)))
		if negative {
			n ^= 1 << 31
		}
		negative = false
	default:
		n, err = strconv.ParseUint(text, 0, 64)
	}
	if err != nil {
		return 0, &Error{line, text + " is no number"}
	}
	if negative {
		n = -n
	}
	return n, nil
}
