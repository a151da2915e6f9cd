package diff

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/report"
)

// Result is how two runs differ. Times are in nanoseconds; of a pair the first
// is run a's, the second run b's.
type Result struct {
	Same      bool  `json:"same"`
	Tolerance int64 `json:"tolerance_ns"`
	// Packets were compared; Arrived is how many each run had.
	Packets uint64 `json:"packets"`
	Arrived Pair   `json:"arrived"`
	// A packet counts in the first that holds: it is another packet or in one run
	// only; it met another decision; it arrived at another time; it only met the
	// decision at another time.
	PacketsDiffer   uint64 `json:"packets_differ"`
	DecisionsDiffer uint64 `json:"decisions_differ"`
	ArrivalsDiffer  uint64 `json:"arrivals_differ"`
	TimesDiffer     uint64 `json:"times_differ"`
	// First is the differing packet with the lowest number, Context the packets
	// around it; Earliest is the one that met its decision first, at EarliestAt.
	First      *Row     `json:"first,omitempty"`
	Context    []Row    `json:"context,omitempty"`
	Earliest   *Row     `json:"earliest,omitempty"`
	EarliestAt pkt.Time `json:"earliest_at_ns,omitempty"`

	Totals  Counts `json:"totals"`
	Sojourn *Spans `json:"sojourn_difference,omitempty"`
	// Flows are those with the most differing decisions first.
	Flows        []Flow `json:"flows"`
	FlowsOmitted int    `json:"flows_omitted,omitempty"`

	histograms int
}

// Pair is a count of each run.
type Pair [2]uint64

// Shared counts packets of which something is true.
type Shared struct {
	Both  uint64 `json:"both"`
	OnlyA uint64 `json:"only_a"`
	OnlyB uint64 `json:"only_b"`
}

func (s *Shared) add(a, b bool) {
	switch {
	case a && b:
		s.Both++
	case a:
		s.OnlyA++
	case b:
		s.OnlyB++
	}
}

// Counts are of packets that both runs had.
type Counts struct {
	Packets   uint64 `json:"packets"`
	Differ    uint64 `json:"decisions_differ"`
	Delivered Shared `json:"delivered"`
	Dropped   Shared `json:"dropped"`
	Marked    Shared `json:"marked"`
	Undecided Shared `json:"undecided"`
	// DropsBy counts drops by reason.
	DropsBy map[string]*Pair `json:"drops_by_reason"`
}

// Spans tell how the time in the queue differs, of packets that both delivered.
type Spans struct {
	Packets int64 `json:"packets"`
	// Later are those that waited longer in b, Sooner those in a; Mean is of b less
	// a.
	Later  int64 `json:"later"`
	Sooner int64 `json:"sooner"`
	Mean   int64 `json:"mean_ns"`
	// EitherWay is of the differences without their sign.
	EitherWay EitherWay `json:"either_way"`
}

// EitherWay is by how much times differ, whichever run has the later one.
type EitherWay struct {
	P50 *int64 `json:"p50_ns,omitempty"`
	P99 *int64 `json:"p99_ns,omitempty"`
	Max int64  `json:"max_ns"`
}

// Flow is the account of one.
type Flow struct {
	Flow string `json:"flow"`
	Counts
	Sojourn *Spans `json:"sojourn_difference,omitempty"`
}

// Row is a packet in both runs.
type Row struct {
	Packet  uint64 `json:"packet"`
	Differs bool   `json:"differs"`
	A       *InRun `json:"a"` // null where it is not in the run
	B       *InRun `json:"b"`
}

// InRun is a packet in one run.
type InRun struct {
	Flow     string    `json:"flow"`
	Len      uint32    `json:"len"`
	Arrival  pkt.Time  `json:"arrival_ns"`
	Outcome  string    `json:"outcome"`
	Reason   string    `json:"reason,omitempty"`
	Mark     string    `json:"mark,omitempty"`
	Dequeued *pkt.Time `json:"dequeued_ns,omitempty"`
	End      *pkt.Time `json:"end_ns,omitempty"`

	words string
}

func rowOf(id uint64, w *pair, differs bool) Row {
	return Row{Packet: id, Differs: differs, A: w.in(0), B: w.in(1)}
}

func (w *pair) in(side int) *InRun {
	if !w.here[side] {
		return nil
	}
	p, f := w.packet[side], w.fate[side]
	r := &InRun{
		Flow: p.Flow.String(), Len: p.Len, Arrival: p.Arrival, words: f.String(),
		Outcome: [...]string{"undecided", "delivered", "dropped"}[f.Outcome],
	}
	if f.Reason != pkt.NoReason {
		r.Reason = f.Reason.String()
	}
	if f.Mark != pkt.NoReason {
		r.Mark = f.Mark.String()
	}
	if f.Outcome != Undecided {
		if f.Dequeued != pkt.Never {
			r.Dequeued = &f.Dequeued
		}
		if f.End != pkt.Never {
			r.End = &f.End
		}
	}
	return r
}

