package gen

import (
	"errors"
	"fmt"
)

// ErrTemplate is wrapped by every *TemplateError.
var ErrTemplate = errors.New("template error")

// TemplateError is a template, or a source made of templates, that breaks a rule.
type TemplateError struct {
	File   string // a path below templates/, or NAME.cu
	Line   int    // from 1; 0 where no line is to blame
	Reason string
}

func (e *TemplateError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %s", e.File, e.Reason)
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Reason)
}

func (e *TemplateError) Unwrap() error { return ErrTemplate }
