package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sigattn/sigattn"
	"github.com/sigattn/sigattn/verify"
)

// verifyOptions are the flags of verify.
type verifyOptions struct {
	tree   string
	level  string
	seed   int
	run    verify.Options
	asJSON bool
}

const maxDevices = 1 << 10

func (c *cli) verifyCommand() *cobra.Command {
	o := verifyOptions{tree: defaultOut, run: verify.Options{On: "auto"}}
	cmd := &cobra.Command{
		Use:   "verify [PACKAGE ...]",
		Short: "Compare the generated kernels with a float64 reference",
		Long: `Compare the generated kernels with a float64 reference, on a GPU or on an emulator that runs their PTX on the CPU.

Each package of the tree, or each one named, runs forward, backward and deterministic backward over a grid of shapes,
layouts and inputs, between guard bands and over poisoned outputs. Where a device has an image for tensors with a tensor
map and another for the rest, forward runs twice: by whichever the tensors call for, and by the latter alone. An output passes where its relative L2 error is at
most 1.25 times that of the same computation in float64 with only P, dS and the result rounded to the storage type;
the table has each output's worst error as a share of its limit.

The emulator also reports accesses out of bounds, misaligned, uninitialised or racing in shared memory, collectives
without all of their threads, and deadlocks, each with its line. It runs the kernels that have PTX.

Exit status: 0 all passed; 1 something fell short; 2 it could not run.`,
		Example: `  sigattn-gen verify
  sigattn-gen verify d128bf16causal --level full --json
  sigattn-gen verify --on emulator --cases 'group|hidden'`,
		RunE: func(cmd *cobra.Command, names []string) error { return c.verify(cmd.Context(), names, &o) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.tree, "tree", o.tree, "generated tree to verify")
	flags.Var(word{&o.run.On, []string{"gpu", "emulator", "auto"}}, "on", "gpu, emulator, or auto: a GPU if there is one")
	flags.Var(count{&o.run.Device, 0, maxDevices}, "device", "ordinal of the GPU")
	flags.Var(word{&o.level, levelWords()}, "level", "tiny shapes, every kind of shape and input, or also lengths to 64k and large offsets; default default, on the emulator short")
	flags.StringVar(&o.run.Cases, "cases", "", "regular expression of the cases' names; default all")
	flags.Var(count{&o.seed, 0, math.MaxInt}, "seed", "seed of the inputs, of the random cases and of the emulator's order")
	flags.BoolVar(&o.run.Bare, "bare", false, "no guard bands and no poison, for compute-sanitizer and the emulator's own checks of memory")
	flags.BoolVar(&o.asJSON, "json", false, "print the report as JSON")
	return cmd
}

func levelWords() []string {
	var words []string
	for _, level := range verify.Levels() {
		words = append(words, string(level))
	}
	return words
}

func (c *cli) verify(ctx context.Context, names []string, o *verifyOptions) error {
	packages, err := readTree("tree", o.tree)
	if err != nil {
		return err
	}
	if o.run.Packages, err = named(packages, names); err != nil {
		return err
	}
	o.run.Level, o.run.Seed = verify.Level(o.level), uint64(o.seed)
	p := &verifyProgress{c: c}
	o.run.Progress = p.event
	report, err := verify.Run(ctx, o.run)
	p.end()
	switch {
	case errors.Is(err, verify.ErrOption):
		return &flagError{"cases", err}
	case len(report.Results) == 0 && err != nil:
		return err
	}
	if o.asJSON {
		return errors.Join(err, printJSON(c.stdout, report), verdict(report))
	}
	return errors.Join(err, printVerified(c.stdout, report), verdict(report))
}

// verdict is an errShort where something failed.
func verdict(report verify.Report) error {
	if report.Passed {
		return nil
	}
	failed := 0
	for _, k := range report.Kernels {
		failed += k.Failed
	}
	return short("%d of %d results fell short", failed, len(report.Results))
}

// named picks packages by name; no name means all.
func named(packages []*sigattn.Package, names []string) ([]*sigattn.Package, error) {
	if len(names) == 0 {
		return packages, nil
	}
	var legal []string
	for _, p := range packages {
		legal = append(legal, p.Name)
	}
	var picked []*sigattn.Package
	for _, name := range names {
		i := slices.Index(legal, name)
		if i < 0 {
			return nil, fmt.Errorf("package %w", illegal(name, strings.Join(legal, ", ")))
		}
		picked = append(picked, packages[i])
	}
	return picked, nil
}
