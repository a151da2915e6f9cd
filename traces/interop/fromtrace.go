package interop

import (
	"container/heap"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// MaxPending is how many packets of a trace may be inside at once for their
// events to come in order of time. Beyond it the one that leaves first is told of
// early; no queue of a kernel is that long.
const MaxPending = 1 << 17

// FromTrace hands what a trace tells to a Writer: it is a traces.Sink. Records
// say at their arrival what became of them, so their later events wait here for
// their time.
//
// Without a scheduler a packet leaves at its verdict; one without a verdict is
// Held. A packet that the kernel lost (traces.Lost) is dropped.
type FromTrace struct {
	w       Writer
	link    int // link-layer header, bytes
	n       uint64
	last    pkt.Time
	pending later
	seq     uint64
	p       pkt.Packet
}

// NewFromTrace makes the sink of a trace with the header h.
func NewFromTrace(w Writer, h traces.Header) *FromTrace {
	return &FromTrace{w: w, link: h.LinkHeader}
}

// Append implements traces.Sink.
func (f *FromTrace) Append(r *traces.Record) error {
	if err := f.until(r.Time); err != nil {
		return err
	}
	r.Fill(&f.p, f.link)
	e := Event{Time: r.Time, Kind: egress.Enqueue, ID: f.n, Size: f.p.Len, Record: r}
	f.n++
	if err := f.give(&e); err != nil {
		return err
	}
	switch end := ended(r); {
	case end == traces.NoTime:
		e.Kind = Held
		return f.give(&e)
	case r.Dequeued != traces.NoTime && (r.Verdict != traces.Drop || byLink(r)):
		return f.leaves(e, max(r.Dequeued, r.Time))
	default:
		e.Leaves = true
		return f.ends(e, max(end, r.Time))
	}
}

// ended is when what became of r was known.
func ended(r *traces.Record) pkt.Time {
	switch {
	case r.Verdict == traces.NoVerdict:
		return traces.NoTime
	case r.Due != traces.NoTime:
		return r.Due
	case r.VerdictTime != traces.NoTime:
		return r.VerdictTime
	}
	return r.Time
}

// leaves is for a packet that its scheduler lets go at t. A scheduler marks
// before that, a link after it.
func (f *FromTrace) leaves(e Event, t pkt.Time) error {
	d, m := e, e
	d.Kind, d.Leaves = egress.Dequeue, true
	m.Kind, m.Reason = egress.Mark, e.Record.Reason
	steps := []Event{d}
	switch {
	case e.Record.Verdict != traces.MarkCE:
	case byLink(e.Record):
		steps = []Event{d, m}
	default:
		steps = []Event{m, d}
	}
	for _, s := range steps {
		if err := f.at(t, s); err != nil {
			return err
		}
	}
	return f.ends(e, max(ended(e.Record), t))
}

// byLink says whether the link decided, not the scheduler.
func byLink(r *traces.Record) bool { return r.Reason == pkt.LinkLoss }

// ends is a packet's last event, at t.
func (f *FromTrace) ends(e Event, t pkt.Time) error {
	e.Kind = egress.Deliver
	if v := e.Record.Verdict; v == traces.Drop || v == traces.Lost {
		e.Kind, e.Reason = egress.Drop, e.Record.Reason
	}
	return f.at(t, e)
}

// at gives e when its time has come.
func (f *FromTrace) at(t pkt.Time, e Event) error {
	e.Time = t
	w := waiting{e, *e.Record, f.seq}
	if w.rec.Verdict == traces.MarkCE && !(e.Kind == egress.Dequeue && byLink(e.Record)) {
		w.rec.DSField |= uint8(pkt.CE)
	}
	heap.Push(&f.pending, w)
	f.seq++
	if len(f.pending) > MaxPending {
		return f.first()
	}
	return nil
}

// until gives what is due until t, as departures come before arrivals.
func (f *FromTrace) until(t pkt.Time) error {
	for len(f.pending) > 0 && f.pending[0].Time <= t {
		if err := f.first(); err != nil {
			return err
		}
	}
	return nil
}

func (f *FromTrace) first() error {
	w := heap.Pop(&f.pending).(waiting)
	w.Record = &w.rec
	return f.give(&w.Event)
}

func (f *FromTrace) give(e *Event) error {
	e.Time = max(e.Time, f.last)
	f.last = e.Time
	return f.w.Event(e)
}

// Event implements traces.Sink.
func (f *FromTrace) Event(e traces.Event) error {
	if w, ok := f.w.(Troubled); ok {
		return w.Trouble(e)
	}
	return nil
}

// Flush implements traces.Sink; it is called at the damage of a damaged trace.
func (f *FromTrace) Flush() error { return nil }

// Close implements traces.Sink. It completes the writer's output.
func (f *FromTrace) Close(end traces.End) error {
	if err := f.until(pkt.Never); err != nil {
		return err
	}
	return f.w.Close(max(f.last, pkt.Time(end.DurationNs)))
}

// waiting is an event with its record, which outlives the call.
type waiting struct {
	Event
	rec traces.Record
	seq uint64
}

// later is a heap of events, the earliest first.
type later []waiting

func (l later) Len() int { return len(l) }
func (l later) Less(i, j int) bool {
	return l[i].Time < l[j].Time || l[i].Time == l[j].Time && l[i].seq < l[j].seq
}
func (l later) Swap(i, j int) { l[i], l[j] = l[j], l[i] }
func (l *later) Push(x any)   { *l = append(*l, x.(waiting)) }
func (l *later) Pop() any {
	old := *l
	w := old[len(old)-1]
	*l = old[:len(old)-1]
	return w
}
