// Command sigattn-gen generates, compiles, verifies and times sigmoid-attention kernels. It holds no logic of its own:
// it reads flags, calls gen, compile, verify and bench, and prints what they return.
//
// Exit status: 0 fine; 1 what was checked fell short; 2 wrong usage, or a part that is missing.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := notify(context.Background())
	code := execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// notify is a context that the first signal ends; a second one ends the program at once.
func notify(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(parent, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}
