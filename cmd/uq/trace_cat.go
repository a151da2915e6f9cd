package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/uqtool/uq/traces"
)

func newTraceCatCmd(s *streams) *cobra.Command {
	var salvage bool
	var out string
	cmd := &cobra.Command{
		Use:   "cat TRACE",
		Short: "Print a trace as text",
		Long: `Print a trace as text: a version line, the header, one line a packet or event,
the end. uq trace pack makes the same trace of it again. Fields at their default
are left out; traces/FORMAT.md lists them.`,
		Example: "  uq trace cat t.zst | grep verdict=drop",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runTraceCat(cmd.Context(), s, args[0], out, salvage)
		},
	}
	cmd.Flags().BoolVar(&salvage, "salvage", false, "go on after damage, at the next whole block")
	cmd.Flags().StringVarP(&out, "output", "o", "-", "file to write, - for standard output")
	return cmd
}

func runTraceCat(ctx context.Context, s *streams, name, out string, salvage bool) error {
	r, in, err := startTrace(ctx, s, name, salvage)
	if err != nil {
		return err
	}
	defer in.Close()
	return writeTraceFile(s, out, func(w io.Writer) error {
		t, err := traces.NewTextWriter(w, r.Header())
		if err != nil {
			return err
		}
		return traceError(name, traces.Copy(t, r, nil))
	})
}

func newTracePackCmd(s *streams) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:     "pack TEXT -o TRACE",
		Short:   "Make a trace of its text form",
		Example: "  uq trace cat t.zst | sed s/ds=0xb8/ds=0x0/ | uq trace pack - -o nodscp.zst",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runTracePack(cmd.Context(), s, args[0], out)
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "trace to write, - for standard output")
	_ = cmd.MarkFlagRequired("output")
	return cmd
}

func runTracePack(ctx context.Context, s *streams, name, out string) error {
	in, err := openTraceInput(ctx, s, name)
	if err != nil {
		return err
	}
	defer in.Close()
	text, err := traces.NewTextReader(in)
	if err != nil {
		return traceTextError(name, err)
	}
	return writeTraceFile(s, out, func(w io.Writer) error {
		t, err := traces.NewWriter(w, text.Header(), traces.WriterOptions{})
		if err != nil {
			return err
		}
		if err := traces.Copy(t, text, nil); err != nil {
			return traceTextError(name, err)
		}
		printTraceWritten(s, t.Stats())
		return nil
	})
}

// traceTextError gives an error of reading a text its exit code: what is not damage
// is a mistake in the text.
func traceTextError(name string, err error) error {
	var d *traces.Damage
	if errors.Is(err, context.Canceled) || errors.As(err, &d) {
		return traceError(name, err)
	}
	return usageErrorf("%s: %w", name, err)
}

func printTraceWritten(s *streams, st traces.WriterStats) {
	if st.Records == 0 {
		fmt.Fprintf(s.err, "wrote no packets, %d events, %d bytes\n", st.Events, st.Bytes)
		return
	}
	fmt.Fprintf(s.err, "wrote %d packets, %d events, %d bytes (%.1f a packet)\n",
		st.Records, st.Events, st.Bytes, float64(st.Bytes)/float64(st.Records))
}
