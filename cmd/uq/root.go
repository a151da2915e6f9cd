package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// Exit codes, as the README states them.
const (
	exitOK          = 0
	exitRuntime     = 1
	exitUsage       = 2   // bad flags or bad input
	exitAssert      = 3   // an assertion failed
	exitDamaged     = 4   // the trace is damaged; what could be recovered was used
	exitInterrupted = 130 // SIGINT
)

// streams is where a command reads and writes. Data goes to out, words to err.
type streams struct {
	in  io.Reader
	out io.Writer
	err io.Writer
}

// exitError carries the exit code a failure maps to.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// usageErrorf is an error of the command line or the input: exit code 2.
func usageErrorf(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// damagedErrorf reports a trace that was read only in part: exit code 4.
func damagedErrorf(format string, args ...any) error {
	return &exitError{exitDamaged, fmt.Errorf(format, args...)}
}

// execute runs one command line and returns its exit code.
func execute(ctx context.Context, s *streams, args []string) int {
	root := newRootCmd(s)
	root.SetArgs(args)
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(s.err, "uq: %v\n", err)
	var e *exitError
	switch {
	case errors.As(err, &e):
		return e.code
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case isCobraUsage(err):
		return exitUsage
	}
	return exitRuntime
}

// isCobraUsage recognises cobra's own complaints about commands, arguments and
// flags, which have no type.
func isCobraUsage(err error) bool {
	for _, p := range []string{"unknown command", "unknown flag", "unknown shorthand", "invalid argument", "flag needs", "required flag", "accepts ", "requires at least", "if any flags in the group"} {
		if strings.HasPrefix(err.Error(), p) {
			return true
		}
	}
	return false
}

func newRootCmd(s *streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "uq",
		Short: "Record, simulate and replay packet queues",
		Long: `uq (userspace queue) records what passes a Linux NFQUEUE into compressed
traces and runs packet schedulers on them in deterministic virtual time.`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	cmd.AddCommand(newRecordCmd(s), newSimCmd(s), newReplayCmd(s), newVerifyCmd(s), newTraceCmd(s))
	return cmd
}
