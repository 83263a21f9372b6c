//go:build !linux && !darwin

package gen

import "errors"

// exchange would swap two folders in one step; this system cannot.
func exchange(_, _ string) error { return errors.ErrUnsupported }
