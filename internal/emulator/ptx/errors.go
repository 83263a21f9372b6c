package ptx

import (
	"errors"
	"fmt"
)

// ErrSyntax is wrapped by every error of Parse.
var ErrSyntax = errors.New("PTX is not understood")

// Error is a place in a PTX file that Parse does not accept.
type Error struct {
	Line int // counted from 1
	What string
}

func (e *Error) Error() string { return fmt.Sprintf("PTX line %d: %s", e.Line, e.What) }

// Unwrap makes errors.Is(err, ErrSyntax) true.
func (e *Error) Unwrap() error { return ErrSyntax }
