package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/tc"
)

// Words says how much WriteWords prints.
type Words struct {
	// Flows is how many of the listed flows get a line.
	Flows int
}

// WriteWords writes r for people: a table of the qdiscs, each one's counters as
// "tc -s qdisc" prints them, and a table of flows.
func (r *Report) WriteWords(w io.Writer, opt Words) error {
	b := &strings.Builder{}
	fmt.Fprintf(b, "%s, %s, gso %s, seed %d\n", r.Trace, r.Loop, r.GSO, r.Seed)
	fmt.Fprintf(b, "link %s\n", r.Link)
	for _, n := range r.Notes {
		fmt.Fprintf(b, "note: %s\n", n)
	}
	b.WriteByte('\n')
	Table(b, r.Summary())
	b.WriteString("\n" + r.Counters())
	r.wifi(b)
	b.WriteByte('\n')
	r.flows(b, opt.Flows)
	if r.Loop == OpenLoop {
		b.WriteString("\n" + openLoopHint + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// LoopHint says what a report's Loop means for what it may be read for.
func LoopHint(loop string) string {
	if loop == OpenLoop {
		return strings.ReplaceAll(openLoopHint, "\n", " ")
	}
	return "live: real packets were scheduled in real time, and their senders reacted to it."
}

const openLoopHint = `open-loop: arrival times are fixed, senders do not react. Right for latency
under these arrivals and for UDP; biased for what TCP would do under another
qdisc.`

// Table writes rows in columns: the first to the left, numbers to the right.
func Table(b *strings.Builder, rows [][]string) {
	tw := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	width := 0
	for _, row := range rows {
		width = max(width, len(row[0]))
	}
	for _, row := range rows {
		fmt.Fprintf(tw, "%-*s\t%s\t\n", width, row[0], strings.Join(row[1:], "\t"))
	}
	_ = tw.Flush() // a Builder does not fail
}

// Label names run i in tables and legends: the kind, numbered where it occurs
// twice.
func (r *Report) Label(i int) string {
	n, of := 0, 0
	for j, run := range r.Runs {
		if run.Kind == r.Runs[i].Kind {
			of++
			if j <= i {
				n++
			}
		}
	}
	if of == 1 {
		return r.Runs[i].Kind
	}
	return fmt.Sprintf("%s#%d", r.Runs[i].Kind, n)
}

// Summary is the table of the runs, a row each under one of headings.
func (r *Report) Summary() [][]string {
	rows := [][]string{{"qdisc", "arrived", "delivered", "dropped", "marked", "throughput", "sojourn p50", "p95", "p99", "max", "Jain"}}
	for i, run := range r.Runs {
		q := run.Sojourn
		rows = append(rows, []string{r.Label(i), fmt.Sprint(run.ArrivedPackets), fmt.Sprint(run.Delivered), fmt.Sprint(run.Dropped),
			fmt.Sprint(run.Marks), rate(run.Throughput), us(q.P50, 3), us(q.P95, 3), us(q.P99, 3), us(q.Max, 3), index(run.Jain)})
	}
	return rows
}

// Counters are every run's, as "tc -s qdisc" prints them.
func (r *Report) Counters() string {
	b := &strings.Builder{}
	for i, run := range r.Runs {
		if i > 0 {
			b.WriteByte('\n')
		}
		run.counters(b)
	}
	return b.String()
}

// Medium is what became of an access point's medium, in words; "" without one.
func (r *Report) Medium() string {
	b := &strings.Builder{}
	r.wifi(b)
	return strings.TrimPrefix(b.String(), "\n")
}

// Span prints microseconds with three digits and a unit; "-" for nil.
func Span(v *float64) string { return us(v, 3) }

// Rate prints bits per second with three digits and tc's unit.
func Rate(bps float64) string { return rate(bps) }

func (run *Run) counters(b *strings.Builder) {
	fmt.Fprintf(b, "qdisc %s\n", run.Line)
	fmt.Fprintf(b, " Sent %d bytes %d pkt (dropped %d, overlimits %d requeues %d)\n", run.Bytes, run.Packets, run.Drops, run.Overlimits, run.Requeues)
	fmt.Fprintf(b, " backlog %db %dp, at most %dp\n", run.Backlog, run.Qlen, run.MaxQlen)
	if run.StatsLine != "" {
		fmt.Fprintf(b, "  %s\n", run.StatsLine)
	}
	tinTable(b, run.tins, run.Options)
	classes(b, run.Classes, "  ")
	reasons(b, "drops", run.DropsByReason)
	reasons(b, "marks", run.MarksByReason)
	if run.Duplicated+run.Corrupted+run.Reordered > 0 {
		fmt.Fprintf(b, "  link: duplicated %d corrupted %d reordered %d\n", run.Duplicated, run.Corrupted, run.Reordered)
	}
	fmt.Fprintf(b, "  digest %s\n", run.Digest)
}

// overlimits is how often a qdisc held a packet back, or dropped or marked it
// for its own rules' sake; tc prints it for every qdisc, with what was sent.
const overlimits = "overlimits"

// statsLine prints counters as tc does, on one line.
func statsLine(fields []tc.Field) string {
	var words []string
	for _, f := range fields {
		switch {
		case f.Key == overlimits:
		case !f.Flag:
			words = append(words, f.Key+" "+f.String())
		case f.Num != 0:
			words = append(words, f.Key)
		}
	}
	return strings.Join(words, " ")
}

func reasons(b *strings.Builder, what string, m map[string]uint64) {
	if len(m) == 0 {
		return
	}
	fmt.Fprintf(b, "  %s:", what)
	for _, r := range pkt.Reasons() {
		if n := m[r.String()]; n > 0 {
			fmt.Fprintf(b, " %s %d", r, n)
		}
	}
	b.WriteByte('\n')
}

// flows prints the flows, a line each, with every qdisc's result beside the
// others'.
func (r *Report) flows(b *strings.Builder, limit int) {
	if len(r.Runs) == 0 {
		return
	}
	rows := [][]string{{"flow", "arrived"}}
	for i := range r.Runs {
		l := r.Label(i)
		rows[0] = append(rows[0], l+" drop", "mark", "p50", "p99")
	}
	listed := r.Runs[0].Flows
	limit = min(limit, len(listed))
	for i, f := range listed[:limit] {
		rows = append(rows, r.flowRow(f.Flow, func(run *Run) *Flow { return &run.Flows[i] }))
	}
	if rest := r.Runs[0].others(limit); rest != nil {
		rows = append(rows, r.flowRow(rest.Flow, func(run *Run) *Flow { return run.others(limit) }))
	}
	Table(b, rows)
	fmt.Fprintf(b, "Jain's index is over the bytes of %s.\n", r.Runs[0].JainFlows())
}

// JainFlows says which flows the index of fairness is over.
func (run *Run) JainFlows() string {
	switch {
	case run.MoreFlows:
		return fmt.Sprintf("the first %d flows", run.FlowCount)
	case run.FlowCount == 1:
		return "the only flow"
	}
	return fmt.Sprintf("all %d flows", run.FlowCount)
}

// others is Others with the listed flows from number limit on; nil if there are
// none.
func (run *Run) others(limit int) *Flow {
	hidden := run.Flows[limit:]
	if len(hidden) == 0 {
		return run.Others
	}
	sum := Flow{}
	if run.Others != nil {
		sum = *run.Others
	}
	sum.Flow = run.othersName(run.FlowCount - limit)
	for _, f := range hidden {
		sum.ArrivedPackets += f.ArrivedPackets
		sum.Drops += f.Drops
		sum.Marks += f.Marks
	}
	return &sum
}

// othersName is the name of n flows as one, and of those past MaxFlows.
func (run *Run) othersName(n int) string {
	if run.MoreFlows {
		return fmt.Sprintf("others (more than %d flows)", n)
	}
	return fmt.Sprintf("%d others", n)
}

func (r *Report) flowRow(name string, of func(*Run) *Flow) []string {
	row := []string{name, fmt.Sprint(of(r.Runs[0]).ArrivedPackets)}
	for _, run := range r.Runs {
		f := of(run)
		row = append(row, fmt.Sprint(f.Drops), fmt.Sprint(f.Marks), us(f.Sojourn.P50, 2), us(f.Sojourn.P99, 2))
	}
	return row
}

// us prints microseconds with as many digits as they have, or "-".
func us(v *float64, digits int) string {
	if v == nil {
		return "-"
	}
	rounded := round(*v, digits) // 999.6us are 1ms
	for _, u := range []struct {
		size float64
		name string
	}{{3.6e9, "h"}, {1e6, "s"}, {1e3, "ms"}, {1, "us"}} {
		if rounded >= u.size {
			return strconv.FormatFloat(round(*v/u.size, digits), 'f', -1, 64) + u.name
		}
	}
	return strconv.FormatFloat(round(*v*1e3, digits), 'f', -1, 64) + "ns"
}

// index prints an index of fairness, or "-".
func index(v *float64) string {
	if v == nil {
		return "-"
	}
	return strconv.FormatFloat(*v, 'f', 3, 64)
}

// round keeps so many significant digits.
func round(v float64, digits int) float64 {
	r, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', digits, 64), 64)
	if err != nil {
		return v
	}
	return r
}

// rate prints bits per second with three digits.
func rate(bps float64) string {
	for _, u := range []string{"bit", "Kbit", "Mbit", "Gbit"} {
		if r := round(bps, 3); r < 1000 {
			return strconv.FormatFloat(r, 'f', -1, 64) + u
		}
		bps /= 1000
	}
	return strconv.FormatFloat(round(bps, 3), 'f', -1, 64) + "Tbit"
}
