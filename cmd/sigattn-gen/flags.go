package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sigattn/sigattn/gen"
)

// list is the value of a flag that takes comma-separated values. The first use replaces the default, further ones add.
type list[T comparable] struct {
	values *[]T
	set    bool
	read   func(string) (T, error) // its error says what is legal
	show   func(T) string
}

func newList[T comparable](values *[]T, read func(string) (T, error), show func(T) string) *list[T] {
	return &list[T]{values: values, read: read, show: show}
}

// newWords is a list of values that are their own words.
func newWords[T ~string](values *[]T, legal []T) *list[T] {
	read := func(s string) (T, error) {
		if !slices.Contains(legal, T(s)) {
			return "", illegal(s, join(legal))
		}
		return T(s), nil
	}
	return newList(values, read, func(v T) string { return string(v) })
}

// newNumbers is a list of integers from 1 to most.
func newNumbers(values *[]int, most int) *list[int] {
	read := func(s string) (int, error) {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > most {
			return 0, illegal(s, fmt.Sprintf("integers from 1 to %d", most))
		}
		return n, nil
	}
	return newList(values, read, strconv.Itoa)
}

// Set reads a comma-separated list; a value given twice counts once.
func (l *list[T]) Set(s string) error {
	read, err := gen.ParseList(s, l.read)
	if err != nil {
		return err
	}
	if !l.set {
		*l.values, l.set = nil, true
	}
	for _, v := range read {
		if !slices.Contains(*l.values, v) {
			*l.values = append(*l.values, v)
		}
	}
	return nil
}

func (l *list[T]) String() string {
	if l == nil || l.values == nil {
		return ""
	}
	words := make([]string, len(*l.values))
	for i, v := range *l.values {
		words[i] = l.show(v)
	}
	return strings.Join(words, ",")
}

// Type is what the help shows after the flag.
func (l *list[T]) Type() string { return "list" }

// count is the value of a flag that takes one integer.
type count struct {
	value       *int
	least, most int
}

// Set reads the integer.
func (c count) Set(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil || n < c.least || n > c.most {
		return illegal(s, fmt.Sprintf("integers from %d to %d", c.least, c.most))
	}
	*c.value = n
	return nil
}

func (c count) String() string {
	if c.value == nil {
		return ""
	}
	return strconv.Itoa(*c.value)
}

// Type is what the help shows after the flag.
func (c count) Type() string { return "int" }

// positive is the value of a flag that takes a number of moderate size, or 0 for a default.
type positive struct{ value *float64 }

// Set reads the number.
func (p positive) Set(s string) error {
	const least, most = 1e-3, 1e3
	x, err := strconv.ParseFloat(s, 64)
	if err != nil || x != 0 && !(x >= least && x <= most) {
		return illegal(s, fmt.Sprintf("numbers from %v to %v, and 0", least, most))
	}
	*p.value = x
	return nil
}

func (p positive) String() string {
	if p.value == nil {
		return ""
	}
	return strconv.FormatFloat(*p.value, 'g', -1, 64)
}

// Type is what the help shows after the flag.
func (p positive) Type() string { return "number" }

// word is the value of a flag that takes one of a few words.
type word struct {
	value *string
	legal []string
}

// Set takes the word.
func (w word) Set(s string) error {
	if !slices.Contains(w.legal, s) {
		return illegal(s, join(w.legal))
	}
	*w.value = s
	return nil
}

func (w word) String() string {
	if w.value == nil {
		return ""
	}
	return *w.value
}

// Type is what the help shows after the flag.
func (w word) Type() string { return strings.Join(w.legal, "|") }

func join[T ~string](words []T) string {
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = string(w)
	}
	return strings.Join(texts, ", ")
}

// reportFlag turns pflag's errors about values into ours, which name the flag, the value and the legal ones.
func reportFlag(_ *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return err
	}
	why := invalid.Unwrap()
	if invalid.GetFlag().Value.Type() == "bool" {
		why = illegal(invalid.GetValue(), "true, false")
	}
	return &flagError{invalid.GetFlag().Name, why}
}
