package gen

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
)

// ErrBinding is wrapped by errors about Go source that the generator itself wrote wrongly.
var ErrBinding = errors.New("bad binding")

// verifyBinding is an error where text is not gofmt's form of a generated, documented package of that name.
func verifyBinding(name string, text []byte) error {
	formatted, err := format.Source(text)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrBinding, name, err)
	}
	if !bytes.Equal(formatted, text) {
		return fmt.Errorf("%w: %s: gofmt would change it", ErrBinding, name)
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), name+".go", text, parser.ParseComments|parser.SkipObjectResolution)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %s: %w", ErrBinding, name, err)
	case parsed.Name.Name != name:
		return fmt.Errorf("%w: %s: its package is %s", ErrBinding, name, parsed.Name.Name)
	case !ast.IsGenerated(parsed) || parsed.Doc == nil:
		return fmt.Errorf("%w: %s: it is not marked as generated, or its package has no comment", ErrBinding, name)
	}
	return nil
}
