//go:build !linux

package inject

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"

	"github.com/uqtool/uq/replay/netns"
	"github.com/uqtool/uq/traces"
)

var errLinux = errors.New("live replay: needs Linux")

// Files are the traces of a live replay.
type Files struct{ Trace, Outcome, Stderr *os.File }

// Run needs Linux.
func Run(context.Context, *Task, json.RawMessage, Files, bool) (*Report, error) { return nil, errLinux }

// SendOn needs Linux.
func SendOn(context.Context, *Task, string, net.HardwareAddr, func() (*traces.Reader, error)) (*Report, error) {
	return nil, errLinux
}

// DefaultCPUs needs Linux.
func DefaultCPUs() []int { return nil }

// Roles needs Linux.
func Roles(*Task) netns.Roles { return netns.Roles{} }
