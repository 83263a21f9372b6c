//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package gen

import (
	"errors"
	"os"
)

// errLocked says that another process holds the lock.
var errLocked = errors.New("locked")

// tryLock would take f's lock; this system has no locks that end with their process.
func tryLock(*os.File) error { return errors.ErrUnsupported }
