package main

import (
	"context"
	"io"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/sigattn/sigattn/compile"
	"github.com/sigattn/sigattn/gen"
)

// cli is one run of the program: results go to stdout; progress, notes and errors to stderr.
type cli struct {
	stdout, stderr io.Writer
	nvrtc          nvrtc
}

// nvrtc is package compile's functions, or a test's stand-ins.
type nvrtc struct {
	compile func(context.Context, []compile.Source, compile.Options) ([]gen.Image, error)
	version func() (major, minor int, err error)
}

// execute runs the program with these arguments and returns its exit status.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c := &cli{stdout, stderr, nvrtc{compile.Compile, compile.Version}}
	return c.execute(ctx, args)
}

func (c *cli) execute(ctx context.Context, args []string) int {
	root := c.rootCommand()
	root.SetArgs(args)
	root.SetOut(c.stdout)
	root.SetErr(c.stderr)
	return exitCode(ctx, root.ExecuteContext(ctx), c.stderr)
}

func (c *cli) rootCommand() *cobra.Command {
	root := c.generateCommand()
	root.Version = version()
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(reportFlag)
	root.AddCommand(c.listCommand(), c.compileCommand(), c.verifyCommand(), c.benchCommand(), c.doctorCommand())
	return root
}

// modulePath is the module that this program is of.
const modulePath = "github.com/sigattn/sigattn"

// version is the module's version where the program was installed or run by the go command.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	for _, module := range append(info.Deps, &info.Main) {
		if module.Path == modulePath {
			return module.Version
		}
	}
	return info.Main.Version
}
