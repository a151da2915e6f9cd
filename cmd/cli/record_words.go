package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/uqtool/uq/record"
	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/sim/report"
)

// writeRecordSummary says in words how a recording went.
func writeRecordSummary(w io.Writer, r recordReport) {
	s := r.Record
	segs, of := "", ""
	if s.Segs > s.Records {
		segs = fmt.Sprintf(" (about %d on the wire)", s.Segs)
	}
	if s.Records != s.Packets {
		of = fmt.Sprintf(" of %d packets, %s, that passed,", s.Packets, byteCount(s.Bytes))
	}
	fmt.Fprintf(w, "recorded %d packets%s, %s,%s in %.1f s: %s\n", s.Records, segs, byteCount(s.RecordedBytes), of,
		float64(s.DurationNs)/1e9, s.Why)
	if s.Records > 0 {
		what := "verdicts after"
		if r.Live != nil {
			what = "verdicts late by"
		}
		fmt.Fprintf(w, "wrote %s to %s, %.1f B a packet; %s %s (median), %s (99 %%), %s (most)\n",
			byteCount(s.FileBytes), outputName(r.Output), s.BytesPerPacket, what, nanos(s.VerdictLatencyNs.P50), nanos(s.VerdictLatencyNs.P99), nanos(s.VerdictLatencyNs.Max))
	}
	for _, line := range lossLines(s.Losses, r.failOpen, r.maxLen) {
		fmt.Fprintln(w, line)
	}
	if line := certaintyLine(s.QueueFullKnown); line != "" {
		fmt.Fprintln(w, line)
	}
	if r.Live != nil {
		writeLive(w, r)
	}
	if r.Lab == nil {
		if s.Packets == 0 {
			fmt.Fprintln(w, "note:", r.nothing)
		}
		return
	}
	for _, n := range r.Lab.Notes {
		fmt.Fprintln(w, "note:", n)
	}
}

// writeLive prints what the scheduler did, as a simulation is printed.
func writeLive(w io.Writer, r recordReport) {
	if r.Live.Untold > 0 {
		fmt.Fprintf(w, "%d packets were held for so long that the trace has no verdict on them\n", r.Live.Untold)
	}
	if r.Live.Unfinished > 0 {
		fmt.Fprintf(w, "%d packets were still held at the end, and let pass\n", r.Live.Unfinished)
	}
	if rw := r.Live.Rewrites; rw != nil {
		fmt.Fprintln(w, rw)
	}
	rep := report.Report{
		Format: report.Format, Trace: outputName(r.Output), Loop: report.Live, GSO: r.scheduler.GSO,
		Seed: r.scheduler.Seed, Link: r.scheduler.Link, Runs: []*report.Run{r.Live.Run},
	}
	if cell := r.Live.Run.WiFi; cell != nil {
		rep.Notes = cell.Notes()
	}
	fmt.Fprintln(w)
	_ = rep.WriteWords(w, report.Words{Flows: 8}) // as the lines above
}

// tableFull is what more --maxlen does not help.
var tableFull = fmt.Sprintf(" found the queue full: newer kernels hold no more than about %d packets in one, whatever --maxlen says: give the scheduler a smaller limit", nfq.TableSize)

// lossLines says what was lost, what that means and what would help. With
// fail-open, what did not fit was not lost to anybody but the trace. maxLen is
// the limit that the kernel's queue was asked for.
func lossLines(l record.Losses, failOpen bool, maxLen int) []string {
	var out []string
	add := func(n uint64, fate, format string) {
		if n > 0 {
			out = append(out, fate+": "+fmt.Sprintf(format, n))
		}
	}
	fate := "lost"
	if failOpen {
		fate = "passed unseen"
	}
	missing := "%d packets did not fit the receive buffer: raise --rcvbuf (sysctl net.core.rmem_max may limit it)"
	if l.Overflows == 0 && maxLen >= nfq.TableSize { // the kernel did not complain of the buffer
		missing = "%d packets" + tableFull
	}
	add(l.Missing, fate, missing)
	full := "%d packets found the queue full: raise --maxlen"
	switch {
	case maxLen >= nfq.TableSize:
		full = "%d packets" + tableFull
	case l.Overflows > 0: // without a later packet there is no gap in the ids
		full = "%d packets found the queue full, or at the very end the receive buffer: raise --maxlen, or --rcvbuf"
	}
	add(l.QueueFull, fate, full)
	add(l.Overflows, "note", "the kernel found the receive buffer full %d times; what it could not deliver then may be answers to verdicts, too")
	add(l.Gone, "lost", "%d packets were given up by the kernel before their verdict: a rule or a device was removed meanwhile")
	add(l.Refused, "lost", "%d verdicts were refused by the kernel")
	add(l.Unparsed, "lost", "%d messages of the kernel could not be read")
	add(l.Records, "not recorded", "%d packets passed without a record: the trace could not be written fast enough, or at all")
	return out
}

