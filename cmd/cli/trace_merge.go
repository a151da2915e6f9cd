package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/tc"
	"github.com/uqtool/uq/traces"
)

// traceMergeOptions are the flags of uq trace merge.
type traceMergeOptions struct {
	names   []string
	offsets []string
	clock   bool
	salvage bool
	out     traceDestination
}

func newTraceMergeCmd(s *streams) *cobra.Command {
	var o traceMergeOptions
	cmd := &cobra.Command{
		Use:   "merge TRACE... -o TRACE",
		Short: "Make one trace of several, by arrival time",
		Long: fmt.Sprintf(`Make one trace of several, as of a recording and of background traffic to add
to it. All begin together, unless --offset or --clock says otherwise. Packets are
in the order of their arrival, those of the same time in the order of the traces.

No queue decided about these packets together, so what became of them is left
out: verdicts, their times and reasons. Events and losses of all traces are kept,
and the header says what was merged. A trace may be corpus:NAME, an embedded one.

Of a damaged trace comes what is before the damage, of the others everything; the
exit code is then 4. At most %d traces are merged at once.`, traces.MaxMerged),
		Example: `  uq trace merge call.zst background.zst -o both.zst
  uq trace merge call.zst download.zst --offset 0s,10s -o both.zst
  uq trace merge host-a.zst host-b.zst --clock -o both.zst`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.names = args
			return runTraceMerge(cmd.Context(), s, o)
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&o.offsets, "offset", nil, "TIME,...: when each trace begins, in their order; those not given at 0")
	f.BoolVar(&o.clock, "clock", false, "begin each trace when it was recorded, by the clocks in their headers")
	f.BoolVar(&o.salvage, "salvage", false, "go on after damage, at the next whole block")
	o.out.flags(cmd)
	return cmd
}

// starts reads --offset.
func (o *traceMergeOptions) starts() ([]pkt.Time, error) {
	if n := len(o.names); n > traces.MaxMerged {
		return nil, usageErrorf("%d traces: want at most %d: merge the result of some with others", n, traces.MaxMerged)
	}
	if o.clock && len(o.offsets) > 0 {
		return nil, usageErrorf("--clock --offset: write one of them")
	}
	if len(o.offsets) > len(o.names) {
		return nil, usageErrorf("--offset: %d times for %s: want one for each, in their order", len(o.offsets), plural(len(o.names), "trace"))
	}
	starts := make([]pkt.Time, len(o.names))
	for i, text := range o.offsets {
		d, err := tc.ParseTime(text)
		if err != nil {
			return nil, usageErrorf("--offset: %w", err)
		}
		starts[i] = pkt.Time(d)
	}
	return starts, nil
}

// check finds files that would be overwritten, and standard input named twice.
func (o *traceMergeOptions) check(s *streams) error {
	files := &places{}
	if err := files.write("-o", o.out.name); err != nil {
		return err
	}
	if p, ok := opened(s.out); ok && o.out.name == "-" {
		p.flag, p.name = "-o", "-"
		files.writes = append(files.writes, p)
	}
	piped := 0
	for _, name := range o.names {
		if name == "-" {
			piped++
		}
		if err := files.trace(s, "a trace to merge", name); err != nil {
			return err
		}
	}
	if piped > 1 {
		return usageErrorf("- is named %d times: standard input can be read once: save it to a file", piped)
	}
	return nil
}

func runTraceMerge(ctx context.Context, s *streams, o traceMergeOptions) error {
	starts, err := o.starts()
	if err := cmp.Or(err, o.check(s)); err != nil {
		return err
	}
	inputs, size, err := o.find(ctx, s)
	if err != nil {
		return err
	}
	status := newStatus(s.err, size)
	defer status.clear()
	merged := make([]traces.Merged, len(inputs))
	for i, in := range inputs {
		t, err := in.reader(o.salvage)
		if err != nil {
			return err
		}
		defer t.close()
		t.onRead = status.add
		merged[i] = traces.Merged{Name: in.name, Stream: t.Reader, Offset: starts[i]}
	}
	if o.clock {
		if err := byClock(merged); err != nil {
			return err
		}
	}
	m, err := traces.NewMerge(toolName(), merged)
	if err != nil {
		return usageErrorf("%w", err)
	}
	for _, note := range m.Notes() {
		fmt.Fprintf(s.err, "note: %s\n", note)
	}
	return writeTrace(s, o.out, m.Header(), func(t *traces.Writer) error {
		err := traces.Copy(t, m, nil)
		status.clear()
		return o.fail(err)
	})
}

// find finds all traces before any is read; size is 0 if one is not known.
func (o *traceMergeOptions) find(ctx context.Context, s *streams) (inputs []*input, size int64, err error) {
	known := true
	for _, name := range o.names {
		in, err := openInput(ctx, s, name, false)
		if err != nil {
			return nil, 0, err
		}
		inputs, size, known = append(inputs, in), size+in.size, known && in.size > 0
	}
	if !known {
		size = 0
	}
	return inputs, size, nil
}

// fail gives an error of merging its exit code, and its way out.
func (o *traceMergeOptions) fail(err error) error {
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return err
	case isDamage(err) && !o.salvage && salvageable(err):
		return damagedErrorf("%w: --salvage goes on behind that", err)
	case isDamage(err):
		return damagedErrorf("%w", err)
	}
	return err
}

// byClock begins each trace when it was recorded, the earliest at 0.
func byClock(merged []traces.Merged) error {
	first := int64(0)
	for i, t := range merged {
		a := t.Stream.Header().Anchor
		if a == nil {
			return usageErrorf("--clock: %s does not say when it was recorded: say when it begins with --offset", t.Name)
		}
		if i == 0 || a.RealtimeNs < first {
			first = a.RealtimeNs
		}
	}
	for i, t := range merged {
		d := t.Stream.Header().Anchor.RealtimeNs - first
		if d < 0 || d >= int64(traces.MaxTime) {
			return usageErrorf("--clock: %s was recorded %s and more after the first: say when it begins with --offset", t.Name, time.Duration(traces.MaxTime))
		}
		merged[i].Offset = pkt.Time(d)
	}
	return nil
}
