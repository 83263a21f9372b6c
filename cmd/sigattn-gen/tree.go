package main

import (
	"fmt"

	"github.com/sigattn/sigattn"
	"github.com/sigattn/sigattn/bench"
	"github.com/sigattn/sigattn/gen"
)

// readTree is the packages of the tree that a flag names.
func readTree(flag, dir string) ([]*sigattn.Package, error) {
	packages, err := gen.ReadTree(dir)
	if err != nil {
		return nil, &flagError{flag, fmt.Errorf("%q is not legal; legal: a directory that sigattn-gen generated: %w", dir, err)}
	}
	return packages, nil
}

// chooseFrom picks the package of the smallest head dim that serves a shape.
func chooseFrom(packages []*sigattn.Package, sigmoid sigattn.Sigmoid) bench.Select {
	return func(s bench.Shape) (*sigattn.Package, error) {
		for _, p := range packages {
			if p.HeadDim >= s.HeadDim && p.DType == s.DType && p.Mask == s.Mask && p.Sigmoid == sigmoid {
				return p, nil
			}
		}
		return nil, fmt.Errorf("the tree has no package for head dim %d, %v, %v mask, %v sigmoid", s.HeadDim, s.DType, s.Mask, sigmoid)
	}
}
