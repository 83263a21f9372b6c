//go:build unix

package main

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sigattn/sigattn/compile"
	"github.com/sigattn/sigattn/gen"
)

// asProgram has the test binary be the program, with a compiler that says on stderr that it began and never ends.
const asProgram = "SIGATTN_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		ctx, stop := notify(context.Background())
		defer stop()
		endless := func(ctx context.Context, _ []compile.Source, _ compile.Options) ([]gen.Image, error) {
			fmt.Fprintln(os.Stderr, "compiling")
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}
		c := &cli{os.Stdout, os.Stderr, nvrtc{endless, func() (int, int, error) { return 13, 0, nil }}}
		os.Exit(c.execute(ctx, os.Args[1:]))
	}
	os.Exit(m.Run())
}

func TestSignals(t *testing.T) {
	dir := inModule(t)
	if r := runArgs(t, small...); r.code != exitFine {
		t.Fatal(r.stderr)
	}
	before := snapshot(t, dir)
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL} {
		program := exec.Command(os.Args[0], with(small, "--recompile", "--masks", "causal")...)
		program.Env = append(os.Environ(), asProgram+"=1")
		stderr, err := program.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := program.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(stderr)
		if !lines.Scan() || lines.Text() != "compiling" {
			t.Fatalf("%v: began with %q, %v", signal, lines.Text(), lines.Err())
		}
		if err := program.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		var said []string
		for lines.Scan() {
			said = append(said, lines.Text())
		}
		_ = program.Wait() // the state says more
		if signal != syscall.SIGKILL && (program.ProcessState.ExitCode() != exitUsage || strings.Join(said, "\n") != "sigattn-gen: interrupted") {
			t.Errorf("%v: status %d, stderr %q", signal, program.ProcessState.ExitCode(), said)
		}
		if !maps.Equal(before, snapshot(t, dir)) {
			t.Errorf("%v: the tree is not as before", signal)
		}
	}
	if r := runArgs(t, with(small, "--masks", "causal")...); r.code != exitFine {
		t.Error(r.stderr)
	}
	if files, err := filepath.Glob("attn/*"); err != nil || len(files) != 2 {
		t.Errorf("after the run that followed: %v", files)
	}
}
