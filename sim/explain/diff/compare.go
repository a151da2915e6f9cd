package diff

import (
	"cmp"
	"slices"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/report"
)

// what differs of a packet.
type what uint8

const (
	nothing  what = iota
	times         // only when
	decision      // outcome, reason or mark
	arrival       // when it arrived
	identity      // it is another packet, or in one run only
)

// compare takes in a packet that both runs are done with.
func (d *Differ) compare(id uint64, w *pair) {
	w.undecide(d.horizon)
	diff := w.differs(pkt.Time(d.opt.Tolerance))
	d.res.Packets++
	for side := range 2 {
		if w.here[side] {
			d.res.Arrived[side]++
		}
	}
	switch diff {
	case times:
		d.res.TimesDiffer++
	case decision:
		d.res.DecisionsDiffer++
	case arrival:
		d.res.ArrivalsDiffer++
	case identity:
		d.res.PacketsDiffer++
	}
	if diff != nothing {
		d.differs(id, w)
	}
	d.context(id, w, diff != nothing)
	if diff != identity {
		d.total.add(w, nil)
		d.flow(w.packet[0].Flow).tally.add(w, &d.res.histograms)
	}
}

// undecide forgets decisions after the other run's end, which that run had no
// chance to take.
func (w *pair) undecide(horizon [2]pkt.Time) {
	for side := range 2 {
		if other := 1 - side; !w.done[other] && w.fate[side].End > horizon[other] {
			w.fate[side] = Fate{}
		}
	}
}

func (w *pair) differs(tolerance pkt.Time) what {
	a, b, p, q := &w.fate[0], &w.fate[1], &w.packet[0], &w.packet[1]
	switch {
	case w.here[0] != w.here[1] || p.Flow != q.Flow || p.Len != q.Len:
		return identity
	case a.Outcome != b.Outcome || a.Reason != b.Reason || a.Mark != b.Mark:
		return decision
	case apart(p.Arrival, q.Arrival, tolerance):
		return arrival
	case a.Outcome != Undecided && (apart(a.Dequeued, b.Dequeued, tolerance) || apart(a.End, b.End, tolerance)):
		return times
	}
	return nothing
}

func apart(t, u, tolerance pkt.Time) bool { return max(t, u)-min(t, u) > tolerance }

// differs keeps the first difference, by number and by time.
func (d *Differ) differs(id uint64, w *pair) {
	if d.res.First == nil {
		row := rowOf(id, w, true)
		d.res.First = &row
		for i := range d.recent {
			d.res.Context = append(d.res.Context, rowOf(d.recent[i].id, &d.recent[i].pair, false))
		}
		d.after = d.opt.Context + 1
	}
	at := pkt.Never
	for side := range 2 {
		if w.fate[side].Outcome != Undecided {
			at = min(at, w.fate[side].Dequeued)
		}
	}
	if d.res.Earliest == nil || at < d.res.EarliestAt {
		row := rowOf(id, w, true)
		d.res.Earliest, d.res.EarliestAt = &row, at
	}
}

// context keeps the packets around the first difference.
func (d *Differ) context(id uint64, w *pair, differs bool) {
	switch {
	case d.after > 0:
		d.after--
		d.res.Context = append(d.res.Context, rowOf(id, w, differs))
	case d.res.First == nil && d.opt.Context > 0:
		if len(d.recent) == d.opt.Context {
			d.recent = d.recent[:copy(d.recent, d.recent[1:])]
		}
		d.recent = append(d.recent, numbered{id, *w})
	}
}

// mostFlows is how many flows are told apart; the rest have one account.
const mostFlows = 1 << 16

// flow is the account of a flow.
type flow struct {
	name  string
	tally tally
}

func (d *Differ) flow(k pkt.FlowKey) *flow {
	if f := d.byKey[k]; f != nil {
		return f
	}
	if len(d.order) == mostFlows {
		if d.others == nil {
			d.others = &flow{name: "others", tally: newTally()}
		}
		return d.others
	}
	f := &flow{name: k.String(), tally: newTally()}
	d.byKey[k] = f
	d.order = append(d.order, f)
	return f
}

