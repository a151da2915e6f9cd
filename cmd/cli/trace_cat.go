package cli

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/uqtool/uq/traces"
)

// traceCatOptions are the flags of uq trace cat.
type traceCatOptions struct {
	out     string
	json    bool
	salvage bool
}

func newTraceCatCmd(s *streams) *cobra.Command {
	var o traceCatOptions
	cmd := &cobra.Command{
		Use:   "cat TRACE",
		Short: "Print a trace as text",
		Long: `Print a trace as text: a version line, the header, one line a packet or event,
the end. uq trace pack makes the same trace of it again. Fields at their default
are left out; traces/FORMAT.md lists them.

With --json each line is a JSON object whose "type" is header, packet, event or
end. A packet has all its fields, named as in the text, with times in integer
nanoseconds (time_ns, due_ns, ...); a time that is absent is left out. The flow
comes as proto, src, sport, dst and dport as well, ds as dscp and ecn too.
traces/FORMAT.md lists them all. There is no way back from JSON.`,
		Example: `  uq trace cat t.zst | grep verdict=drop
  uq trace cat --json t.zst | jq 'select(.verdict == "drop") | .time_ns'`,
		Args: operands(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runTraceCat(cmd.Context(), s, args[0], o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.salvage, "salvage", false, "go on after damage, at the next whole block")
	f.BoolVar(&o.json, "json", false, "print JSON lines")
	f.StringVarP(&o.out, "output", "o", "-", "file to write, - for standard output")
	return cmd
}

func runTraceCat(ctx context.Context, s *streams, name string, o traceCatOptions) error {
	in, err := startTrace(ctx, s, name, &o.salvage)
	if err != nil {
		return err
	}
	defer in.Close()
	return writeTraceFile(s, o.out, func(w io.Writer) error {
		var t traces.Sink
		var err error
		if o.json {
			t, err = traces.NewJSONWriter(w, in.Header())
		} else {
			t, err = traces.NewTextWriter(w, in.Header())
		}
		if err != nil {
			return err
		}
		return in.fail(traces.Copy(t, in, nil))
	})
}