// certaintyLine says what cannot be known of packets that found the queue full.
func certaintyLine(c record.Certainty) string {
	switch c {
	case record.AtLeast:
		return "note: without super-packets, there may be more losses at the queue than stated: the rule counts them whole, and only the host's root may read the kernel's own account"
	case record.Unknown:
		return "note: cannot know whether packets found the queue full: nobody but the host's root may read the kernel's account, and no rule of uq's counts what it sends: use --hook, or run as root on the host"
	}
	return ""
}

// lossCounts is lossLines for a line that follows a recording.
func lossCounts(l record.Losses, failOpen bool) string {
	lost, unrecorded := l.Missing+l.QueueFull, l.Records
	if failOpen {
		lost, unrecorded = 0, unrecorded+lost
	}
	s := fmt.Sprintf("lost %d, unrecorded %d", lost+l.Gone+l.Refused+l.Unparsed, unrecorded)
	if l.Overflows > 0 {
		s += fmt.Sprintf(", buffer full %d times", l.Overflows)
	}
	return s
}

// byteCount prints a size with a decimal prefix.
func byteCount(n uint64) string {
	v := float64(n)
	for _, unit := range []string{"B", "kB", "MB", "GB"} {
		if v < 1000 {
			if unit == "B" {
				return fmt.Sprintf("%d B", n)
			}
			return fmt.Sprintf("%.1f %s", v, unit)
		}
		v /= 1000
	}
	return fmt.Sprintf("%.1f TB", v)
}

// nanos prints a short span.
func nanos(ns int64) string {
	d := time.Duration(ns)
	if d < time.Millisecond {
		return fmt.Sprintf("%.0f µs", float64(ns)/1e3)
	}
	return d.Round(10 * time.Microsecond).String()
}

// recordStatus is the line on a terminal that follows a recording.
type recordStatus struct {
	w        io.Writer // nil shows nothing
	last     record.Progress
	failOpen bool
}

func newRecordStatus(w io.Writer, set recordSettings) *recordStatus {
	if !set.Status || !isTerminal(w) {
		w = nil
	}
	return &recordStatus{w: w, failOpen: set.FailOpen}
}

// show replaces the line. Rates are those since the last call.
func (s *recordStatus) show(p record.Progress) {
	if s.w == nil {
		return
	}
	line := fmt.Sprintf("%.1f s  %d packets", p.Elapsed.Seconds(), p.Packets)
	if dt := (p.Elapsed - s.last.Elapsed).Seconds(); dt > 0 {
		line += fmt.Sprintf("  %.0f/s  %.1f Mbit/s", float64(p.Packets-s.last.Packets)/dt, float64(p.Bytes-s.last.Bytes)*8/1e6/dt)
	}
	if p.Written.Records > 0 {
		line += fmt.Sprintf("  %.1f B/packet", float64(p.Written.Bytes)/float64(p.Written.Records))
	}
	line += "  " + lossCounts(p.Losses, s.failOpen)
	if p.Err != nil {
		line += "  NOT WRITING: " + p.Err.Error()
	}
	fmt.Fprint(s.w, "\r\x1b[K", line)
	s.last = p
}

// clear takes the line away.
func (s *recordStatus) clear() {
	if s.w != nil {
		fmt.Fprint(s.w, "\r\x1b[K")
	}
}

func outputName(o string) string {
	if o == "-" {
		return "standard output"
	}
	return o
}
