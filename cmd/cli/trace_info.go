package cli

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/uqtool/uq/traces"
)

// traceInfoOptions are the flags of uq trace info.
type traceInfoOptions struct {
	top     int
	json    bool
	salvage bool
}

func newTraceInfoCmd(s *streams) *cobra.Command {
	var o traceInfoOptions
	cmd := &cobra.Command{
		Use:   "info TRACE",
		Short: "Summarize a trace",
		Long: `Summarize a trace. Bytes and rates are those of layer 3, without link-layer
headers, which uq sim adds (link_header in the trace's header). A rate over less
than 10 ms is printed as -: it would say little.`,
		Args: operands(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runTraceInfo(cmd.Context(), s, args[0], o)
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.top, "top", 10, "how many flows to list, the largest first")
	f.BoolVar(&o.json, "json", false, "print JSON, schema "+traces.SummarySchema)
	f.BoolVar(&o.salvage, "salvage", false, "go on after damage, at the next whole block")
	return cmd
}

func runTraceInfo(ctx context.Context, s *streams, name string, o traceInfoOptions) error {
	if o.top < 0 {
		return usageErrorf("--top %d: want 0 or more", o.top)
	}
	in, err := startTrace(ctx, s, name, &o.salvage)
	if err != nil {
		return err
	}
	defer in.Close()
	sum, err := traces.Summarize(in.Reader, o.top)
	if err != nil && !isDamage(err) {
		return in.fail(err)
	}
	w := bufio.NewWriter(s.out)
	if o.json {
		if err := encodeJSON(w, sum); err != nil {
			return err
		}
	} else {
		printTraceSummary(w, name, sum)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return in.fail(err)
}

// printTraceSummary writes the summary for people.
func printTraceSummary(w io.Writer, name string, s *traces.Summary) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "trace\t%s\n", printable(name, ""))
	printTraceHeader(t, s.Header)
	fmt.Fprintf(t, "state\t%s\n", printable(traceState(s), ""))
	fmt.Fprintf(t, "time\t%s from %.6f s to %.6f s\n", s.Duration(), inSeconds(s.FirstNs), inSeconds(s.LastNs))
	fmt.Fprintf(t, "packets\t%d, %d on the wire\n", s.Records, s.Packets)
	fmt.Fprintf(t, "bytes\t%d at layer 3, %s\n", s.Bytes, meanRate(s.Bytes, s.Duration()))
	fmt.Fprintf(t, "file\t%d bytes in %d blocks, %.2f a packet\n", s.FileBytes, s.Blocks, float64(s.FileBytes)/float64(max(1, s.Records)))
	fmt.Fprintf(t, "flows\t%d\n", s.Flows)
	if s.GSO.Records > 0 {
		fmt.Fprintf(t, "gso\t%d super-packets of %d segments\n", s.GSO.Records, s.GSO.Segments)
	}
	printCounts(t, "ecn", s.ECN)
	printCounts(t, "dscp", s.DSCP)
	printCounts(t, "remarks", s.Info)
	printCounts(t, "verdicts", s.Verdicts)
	printCounts(t, "reasons", s.Reasons)
	if s.Held.Records > 0 {
		fmt.Fprintf(t, "held\tmean %s, max %s\n", time.Duration(s.Held.MeanNs), time.Duration(s.Held.MaxNs))
	}
	printCounts(t, "events", s.Events)
	printCounts(t, "losses", s.Losses)
	t.Flush()
	printTraceFlows(w, s)
}

// traceState says in words whether the trace is whole.
func traceState(s *traces.Summary) string {
	switch {
	case s.Damage != nil && s.Damage.Truncated && s.Damage.Places == 1:
		return fmt.Sprintf("truncated, %d records recovered", s.Records)
	case s.Damage != nil:
		return fmt.Sprintf("damaged at byte %d, record %d, %d records recovered: %s", s.Damage.Offset, s.Damage.Record, s.Records, s.Damage.Error)
	case s.End != nil && !s.End.Clean:
		return "complete, but the recording failed: " + cmp.Or(s.End.Why, "no reason given")
	case s.End != nil && s.End.Why != "":
		return "complete: " + s.End.Why
	}
	return "complete"
}

