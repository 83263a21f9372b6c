package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/sigattn/sigattn/compile"
	"github.com/sigattn/sigattn/gen"
)

// buildFlags say how kernels are compiled.
type buildFlags struct {
	cacheDir string
	jobs     int
}

func (b *buildFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&b.cacheDir, "cache", "", "directory of the compile cache (default the user's)")
	flags.Var(count{&b.jobs, 0, maxJobs}, "jobs", "kernels compiled at a time; 0 means one per CPU")
}

const (
	maxJobs  = 1024
	maxShown = 12 // kernels whose failure is shown: one mistake in a template breaks them all
)

// compiler makes images with NVRTC where this program has it, and else takes them from the module's own packages where
// these can be found.
func (c *cli) compiler(b buildFlags) gen.Compiler {
	return func(ctx context.Context, sources []gen.Source) (gen.Compiled, error) {
		major, minor, err := c.nvrtc.version()
		if err != nil {
			if folder, absent := moduleFolder(ctx); absent == nil {
				if compiled, lacking := gen.Prebuilt(filepath.Join(folder, defaultOut), sources); !errors.Is(lacking, gen.ErrArchive) {
					return compiled, lacking
				}
			}
			return gen.Compiled{}, err
		}
		images, err := c.compileSources(ctx, sources, b)
		return gen.Compiled{Images: images, By: fmt.Sprintf("NVRTC %d.%d", major, minor)}, err
	}
}

// moduleFolder is where the go command has the module that this program is of, seen from the current directory.
func moduleFolder(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", modulePath).Output()
	return strings.TrimSpace(string(out)), err
}

// compileSources is NVRTC behind the cache, with its progress on stderr and each kernel that fails named there.
func (c *cli) compileSources(ctx context.Context, sources []gen.Source, b buildFlags) ([]gen.Image, error) {
	p := newProgress(c.stderr, "compiled", len(sources))
	defer p.end()
	images, err := c.nvrtc.compile(ctx, sources, compile.Options{
		CacheDir: b.cacheDir,
		Workers:  b.jobs,
		Progress: func(e compile.Event) { p.compiled(e) },
	})
	var failed *compile.FailedError
	if !errors.As(err, &failed) {
		return images, err
	}
	p.end()
	for _, each := range failed.Errs[:min(len(failed.Errs), maxShown)] {
		fmt.Fprintf(c.stderr, "sigattn-gen: %v\n", each)
	}
	return images, short("%d of %d kernels failed to compile", len(failed.Errs), failed.Kernels)
}

// compiled shows one step of a compile.
func (p *progress) compiled(e compile.Event) {
	switch e.Step {
	case compile.Cached:
		p.step("%s (cached)", e.Kernel)
	case compile.Finished:
		p.step("%s %.1fs", e.Kernel, e.Duration.Seconds())
	}
}
