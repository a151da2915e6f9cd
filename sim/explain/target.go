package explain

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
)

// phase is where a packet to explain is.
type phase uint8

const (
	awaited phase = iota
	inQueue
	onLink
	done
)

// mostFlows and mostSpans bound an explanation.
const (
	mostFlows = 256
	mostSpans = 1024
)

// target is a packet to explain, and what was found so far.
type target struct {
	x      *Explanation
	phase  phase
	p      pkt.Packet    // as it arrived
	before []sched.Layer // the last state asked for
	// unsettled says that the state after the decision is still to be asked for.
	unsettled bool

	flows map[pkt.FlowKey]*FlowShare
	order []*FlowShare
	// until is up to when the link's time was divided; pending is the opportunity
	// that is not over yet.
	until   pkt.Time
	pending *Span
	txUntil pkt.Time // end of the packet's own opportunity
	// sent says that a cell told of the outcome, in an opportunity from sentFrom on:
	// that is the packet's own then, not the one in which it was taken.
	sent     bool
	sentFrom pkt.Time
}

func newTarget(id uint64) *target {
	return &target{x: &Explanation{Packet: id, Fate: Undecided}, flows: map[pkt.FlowKey]*FlowShare{}}
}

// arrive is called before the scheduler has the packet. last is the link's last
// opportunity.
func (t *target) arrive(e egress.Event, state []sched.Layer, q *queued, last Span) {
	p, x := e.Packet, t.x
	t.phase, t.p, t.before, t.until = inQueue, *p, state, e.Time
	t.p.Next = nil
	x.Flow, x.Len, x.Segs, x.DSCP, x.ECN = p.Flow.String(), p.Len, p.Segs, p.DSCP(), p.ECN().String()
	x.Arrival = e.Time
	x.State.Arrival = layersOf(state)
	q.each(func(w *waiting) {
		x.Ahead.add(w.len)
		t.share(w.flow.FlowKey).Ahead.add(w.len)
	})
	if last.Until > e.Time {
		t.pending = &last
	}
}

// share is the account of a flow.
func (t *target) share(k pkt.FlowKey) *FlowShare {
	s := t.flows[k]
	if s == nil {
		s = &FlowShare{Flow: k.String(), Own: k == t.p.Flow.FlowKey, key: k}
		t.flows[k] = s
		t.order = append(t.order, s)
	}
	return s
}

// other notes that another packet left before this one.
func (t *target) other(e egress.Event) {
	s := t.share(e.Packet.Flow.FlowKey)
	switch ahead := e.Packet.ID < t.x.Packet; {
	case ahead && e.Kind == egress.Drop:
		s.Dropped.add(e.Packet.Len)
		s.LastLeft = int64(e.Time - t.x.Arrival)
	case ahead:
		s.Sent.add(e.Packet.Len)
		s.LastLeft = int64(e.Time - t.x.Arrival)
	case e.Kind == egress.Dequeue:
		s.Overtook.add(e.Packet.Len)
	}
}

// opportunity adds one that was used.
func (t *target) opportunity(s Span) {
	switch {
	case t.phase == inQueue:
		t.account(s.From)
		t.pending = &s
	case t.sent && s.From == t.sentFrom:
		t.txUntil = s.Until
		if s.has(t.x.Packet) {
			t.keep(s)
		}
	case t.phase > inQueue && t.txUntil == 0 && s.has(t.x.Packet):
		t.txUntil = s.Until // the packet may have been delivered within it already
		t.keep(s)
	}
}

func (s *Span) has(id uint64) bool {
	return slices.ContainsFunc(s.Packets, func(p Sent) bool { return p.Packet == id })
}

// decide ends the wait in the queue.
func (t *target) decide(now pkt.Time) {
	t.account(now)
	t.x.Decided = now
	t.x.State.Before = layersOf(t.before)
	t.unsettled = true
	t.phase = onLink
}

// account divides the link's time until now, at which the pending opportunity is
// over, or is none of the packet's business any more.
func (t *target) account(now pkt.Time) {
	if s := t.pending; s != nil {
		t.pending = nil
		part := *s
		part.From, part.Until = max(s.From, t.until), min(s.Until, now)
		t.divide(part)
		t.keep(*s)
		t.until = part.Until
	}
	t.x.Split.SchedulerWaited += int64(now - t.until)
	t.until = now
}

// divide shares out an opportunity's time by the bytes it took.
func (t *target) divide(s Span) {
	d := uint64(s.Until - s.From)
	total := uint64(0)
	for _, p := range s.Packets {
		total += uint64(p.Len)
	}
	if total == 0 {
		t.x.Split.LinkWithheld += int64(d)
		return
	}
	sum, given := uint64(0), uint64(0)
	for _, p := range s.Packets {
		sum += uint64(p.Len)
		hi, lo := bits.Mul64(d, sum)
		upTo, _ := bits.Div64(hi, lo, total)
		f := t.share(p.key)
		f.OnLink += int64(upTo - given)
		if f.Own {
			t.x.Split.BehindFlow += int64(upTo - given)
		} else {
			t.x.Split.BehindOthers += int64(upTo - given)
		}
		given = upTo
	}
}

// keep lists an opportunity.
func (t *target) keep(s Span) {
	if len(t.x.Spans) == mostSpans {
		t.x.SpansOmitted++
		return
	}
	s.Packets = slices.Clone(s.Packets)
	for i := range s.Packets {
		s.Packets[i].Flow = s.Packets[i].key.String()
	}
	t.x.Spans = append(t.x.Spans, s)
}

// end is when the packet was delivered or is lost.
func (t *target) end(now pkt.Time, f Fate) {
	t.x.Fate, t.x.End, t.phase = f, now, done
}

// finish completes the explanation at the end of the run.
func (t *target) finish(now pkt.Time) {
	x := t.x
	if t.phase == inQueue {
		t.account(max(now, t.until))
		x.Decided, x.End = t.until, t.until
		x.State.Before = layersOf(t.before)
	}
	x.Split.Total = int64(x.End - x.Arrival)
	if sent := x.End > x.Decided || t.txUntil > 0; sent {
		from := min(max(t.sentFrom, x.Decided), x.End)
		x.Split.LinkHeld = int64(from - x.Decided)
		x.Split.Transmission = int64(min(max(t.txUntil, from), x.End) - from)
		x.Split.Beyond = int64(x.End-from) - x.Split.Transmission
	}
	for _, s := range t.order {
		s.Passed = Amount{s.Ahead.Packets - s.Sent.Packets - s.Dropped.Packets, s.Ahead.Bytes - s.Sent.Bytes - s.Dropped.Bytes}
	}
	slices.SortStableFunc(t.order, func(a, b *FlowShare) int {
		return cmp.Or(cmp.Compare(b.OnLink, a.OnLink), cmp.Compare(b.Ahead.Bytes, a.Ahead.Bytes))
	})
	for i, s := range t.order {
		if i == mostFlows {
			x.FlowsOmitted = len(t.order) - mostFlows
			break
		}
		x.Flows = append(x.Flows, *s)
	}
}
