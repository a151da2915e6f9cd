package bench

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// WriteWords prints the report for people.
func (r *Report) WriteWords(w io.Writer) error {
	b := &strings.Builder{}
	r.header(b)
	r.table(b)
	r.ratios(b)
	r.roundTrips(b)
	r.programs(b)
	r.tools(b)
	r.targetWords(b)
	r.noteWords(b)
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) header(b *strings.Builder) {
	m := r.Machine
	fmt.Fprintf(b, "$ %s\n%s, %d CPUs, Linux %s, %s, load %.2f before\n", r.Command, m.CPU, m.CPUs, m.Kernel, m.Go, m.Load)
	fmt.Fprintf(b, "%s of %s a measurement, in %s: medians (least-most)\n",
		rounds(r.Task.Rounds), r.Task.Duration, time.Duration(r.TookNs).Round(time.Second/10))
	if r.Interrupted {
		b.WriteString("interrupted: this is about what was measured until then\n")
	}
}

// busyLoad is the load per CPU above which numbers are doubtful.
const busyLoad = 0.5

// columns starts a table whose columns are two blanks apart.
func columns(b *strings.Builder, head ...string) *tabwriter.Writer {
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(head, "\t"))
	return t
}

// end writes a table that has any lines. A Builder takes everything.
func end(b *strings.Builder, t *tabwriter.Writer, any bool) {
	if any {
		b.WriteByte('\n')
		_ = t.Flush()
	}
}

// table is the one of the thread.
func (r *Report) table(b *strings.Builder) {
	t := columns(b, "", "ping us", "TCP Gbit/s", "UDP k/s", "lost", "burst k/s", "| 2018: ping us", "TCP Gbit/s")
	for _, l := range r.Lines {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", l.What, l.Avg.in(1e3, 0), l.Bps.in(1e9, 2), l.Pps.in(1e3, 0), l.Loss.percent(), l.Burst.in(1e3, 0), l.Then)
	}
	end(b, t, len(r.Lines) > 0)
}

// ratios has how the lines relate.
func (r *Report) ratios(b *strings.Builder) {
	t := columns(b, "ratio to no queue / to C", "ping", "TCP", "UDP", "burst")
	any := false
	for _, l := range r.Lines {
		if n, c := l.OfNone, l.OfC; n != nil || c != nil {
			any = true
			fmt.Fprintf(t, "%s\t%s / %s\t%s / %s\t%s / %s\t- / %s\n", l.What, n.rtt(), c.rtt(), n.tcp(), c.tcp(), n.udp(), c.udp(), c.burst())
		}
	}
	end(b, t, any)
}

// roundTrips has all there is about them.
func (r *Report) roundTrips(b *strings.Builder) {
	t := columns(b, "round trip, us", "min", "avg", "max", "mdev", "p50", "p99", "p50: of no queue", "of C")
	for _, l := range r.Lines {
		fmt.Fprintf(t, "%s\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t%s\t%s\n", l.What, l.Min.Median/1e3, l.Avg.Median/1e3,
			l.Max.Median/1e3, l.Mdev.Median/1e3, l.P50.Median/1e3, l.P99.Median/1e3, l.OfNone.p50(), l.OfC.p50())
	}
	end(b, t, len(r.Lines) > 0)
}

// programs has what they cost.
func (r *Report) programs(b *strings.Builder) {
	t := columns(b, "program", "CPU us/packet", "TCP bytes/packet", "mallocs/packet", "GC pause max us")
	any := false
	for _, l := range r.Lines {
		if l.CPU == nil {
			continue
		}
		any = true
		mallocs, pause := "-", "-"
		if l.Mallocs != nil {
			mallocs, pause = fmt.Sprintf("%.4f", l.Mallocs.Median), fmt.Sprintf("%.0f", float64(*l.PauseMax)/1e3)
		}
		fmt.Fprintf(t, "%s\t%s\t%.0f\t%s\t%s\n", l.What, l.CPU.in(1e3, 2), l.Segment.Median, mallocs, pause)
	}
	end(b, t, any)
}

