//go:build !linux

package doctor

import (
	"context"
	"os"
	"runtime"
)

// Gather finds that this is not Linux.
func Gather(ctx context.Context, o Options) (*Facts, error) {
	s := System{OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), UID: os.Geteuid()}
	return &Facts{System: s, Quick: o.Quick}, ctx.Err()
}

// Hidden finds nothing to do.
func Hidden([]string) (code int, ours bool) { return 0, false }
