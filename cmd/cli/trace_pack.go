package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/uqtool/uq/replay"
	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/traces"
)

func newTracePackCmd(s *streams) *cobra.Command {
	var out traceDestination
	cmd := &cobra.Command{
		Use:   "pack TEXT -o TRACE",
		Short: "Make a trace of its text form",
		Long: `Make a trace of its text form, which uq trace cat prints and traces/FORMAT.md
describes. What no command of uq could use is refused: packets that arrive before
the trace's time zero, a header with a scheduler or a link-layer header that is
none.`,
		Example: "  uq trace cat t.zst | sed s/ds=0xb8/ds=0x0/ | uq trace pack - -o nodscp.zst",
		Args:    operands(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runTracePack(cmd.Context(), s, args[0], out)
		},
	}
	out.flags(cmd)
	return cmd
}

func runTracePack(ctx context.Context, s *streams, name string, out traceDestination) error {
	in, err := openTraceInput(ctx, s, name)
	if err != nil {
		return err
	}
	defer in.Close()
	text, err := traces.NewTextReader(in)
	if err == nil {
		err = checkPackable(s.ports, text.Header())
	}
	if err != nil {
		return traceTextError(name, err)
	}
	return writeTrace(s, out, text.Header(), func(t *traces.Writer) error {
		return traceTextError(name, traces.Copy(fromZero{t, text}, text, nil))
	})
}

// checkPackable refuses a header that would make every later use of the trace
// fail.
func checkPackable(ports egress.Maker, h traces.Header) error {
	if err := h.CheckLinkHeader(); err != nil {
		return err
	}
	if h.Scheduler != nil {
		return replay.CheckScheduler(ports, *h.Scheduler)
	}
	return nil
}

// fromZero refuses packets that arrive before time zero: a simulation begins
// there.
type fromZero struct {
	traces.Sink
	text *traces.TextReader
}

func (z fromZero) Append(r *traces.Record) error {
	if r.Time < 0 {
		return fmt.Errorf("line %d: time %s is before the trace's time zero, where a simulation begins", z.text.Line(), r.Time)
	}
	return z.Sink.Append(r)
}

// traceTextError gives an error of reading a text its exit code: what is
// neither damage nor a file's failure is a mistake in the text.
func traceTextError(name string, err error) error {
	var file *fs.PathError
	if err == nil || isDamage(err) || errors.Is(err, context.Canceled) || errors.As(err, &file) {
		return traceError(name, err)
	}
	return usageErrorf("%s: %w", name, err)
}
