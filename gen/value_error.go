package gen

import (
	"errors"
	"fmt"
)

// ErrValue is wrapped by every *ValueError.
var ErrValue = errors.New("illegal value")

// ValueError names what was given, the value and the legal ones. (Words of the root package's enumerations have that
// package's *NameError.)
type ValueError struct {
	What  string // "head dim", "tile rows", …
	Value string
	Legal string // as a phrase: "positive multiples of 8 up to 256"
}

func (e *ValueError) Error() string {
	return fmt.Sprintf("%s %q is not legal; legal: %s", e.What, e.Value, e.Legal)
}

func (e *ValueError) Unwrap() error { return ErrValue }
