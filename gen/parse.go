package gen

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ParseHeadDim reads a head dim: a positive multiple of 8 up to 256. The error is a *ValueError.
func ParseHeadDim(text string) (int, error) {
	d, err := strconv.Atoi(text)
	if err != nil || strconv.Itoa(d) != text || checkHeadDim(d) != nil {
		return 0, illegalHeadDim(text)
	}
	return d, nil
}

// ParseList reads a comma-separated list. An element that is there already is left out; an empty one is for parse to
// refuse.
func ParseList[T comparable](text string, parse func(string) (T, error)) ([]T, error) {
	var list []T
	for _, word := range strings.Split(text, ",") {
		value, err := parse(strings.TrimSpace(word))
		if err != nil {
			return nil, err
		}
		if !slices.Contains(list, value) {
			list = append(list, value)
		}
	}
	return list, nil
}

// checkWord is parse's error where value's own word is none that parse knows.
func checkWord[T fmt.Stringer](parse func(string) (T, error), value T) error {
	_, err := parse(value.String())
	return err
}

// checkWords is checkWord of the first of values that is none.
func checkWords[T fmt.Stringer](parse func(string) (T, error), values []T) error {
	for _, value := range values {
		if err := checkWord(parse, value); err != nil {
			return err
		}
	}
	return nil
}
