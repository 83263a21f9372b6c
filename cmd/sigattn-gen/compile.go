package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sigattn/sigattn/gen"
)

// compileOptions are the flags of compile.
type compileOptions struct {
	request requestFlags
	build   buildFlags
	out     string
	asJSON  bool
}

func (c *cli) compileCommand() *cobra.Command {
	var o compileOptions
	cmd := &cobra.Command{
		Use:   "compile [KERNEL.cu ...]",
		Short: "Compile kernels with NVRTC and report registers and spills",
		Long: `Compile kernels with NVRTC and report registers and spills.

Without files, the kernels of the request. With files, those: each is self-contained, and its name without .cu is a
kernel's, as list shows them. Compiled kernels stay in the cache; --out writes sources, cubins and PTX to a directory too.`,
		RunE: func(cmd *cobra.Command, files []string) error { return c.compile(cmd.Context(), files, &o) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	o.request.add(flags)
	o.build.add(flags)
	flags.StringVar(&o.out, "out", "", "directory to write NAME.cubin, NAME.ptx and NAME.cu to")
	flags.BoolVar(&o.asJSON, "json", false, "print a JSON array of the kernels")
	return cmd
}

func (c *cli) compile(ctx context.Context, files []string, o *compileOptions) error {
	if err := errors.Join(checkDirectory("out", o.out), checkDirectory("cache", o.build.cacheDir)); err != nil {
		return err
	}
	plans, sources, err := c.sources(files, o)
	if err != nil {
		return err
	}
	images, compileErr := c.compileSources(ctx, sources, o.build)
	if compileErr != nil && !errors.Is(compileErr, errShort) {
		return compileErr
	}
	records := newKernelRecords(plans, reportsOf(images))
	if o.asJSON {
		err = printJSON(c.stdout, records)
	} else {
		err = printKernels(c.stdout, records)
	}
	if err == nil && o.out != "" {
		err = writeImages(o.out, sources, images)
	}
	return errors.Join(err, compileErr)
}

// sources are the kernels that compile is about, and their plans.
func (c *cli) sources(files []string, o *compileOptions) ([]gen.Plan, []gen.Source, error) {
	if len(files) > 0 {
		return fileSources(files)
	}
	request, err := o.request.read(c.stderr)
	if err != nil {
		return nil, nil, err
	}
	plans, _ := request.Plans()
	sources := make([]gen.Source, len(plans))
	for i, p := range plans {
		text, err := gen.Render(p)
		if err != nil {
			return nil, nil, err
		}
		sources[i] = gen.Source{Name: p.Name(), Text: text, Arch: p.Arch}
	}
	return plans, sources, nil
}

// fileSources reads kernels whose files bear their names.
func fileSources(files []string) ([]gen.Plan, []gen.Source, error) {
	var plans []gen.Plan
	var sources []gen.Source
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".cu")
		plan, err := gen.ParseName(name)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", file, err)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, nil, err
		}
		plans = append(plans, plan)
		sources = append(sources, gen.Source{Name: name, Text: text, Arch: plan.Arch})
	}
	return plans, sources, nil
}

// writeImages writes each kernel's source into dir, and its images unless it failed. A file that exists is replaced as a
// whole.
func writeImages(dir string, sources []gen.Source, images []gen.Image) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for i, image := range images {
		for _, file := range []struct {
			suffix string
			data   []byte
		}{{".cu", sources[i].Text}, {".ptx", image.PTX}, {".cubin", image.Cubin}} {
			if len(file.data) == 0 {
				continue
			}
			if err := replaceFile(filepath.Join(dir, sources[i].Name+file.suffix), file.data); err != nil {
				return err
			}
		}
	}
	return nil
}

func replaceFile(path string, data []byte) error {
	temporary := path + ".tmp"
	if err := os.WriteFile(temporary, data, 0o666); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}

// checkDirectory refuses a flag's path where something that is no directory is.
func checkDirectory(flag, path string) error {
	if path == "" {
		return nil
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.IsDir() {
		return nil
	}
	return &flagError{flag, illegal(path, "a directory, or a path where one can be made")}
}
