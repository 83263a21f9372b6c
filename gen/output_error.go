package gen

import (
	"errors"
	"fmt"
	"syscall"
)

// ErrOutput is wrapped by errors about the output folder.
var ErrOutput = errors.New("output")

// ForeignError is something in an output folder that a package would need the place of and that we did not make. It
// wraps ErrOutput.
type ForeignError struct {
	Path string // as the caller named the folder
}

func (e *ForeignError) Error() string {
	return fmt.Sprintf("%s is in the way: sigattn-gen did not make it and leaves it alone; move it away", e.Path)
}

func (e *ForeignError) Unwrap() error { return ErrOutput }

// NotFolderError is an output folder that is something else. It wraps ErrOutput.
type NotFolderError struct {
	Path string
}

func (e *NotFolderError) Error() string {
	return fmt.Sprintf("output folder %q is not a folder; legal: a folder, or a path where one can be made", e.Path)
}

func (e *NotFolderError) Unwrap() error { return ErrOutput }

func isNotFolder(err error) bool { return errors.Is(err, syscall.ENOTDIR) }
