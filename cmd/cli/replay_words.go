package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/uqtool/uq/replay/inject"
	"github.com/uqtool/uq/sim/report"
)

// writeReplayWords prints the report for people.
func writeReplayWords(w io.Writer, r *replayReport, flows int) error {
	if r.Run == nil {
		return writeDeviceWords(w, r)
	}
	run := &report.Report{
		Format: r.Format, Trace: r.Trace, Loop: r.Loop, GSO: r.GSO, Seed: r.Seed, Link: r.Link, Notes: r.Notes, Runs: []*report.Run{r.Run},
	}
	if r.Run.WiFi != nil {
		run.Notes = append(run.Notes, r.Run.WiFi.Notes()...)
	}
	if r.Speed != "1" {
		run.Notes = append(run.Notes, "replayed at speed "+r.Speed)
	}
	if err := run.WriteWords(w, report.Words{Flows: flows}); err != nil {
		return err
	}
	if r.Mode != "live" {
		return nil
	}
	b := &strings.Builder{}
	b.WriteByte('\n')
	balanceWords(b, &r.Balance, r.Interrupted)
	reasonLine(b, "the queue's own account of losses", r.Live.Losses.ByName())
	latenessWords(b, r.Report)
	if r.Comparison != nil {
		differenceWords(b, "simulated from the arrivals", &r.Comparison.Arrivals)
		differenceWords(b, "simulated from the trace", &r.Comparison.Trace)
	}
	if r.Interrupted {
		b.WriteString("interrupted: this is about what was sent until then\n")
	}
	if r.Output != "" {
		fmt.Fprintf(b, "wrote %s: uq verify %s computes its decisions again\n", r.Output, r.Output)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeDeviceWords prints what left by a device.
func writeDeviceWords(w io.Writer, r *replayReport) error {
	b := &strings.Builder{}
	fmt.Fprintf(b, "%s, %s, gso %s, speed %s\n", r.Trace, r.Mode, r.GSO, r.Speed)
	for _, n := range r.Notes {
		fmt.Fprintf(b, "note: %s\n", n)
	}
	fmt.Fprintf(b, "%d of %d packets sent; the device counts %d\n", r.Balance.Sent, r.Balance.Packets, r.Device.TxPackets)
	reasonLine(b, "unsendable", r.Balance.Unsendable)
	reasonLine(b, "refused by the kernel", r.Balance.SendErrors)
	latenessWords(b, r.Report)
	_, err := io.WriteString(w, b.String())
	return err
}

// balanceWords prints where every packet went.
func balanceWords(b *strings.Builder, n *inject.Balance, interrupted bool) {
	fmt.Fprintf(b, "live: %d sent = %d delivered + %d dropped by the scheduler + %d lost; %d unexplained\n",
		n.Sent, n.Delivered, n.Dropped, n.Lost.Sum(), n.Unexplained)
	reasonLine(b, "dropped", n.DropsByReason)
	l := &n.Lost
	unfinished := "were still held at the end: raise --drain"
	if interrupted {
		unfinished = "were still held at the interrupt"
	}
	for _, c := range []struct {
		n    uint64
		what string
	}{
		{l.Link, "did not leave the source's device: down, or the kernel's backlog was full"},
		{l.Router, "were discarded by the router before the queue"},
		{l.RcvBuf, "did not fit the queue's receive buffer: raise --rcvbuf"},
		{l.QueueFull, "found the queue full: raise --maxlen"},
		{l.Flushed, "were given up by the kernel before their verdict: a rule or device went away"},
		{l.Unfinished, unfinished},
		{l.Unscheduled, "passed unscheduled at the end"},
		{l.Unrecorded, "passed without a record: the disk was too slow"},
		{l.Released, "were let go, but lost behind the queue"},
		{l.Missed, "did not fit the receiver's ring"},
	} {
		if c.n > 0 {
			fmt.Fprintf(b, "  lost: %d %s\n", c.n, c.what)
		}
	}
	reasonLine(b, "unsendable", n.Unsendable)
	reasonLine(b, "refused by the kernel", n.SendErrors)
	if n.Marked > 0 {
		fmt.Fprintf(b, "  marked: %d delivered, %d of them with CE at the far end\n", n.Marked, n.CE)
	}
	if n.Rewritten != nil {
		rewrittenWords(b, n.Rewritten)
	}
	if n.Stray.Arrivals > 0 {
		fmt.Fprintf(b, "  %d packets met the queue that are not of the trace\n", n.Stray.Arrivals)
	}
}

// rewrittenWords prints where the copies went and how corrupted packets arrived.
func rewrittenWords(b *strings.Builder, r *inject.Rewritten) {
	fmt.Fprintf(b, "  %s\n", &r.Rewrites)
	fmt.Fprintf(b, "  at the far end: %d copies met, %d gone (%d lost behind the queue, %d did not fit the receiver's ring); corrupted packets met: %d damaged, %d intact, %d without a checksum that tells; %d others damaged\n",
		r.Met, r.Gone, r.Released, r.Missed, r.Damaged, r.Intact, r.Unchecked, r.Harmed)
}

func reasonLine(b *strings.Builder, what string, m map[string]uint64) {
	if len(m) == 0 {
		return
	}
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%s %d", k, m[k]))
	}
	fmt.Fprintf(b, "  %s: %s\n", what, strings.Join(parts, ", "))
}

// latenessWords prints the live run's own errors.
func latenessWords(b *strings.Builder, r *inject.Report) {
	fmt.Fprintf(b, "late               p50        p99        max\n")
	for _, h := range []struct {
		what string
		h    *inject.Histogram
	}{{"sent", &r.Injection}, {"released", &r.Release}, {"delivered", &r.Delivery}} {
		if h.h.Count == 0 {
			continue
		}
		fmt.Fprintf(b, "  %-10s %10s %10s %10s\n", h.what, nanos(h.h.P50), nanos(h.h.P99), nanos(h.h.Max))
	}
	fmt.Fprintf(b, "drift: the last packet left %s late after %.3f s\n", nanos(r.DriftNs), float64(r.SpanNs)/1e9)
	histogramWords(b, "sent late", &r.Injection)
	histogramWords(b, "released late", &r.Release)
}

func histogramWords(b *strings.Builder, what string, h *inject.Histogram) {
	if len(h.Buckets) == 0 {
		return
	}
	fmt.Fprintf(b, "%s:", what)
	for _, k := range h.Buckets {
		if k.AtMost < 0 {
			fmt.Fprintf(b, "  more %d", k.Count)
		} else {
			fmt.Fprintf(b, "  <=%s %d", nanos(k.AtMost), k.Count)
		}
	}
	b.WriteByte('\n')
}

// differenceWords prints simulation against reality.
func differenceWords(b *strings.Builder, what string, d *inject.Difference) {
	same := func(p inject.Pair) string {
		if p.Equal() {
			return fmt.Sprintf("%d, the same", p.Live)
		}
		return fmt.Sprintf("%d live, %d simulated, %d the same", p.Live, p.Sim, p.Same)
	}
	fmt.Fprintf(b, "%s: sojourns differ by %s (p50), %s (p99), %s (max) over %d packets; drops %s; marks %s\n",
		what, nanos(d.Sojourn.P50), nanos(d.Sojourn.P99), nanos(d.Sojourn.Max), d.Compared, same(d.Drops), same(d.Marks))
}
