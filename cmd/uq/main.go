// Command uq records what passes a Linux NFQUEUE, replays it, and simulates
// packet schedulers on it. See README.md.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(run()) }

// run is main with an exit code, in the shape testscript wants.
func run() int {
	if code, ours := runHidden(os.Args); ours {
		return code
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s := &streams{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	return execute(ctx, s, os.Args[1:])
}