// printTraceHeader writes what the header says, a line each. Its strings may be
// anyone's.
func printTraceHeader(w io.Writer, h traces.Header) {
	line := func(key, format string, args ...any) {
		fmt.Fprintf(w, "%s\t%s\n", key, printable(fmt.Sprintf(format, args...), ""))
	}
	line("format", "%s", h.Version)
	for _, f := range [...][2]string{
		{"tool", h.Tool}, {"comment", h.Comment}, {"synthetic", h.Synthetic}, {"anonymized", h.Anonymized},
		{"without", strings.Join(h.NotCaptured, ", ")},
	} {
		if f[1] != "" {
			line(f[0], "%s", f[1])
		}
	}
	if h.Host != nil {
		line("host", "%s/%s kernel %s, %d CPUs", h.Host.OS, h.Host.Arch, cmp.Or(h.Host.Kernel, "unknown"), h.Host.CPUs)
	}
	if h.Anchor != nil {
		line("recorded", "%s", time.Unix(0, h.Anchor.RealtimeNs).UTC().Format(time.RFC3339Nano))
	}
	if c := h.Capture; c != nil {
		line("capture", "%s, queue %d, maxlen %d, %d bytes of each packet, gso %t", c.Mode, c.Queue, c.MaxLen, c.CopyRange, c.GSO)
	}
	if sc := h.Scenario; sc != nil {
		line("bottleneck", "%s", cmp.Or(sc.Bottleneck, "none"))
		for _, t := range sc.Traffic {
			line("traffic", "%s", t)
		}
	}
	if q := h.Scheduler; q != nil {
		line("scheduler", "%s, link %s, gso %s, seed %d", q.Qdisc, q.Link, q.GSO, q.Seed)
	}
}

// printCounts writes a line of counts, if there are any, in the order of their
// names.
func printCounts[K cmp.Ordered](w io.Writer, key string, counts map[K]uint64) {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%v %d", k, counts[k]))
	}
	if len(parts) > 0 {
		fmt.Fprintf(w, "%s\t%s\n", key, strings.Join(parts, ", "))
	}
}

func printTraceFlows(w io.Writer, s *traces.Summary) {
	if len(s.TopFlows) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "packets\tL3 bytes\trate\tshare\t  flow\n")
	for i := range s.TopFlows {
		f := &s.TopFlows[i]
		share := 100 * float64(f.Bytes) / float64(max(1, s.Bytes))
		fmt.Fprintf(t, "%d\t%d\t%s\t%.1f%%\t  %s\n", f.Packets, f.Bytes, meanRate(f.Bytes, time.Duration(f.LastNs-f.FirstNs)), share, f.Flow)
	}
	t.Flush()
	if more := s.Flows - len(s.TopFlows); more > 0 {
		fmt.Fprintf(w, "and %d more flows\n", more)
	}
}

func inSeconds(ns int64) float64 { return float64(ns) / 1e9 }

// minRateSpan is the shortest time that a rate is printed for: over less, a few
// packets of one burst look like any rate.
const minRateSpan = 10 * time.Millisecond

// meanRate prints the rate of so many bytes in a span, or - if that is too short.
func meanRate(bytes uint64, span time.Duration) string {
	if span < minRateSpan {
		return "-"
	}
	return perSecond(float64(bytes) * 8 / span.Seconds())
}

// perSecond prints a rate with a unit of tc's.
func perSecond(bps float64) string {
	switch {
	case bps >= 1e9:
		return fmt.Sprintf("%.2fGbit", bps/1e9)
	case bps >= 1e6:
		return fmt.Sprintf("%.2fMbit", bps/1e6)
	case bps >= 1e3:
		return fmt.Sprintf("%.1fKbit", bps/1e3)
	}
	return fmt.Sprintf("%.0fbit", bps)
}
