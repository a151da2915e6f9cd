//go:build !linux

package netns

import (
	"context"
	"errors"
)

var errLinux = errors.New("lab: needs Linux")

// Available needs Linux.
func Available() error { return errLinux }

// Run needs Linux.
func Run(context.Context, Config, Stdio) (*Result, error) { return nil, errLinux }

// Hidden finds nothing to do.
func Hidden([]string, Roles) (code int, ours bool) { return 0, false }
