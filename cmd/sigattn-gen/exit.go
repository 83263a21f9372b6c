package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Exit statuses.
const (
	exitFine  = 0
	exitShort = 1 // what was checked fell short
	exitUsage = 2 // wrong usage, or a part that is missing
)

// errShort is the sentinel of a check that ran and found something wrong.
var errShort = errors.New("fell short")

// shortfall is an errShort with its own text.
type shortfall struct{ text string }

func (s *shortfall) Error() string { return s.text }

func (s *shortfall) Unwrap() error { return errShort }

// short reports what a check found wrong.
func short(format string, args ...any) error { return &shortfall{fmt.Sprintf(format, args...)} }

// flagError is a flag's value that is not legal.
type flagError struct {
	flag string // without dashes
	err  error  // names the value and the legal ones
}

func (e *flagError) Error() string { return fmt.Sprintf("--%s: %v", e.flag, e.err) }

func (e *flagError) Unwrap() error { return e.err }

// illegal is an error that names a value and the legal ones.
func illegal(value, legal string) error {
	return fmt.Errorf("%q is not legal; legal: %s", value, legal)
}

// exitCode is the status that an error ends the program with; what is wrong goes to stderr.
func exitCode(ctx context.Context, err error, stderr io.Writer) int {
	if err == nil {
		return exitFine
	}
	if ctx.Err() != nil {
		fmt.Fprintln(stderr, "sigattn-gen: interrupted")
		return exitUsage
	}
	var flag *flagError
	if errors.As(err, &flag) { // bad input takes one line
		fmt.Fprintf(stderr, "sigattn-gen: %s\n", strings.Join(strings.Fields(err.Error()), " "))
		return exitUsage
	}
	fmt.Fprintf(stderr, "sigattn-gen: %v\n", err)
	if errors.Is(err, errShort) {
		return exitShort
	}
	return exitUsage
}
