// Command uq records what passes a Linux NFQUEUE, replays it, and simulates
// packet schedulers on it. See README.md.
package main

import (
	"os"

	"github.com/uqtool/uq/cmd/cli"
	"github.com/uqtool/uq/sim/sched/builtin"
)

func main() { os.Exit(cli.Main(builtin.Kinds())) }
