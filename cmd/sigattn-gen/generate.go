package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sigattn/sigattn/gen"
)

// defaultOut is where packages are generated, below the current directory.
const defaultOut = "generated"

// generateOptions are the flags of the program itself.
type generateOptions struct {
	request   requestFlags
	build     buildFlags
	out       string
	check     bool
	noCompile bool
	recompile bool
}

func (c *cli) generateCommand() *cobra.Command {
	var o generateOptions
	cmd := &cobra.Command{
		Use:   "sigattn-gen",
		Short: "Generate Go packages of sigmoid-attention kernels for NVIDIA GPUs",
		Long: `Generate Go packages of sigmoid-attention kernels for NVIDIA GPUs.

Without a subcommand, sigattn-gen writes the requested packages below --out, one for each head dim, dtype, mask and
sigmoid, with a package that selects among them; what an earlier run made and this one does not ask for goes, and files
of other origin stay. Images whose sources have not changed are kept, the others compiled with NVRTC.

NVRTC is part of this program where it is built with the tag nvrtc, as make in a clone of github.com/sigattn/sigattn
builds bin/sigattn-gen. Without it, as go tool builds it, images come from that module's own packages, which hold the
default matrix with tuned tiles; whatever else is asked for needs NVRTC.

Exit status: 0 fine; 1 what was checked fell short; 2 wrong usage, or a part that is missing.`,
		Example: `  sigattn-gen
  sigattn-gen --check
  //go:generate go tool sigattn-gen --arch sm_80 --head-dims 96 --masks causal --out ./attn`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.generate(cmd.Context(), &o) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	o.request.add(flags)
	flags.StringVar(&o.out, "out", defaultOut, "directory of the packages, inside a Go module")
	flags.BoolVar(&o.check, "check", false, "write nothing; exit 1 where the directory differs from what would be generated")
	flags.BoolVar(&o.noCompile, "no-compile", false, "fail where an image would have to be compiled")
	flags.BoolVar(&o.recompile, "recompile", false, "compile every image anew, or with --check compare them all")
	o.build.add(flags)
	cmd.MarkFlagsMutuallyExclusive("no-compile", "recompile")
	return cmd
}

func (c *cli) generate(ctx context.Context, o *generateOptions) error {
	if err := errors.Join(checkDirectory("out", o.out), checkDirectory("cache", o.build.cacheDir)); err != nil {
		return err
	}
	request, err := o.request.read(c.stderr)
	if err != nil {
		return err
	}
	options := gen.Options{Out: o.out, Recompile: o.recompile}
	if !o.noCompile {
		options.Compiler = c.compiler(o.build)
	}
	if o.check {
		return c.check(ctx, request, options)
	}
	result, err := gen.Generate(ctx, request, options)
	if err != nil {
		return generateError(err)
	}
	_, err = fmt.Fprintf(c.stdout, "%s: %s; %d files changed\n", o.out, summary(result), len(result.Changes))
	return err
}

// check reports how the directory differs from what would be generated.
func (c *cli) check(ctx context.Context, request gen.Request, options gen.Options) error {
	result, err := gen.Check(ctx, request, options)
	if err != nil {
		return generateError(err)
	}
	for _, change := range result.Changes {
		if _, err := fmt.Fprintf(c.stdout, "%s: %s\n", change.Path, change.Kind); err != nil {
			return err
		}
	}
	if n := len(result.Changes); n > 0 {
		return short("%s: %d files are not as they would be generated", options.Out, n)
	}
	_, err = fmt.Fprintf(c.stdout, "%s: %s; as generated\n", options.Out, summary(result))
	return err
}

func summary(r gen.Result) string {
	kernels := 0
	for _, p := range r.Packages {
		kernels += len(p.Plans)
	}
	return fmt.Sprintf("%d packages, %d kernels, %d specs culled", len(r.Packages), kernels, len(r.Culled))
}

// generateError names the flag where an error is about the output directory, and tells an image that needs more than was
// planned from other errors.
func generateError(err error) error {
	var value *gen.ValueError
	if errors.Is(err, gen.ErrOutput) || errors.Is(err, gen.ErrModule) || errors.As(err, &value) && value.What == "output folder" {
		return &flagError{"out", err}
	}
	if errors.Is(err, gen.ErrBudget) {
		return short("%v", err)
	}
	return err
}
