package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/traces"
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
	// ports makes the schedulers and links that the user names.
	ports egress.Maker
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
	if errors.Is(err, context.Canceled) {
		// How the interruption reached the command, as damage or as a failed read,
		// is nobody's business; what else went wrong on the way out is.
		err = errors.Join(append(besidesInterrupt(err), errInterrupted)...)
	}
	fmt.Fprintf(s.err, "uq: %s\n", printable(err.Error(), "\n\t"))
	return exitCode(err)
}

var errInterrupted = &exitError{exitInterrupted, errors.New("interrupted")}

func exitCode(err error) int {
	var e *exitError
	switch {
	case errors.Is(err, errInterrupted):
		return exitInterrupted
	case errors.As(err, &e):
		return e.code
	case isCobraUsage(err), errors.Is(err, traces.ErrUnusable):
		return exitUsage
	}
	return exitRuntime
}

// besidesInterrupt lists what errors.Join put beside an interruption.
func besidesInterrupt(err error) []error {
	if !errors.Is(err, context.Canceled) {
		return []error{err}
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		if err = errors.Unwrap(err); err == nil {
			return nil
		}
		return besidesInterrupt(err)
	}
	var others []error
	for _, e := range joined.Unwrap() {
		others = append(others, besidesInterrupt(e)...)
	}
	return others
}

// printable escapes what a terminal would not print but obey, as in a Go
// string, but for the characters of keep. Words that come from a file pass
// through it on their way to a person.
func printable(s, keep string) string {
	var b strings.Builder
	for _, r := range s {
		if strconv.IsPrint(r) || strings.ContainsRune(keep, r) {
			b.WriteRune(r)
			continue
		}
		q := strconv.QuoteRune(r)
		b.WriteString(q[1 : len(q)-1])
	}
	return b.String()
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
	cmd.AddCommand(newRecordCmd(s), newSimCmd(s), newTestCmd(s), newReplayCmd(s), newVerifyCmd(s), newExplainCmd(s), newDiffCmd(s), newBenchCmd(s), newTraceCmd(s), newDoctorCmd(s), newVersionCmd(s), newManCmd())
	setVersion(cmd)
	cmd.InitDefaultHelpCmd()
	cmd.InitDefaultCompletionCmd()
	complete(s, cmd)
	quoted(cmd)
	onlyCommands(cmd)
	if isTerminal(s.out) {
		cmd.SetUsageTemplate(wrapped(cmd.UsageTemplate(), terminal(s.out, os.Getenv).Width))
	}
	for _, c := range cmd.Commands() {
		switch c.Name() {
		case "help":
			c.Run, c.RunE = nil, runHelp
		case "trace", "completion":
			onlyCommands(c)
		}
	}
	return cmd
}

// wrapped is a usage template with what it says of flags broken into lines that
// fit.
func wrapped(template string, width int) string {
	return strings.ReplaceAll(template, ".FlagUsages", fmt.Sprintf(".FlagUsagesWrapped %d", width))
}

// onlyCommands makes a command that does nothing by itself print its help when
// it stands alone and refuse any word that is not a command of its own. Without
// it cobra takes such words for a wish for help.
func onlyCommands(cmd *cobra.Command) {
	cmd.SuggestionsMinimumDistance = 2
	cmd.DisableFlagsInUseLine = true
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknownCommand(cmd, args[0])
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		if c == cmd && c.Flags().NArg() > 0 {
			return unknownCommand(c, c.Flags().Arg(0))
		}
		return flagError(c.Flags(), err)
	})
}

func unknownCommand(cmd *cobra.Command, word string) error {
	if like := cmd.SuggestionsFor(word); len(like) > 0 {
		return usageErrorf("unknown command %q for %q: did you mean %s?", word, cmd.CommandPath(), strings.Join(like, " or "))
	}
	return usageErrorf("unknown command %q for %q: see %s --help", word, cmd.CommandPath(), cmd.CommandPath())
}

// runHelp prints the help of the command that args name.
func runHelp(cmd *cobra.Command, args []string) error {
	at := cmd.Root()
	for _, word := range args {
		next := slices.IndexFunc(at.Commands(), func(c *cobra.Command) bool { return c.Name() == word || c.HasAlias(word) })
		if next < 0 {
			return unknownCommand(at, word)
		}
		at = at.Commands()[next]
	}
	at.InitDefaultHelpFlag()
	return at.Help()
}