// tools has what the user's own programs said.
func (r *Report) tools(b *strings.Builder) {
	if r.Task.Tools == (Tools{}) {
		return
	}
	t := columns(b, "with the tools", "ping avg us", "iperf3 Gbit/s")
	for _, l := range r.Lines {
		fmt.Fprintf(t, "%s\t%s\t%s\n", l.What, l.Ping.in(1e3, 0), l.Iperf.in(1e9, 2))
	}
	end(b, t, len(r.Lines) > 0)
}

func (r *Report) targetWords(b *strings.Builder) {
	t := columns(b, "target", "want", "got", "", "best rounds")
	for _, x := range r.Targets {
		sign := ">="
		if x.AtMost {
			sign = "<="
		}
		got := "-"
		if x.Got != nil {
			got = x.Got.in(1, 3)
		}
		best := "-"
		if x.Best != nil {
			best = fmt.Sprintf("%.2f", *x.Best)
		}
		fmt.Fprintf(t, "%s\t%s %g\t%s\t%s\t%s\n", x.What, sign, x.Want, got, x.verdict(), best)
	}
	end(b, t, len(r.Lines) > 0)
}

func (r *Report) noteWords(b *strings.Builder) {
	b.WriteByte('\n')
	for _, a := range r.Absent {
		fmt.Fprintf(b, "%s: not measured: %s\n", (&Task{}).what(key{Row: a.Row}), a.Why)
	}
	for _, l := range r.Lines {
		for _, n := range l.Notes {
			fmt.Fprintf(b, "%s: %s\n", l.What, n)
		}
	}
	if m := r.Machine; m.Load > busyLoad*float64(m.CPUs) {
		fmt.Fprintf(b, "the machine was busy before (load %.2f on %d CPUs): numbers scatter, and ratios less so: stop what runs or raise --rounds\n", m.Load, m.CPUs)
	}
	b.WriteString("best rounds: each side's best, whichever round that was: what the machine does when left alone\nUDP is a flood of 1400 B; burst: packets gather while the program is halted, then it empties its queue\n" +
		"GSO: the program gets super-packets whole, else the kernel cuts them first\nratios are of one round, then their median; a flood that loses nothing was limited by its sender, not by the queue\n")
}

// in is the spread in a unit with so many digits.
func (s *Spread) in(unit float64, digits int) string {
	if s == nil {
		return "-"
	}
	if s.Min == s.Max {
		return fmt.Sprintf("%.*f", digits, s.Median/unit)
	}
	return fmt.Sprintf("%.*f (%.*f-%.*f)", digits, s.Median/unit, digits, s.Min/unit, digits, s.Max/unit)
}

func (r *Ratios) tcp() string { return r.of(func() float64 { return r.Bps.Median }) }
func (r *Ratios) udp() string { return r.of(func() float64 { return r.Pps.Median }) }
func (r *Ratios) rtt() string { return r.of(func() float64 { return r.RTT.Median }) }

func (r *Ratios) p50() string { return r.of(func() float64 { return r.P50.Median }) }

func (r *Ratios) burst() string {
	if r == nil || r.Burst == nil {
		return "-"
	}
	return fmt.Sprintf("%.2f", r.Burst.Median)
}

func (r *Ratios) of(f func() float64) string {
	if r == nil {
		return "-"
	}
	return fmt.Sprintf("%.2f", f())
}

// percent is the spread of a part of the whole.
func (s *Spread) percent() string {
	if s.Min == s.Max {
		return percent(s.Median)
	}
	return fmt.Sprintf("%s (%s-%s)", percent(s.Median), percent(s.Min), percent(s.Max))
}

// percent keeps small losses visible.
func percent(x float64) string {
	switch {
	case x <= 0:
		return "0"
	case x < 0.001:
		return "<0.1%"
	}
	return fmt.Sprintf("%.1f%%", 100*x)
}

// String fills the last two columns of the table.
func (t *Then) String() string {
	if t == nil {
		return "|"
	}
	return fmt.Sprintf("| %d\t%.3g", t.RTT.Microseconds(), float64(t.Bps)/1e9)
}

func rounds(n int) string {
	if n == 1 {
		return "1 round"
	}
	return fmt.Sprintf("%d rounds", n)
}