// WriteWords writes r for people.
func (r *Result) WriteWords(w io.Writer) error {
	b := &strings.Builder{}
	if r.Same {
		fmt.Fprintf(b, "the same: %d packets met the same decisions%s\n", r.Packets, r.within())
		_, err := io.WriteString(w, b.String())
		return err
	}
	fmt.Fprintf(b, "different%s: of %d packets\n", r.within(), r.Packets)
	for _, c := range []struct {
		n    uint64
		what string
	}{
		{r.PacketsDiffer, "are not the same packets, or are in one run only"}, {r.DecisionsDiffer, "met another decision"},
		{r.ArrivalsDiffer, "arrived at another time"}, {r.TimesDiffer, "met the same decision at another time"},
	} {
		if c.n > 0 {
			fmt.Fprintf(b, "  %d %s\n", c.n, c.what)
		}
	}
	b.WriteString("\nfirst by number, with its neighbours\n")
	for i := range r.Context {
		r.Context[i].words(b)
	}
	if r.Earliest.Packet != r.First.Packet {
		fmt.Fprintf(b, "\nfirst in time, at %v\n", r.EarliestAt)
		r.Earliest.words(b)
	}
	r.totals(b)
	r.flows(b)
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Result) within() string {
	if r.Tolerance == 0 {
		return ""
	}
	return " within " + time.Duration(r.Tolerance).String()
}

func (row *Row) words(b *strings.Builder) {
	mark, p := " ", row.A
	if row.Differs {
		mark = "*"
	}
	if p == nil {
		p = row.B
	}
	same := row.A != nil && row.B != nil && row.A.Flow == row.B.Flow && row.A.Len == row.B.Len && row.A.Arrival == row.B.Arrival
	if same {
		fmt.Fprintf(b, "%s packet %d  %s, %d bytes, arrived %v\n", mark, row.Packet, p.Flow, p.Len, p.Arrival)
	} else {
		fmt.Fprintf(b, "%s packet %d\n", mark, row.Packet)
	}
	for i, in := range []*InRun{row.A, row.B} {
		switch {
		case in == nil:
			fmt.Fprintf(b, "    %c  did not arrive\n", 'a'+i)
		case same:
			fmt.Fprintf(b, "    %c  %s\n", 'a'+i, in.words)
		default:
			fmt.Fprintf(b, "    %c  %s, %d bytes, arrived %v: %s\n", 'a'+i, in.Flow, in.Len, in.Arrival, in.words)
		}
	}
}

func (r *Result) totals(b *strings.Builder) {
	c := &r.Totals
	rows := [][]string{{"", "both", "only a", "only b"}}
	for _, s := range []struct {
		name string
		s    Shared
	}{{"delivered", c.Delivered}, {"dropped", c.Dropped}, {"marked", c.Marked}, {"undecided", c.Undecided}} {
		if s.s != (Shared{}) {
			rows = append(rows, []string{s.name, fmt.Sprint(s.s.Both), fmt.Sprint(s.s.OnlyA), fmt.Sprint(s.s.OnlyB)})
		}
	}
	b.WriteString("\n")
	report.Table(b, rows)
	if len(c.DropsBy) > 0 {
		rows = [][]string{{"drops by reason", "a", "b"}}
		for _, why := range slices.Sorted(maps.Keys(c.DropsBy)) {
			rows = append(rows, []string{why, fmt.Sprint(c.DropsBy[why][0]), fmt.Sprint(c.DropsBy[why][1])})
		}
		b.WriteString("\n")
		report.Table(b, rows)
	}
	if s := r.Sojourn; s != nil {
		fmt.Fprintf(b, "\nin the queue, of %d packets that both delivered: %d waited longer in b, %d in a; mean of b less a %s ms;\ndifference, either way: p50 %s, p99 %s, max %s ms\n",
			s.Packets, s.Later, s.Sooner, millis(&s.Mean), millis(s.EitherWay.P50), millis(s.EitherWay.P99), millis(&s.EitherWay.Max))
	}
}

func (r *Result) flows(b *strings.Builder) {
	if len(r.Flows) == 0 {
		return
	}
	rows := [][]string{{"flow", "packets", "delivered both/a/b", "dropped both/a/b", "marked both/a/b", "either way p50 ms", "p99", "max"}}
	for _, f := range r.Flows {
		row := []string{f.Flow, fmt.Sprint(f.Packets), f.Delivered.String(), f.Dropped.String(), f.Marked.String(), "-", "-", "-"}
		if s := f.Sojourn; s != nil {
			row = append(row[:5], millis(s.EitherWay.P50), millis(s.EitherWay.P99), millis(&s.EitherWay.Max))
		}
		rows = append(rows, row)
	}
	b.WriteString("\n")
	report.Table(b, rows)
	if r.FlowsOmitted > 0 {
		fmt.Fprintf(b, "and %d more flows\n", r.FlowsOmitted)
	}
}

// String is "both/only a/only b".
func (s Shared) String() string { return fmt.Sprintf("%d/%d/%d", s.Both, s.OnlyA, s.OnlyB) }

// millis prints nanoseconds as milliseconds to the nearest microsecond.
func millis(ns *int64) string {
	if ns == nil {
		return "-"
	}
	n, sign := *ns, ""
	if n < 0 {
		n, sign = -n, "-"
	}
	n += 500
	return fmt.Sprintf("%s%d.%03d", sign, n/1e6, n/1e3%1e3)
}
