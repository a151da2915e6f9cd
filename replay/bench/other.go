//go:build !linux

package bench

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"runtime"

	"github.com/uqtool/uq/replay/netns"
	"github.com/uqtool/uq/sim/egress"
)

// Hidden finds nothing to do.
func Hidden([]string, egress.Maker) (code int, ours bool) { return 0, false }

// Roles are none.
func Roles(*Task) netns.Roles { return netns.Roles{} }

// Run needs Linux.
func Run(context.Context, *Task, json.RawMessage, *os.File, func(Sample)) (interrupted bool, err error) {
	return false, errors.New("bench: needs Linux")
}

// ThisMachine describes where the program runs.
func ThisMachine() Machine {
	return Machine{CPU: runtime.GOARCH, CPUs: runtime.NumCPU(), Kernel: runtime.GOOS, Go: runtime.Version()}
}