// tally counts what both runs did.
type tally struct {
	Counts
	sum      int64 // of the differences, b less a
	sojourn  report.Distribution
	later    int64
	sooner   int64
	unequals uint64 // decisions that differ
}

func newTally() tally { return tally{Counts: Counts{DropsBy: map[string]*Pair{}}} }

// mostHistograms bounds the flows with quantiles; a histogram takes 40 kB.
const mostHistograms = 512

func (t *tally) add(w *pair, histograms *int) {
	a, b := &w.fate[0], &w.fate[1]
	t.Packets++
	t.Delivered.add(a.Outcome == Delivered, b.Outcome == Delivered)
	t.Dropped.add(a.Outcome == Dropped, b.Outcome == Dropped)
	t.Marked.add(a.Mark != pkt.NoReason, b.Mark != pkt.NoReason)
	t.Undecided.add(a.Outcome == Undecided, b.Outcome == Undecided)
	for side, f := range w.fate {
		if f.Outcome == Dropped {
			p := t.DropsBy[f.Reason.String()]
			if p == nil {
				p = &Pair{}
				t.DropsBy[f.Reason.String()] = p
			}
			p[side]++
		}
	}
	if a.Outcome != b.Outcome || a.Reason != b.Reason || a.Mark != b.Mark {
		t.unequals++
	}
	if a.Outcome != Delivered || b.Outcome != Delivered || a.Dequeued == pkt.Never || b.Dequeued == pkt.Never {
		return
	}
	d := int64(b.Dequeued-w.packet[1].Arrival) - int64(a.Dequeued-w.packet[0].Arrival)
	t.sum += d
	switch {
	case d > 0:
		t.later++
	case d < 0:
		t.sooner, d = t.sooner+1, -d
	}
	t.sojourn.Record(d, func() *report.Histogram {
		if histograms == nil { // of all flows
			return report.NewHistogram(report.Fine)
		}
		if *histograms == mostHistograms {
			return nil
		}
		*histograms++
		return report.NewHistogram(report.Coarse)
	})
}

// Result is what was found. The runs must be over.
func (d *Differ) Result(flows int) *Result {
	r := &d.res
	r.Same = r.First == nil
	r.Totals = d.total.counts()
	r.Sojourn = d.total.spans()
	slices.SortStableFunc(d.order, func(a, b *flow) int {
		return cmp.Or(cmp.Compare(b.tally.unequals, a.tally.unequals), cmp.Compare(b.tally.Packets, a.tally.Packets))
	})
	r.Flows = nil
	for i, f := range d.order {
		if i == flows {
			r.FlowsOmitted = len(d.order) - flows
			break
		}
		r.Flows = append(r.Flows, Flow{Flow: f.name, Counts: f.tally.counts(), Sojourn: f.tally.spans()})
	}
	if d.others != nil {
		r.FlowsOmitted++
	}
	return r
}

func (t *tally) counts() Counts {
	c := t.Counts
	c.Differ = t.unequals
	return c
}

// spans are nil where no packet was delivered by both.
func (t *tally) spans() *Spans {
	n := t.sojourn.Count()
	if n == 0 {
		return nil
	}
	s := &Spans{Packets: n, Later: t.later, Sooner: t.sooner, Mean: rounded(t.sum, n), EitherWay: EitherWay{Max: t.sojourn.Max()}}
	if v, ok := t.sojourn.Quantile(50); ok {
		s.EitherWay.P50 = &v
	}
	if v, ok := t.sojourn.Quantile(99); ok {
		s.EitherWay.P99 = &v
	}
	return s
}

// rounded is sum/n, to the nearest.
func rounded(sum, n int64) int64 {
	if sum < 0 {
		return -((-sum + n/2) / n)
	}
	return (sum + n/2) / n
}
