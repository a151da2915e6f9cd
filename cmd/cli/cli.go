// Package cli is the uq command. It is a package so that a program of one's own
// can be the same command with schedulers of one's own added to the list:
// cmd/uq is five lines around [Main].
package cli

import (
	"os"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/sched"
)

// Main runs the command line in os.Args with the given schedulers to choose
// from, and returns the exit code. It must be the first thing that main does:
// inside the namespaces of a lab uq runs itself again.
func Main(qdiscs sched.Kinds) int {
	s := &streams{in: os.Stdin, out: os.Stdout, err: os.Stderr, ports: egress.Maker{Qdiscs: qdiscs, ReadFile: readLinkFile}}
	if code, ours := runHidden(os.Args, s.ports); ours {
		return code
	}
	ctx, stop := signalContext()
	defer stop()
	return execute(ctx, s, os.Args[1:])
}
