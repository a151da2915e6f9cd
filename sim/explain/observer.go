package explain

import (
	"fmt"

	"github.com/uqtool/uq/sim"
	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
)

// Observer explains packets of one run. It is the Sink of a port, or one of
// several, and its Source stands before the run's.
type Observer struct {
	port     *egress.Port
	targets  []*target
	queue    queued
	taken    []Sent // since the last opportunity ended
	last     Span   // the last opportunity that was used
	arriving uint64 // the packet that arrived last
	at       pkt.Time
	arrived  uint64 // how many did
	same     drops
}

// drops counts those of one reason at one instant.
type drops struct {
	at  pkt.Time
	why pkt.Reason
	n   int
}

// New explains the packets with the given numbers.
func New(packets ...uint64) *Observer {
	o := &Observer{}
	for _, id := range packets {
		o.targets = append(o.targets, newTarget(id))
	}
	return o
}

// Attach gives the observer the port whose Sink it is.
func (o *Observer) Attach(port *egress.Port) {
	o.port = port
	port.Watch(o.opportunity)
	if _, ok := port.Link().(link.Cell); ok { // others send what they take at once
		port.WatchOutcomes(o.outcome)
	}
}

// Source is src for the run. It ends when nothing remains to be explained.
func (o *Observer) Source(src sim.Source) sim.Source { return &source{o, src} }

type source struct {
	o   *Observer
	src sim.Source
}

// Next implements sim.Source.
func (s *source) Next(p *pkt.Packet) (bool, error) {
	o := s.o
	o.settle()
	if o.all(func(t *target) bool { return t.phase == done }) {
		return false, nil
	}
	ok, err := s.src.Next(p)
	until := pkt.Never - 1
	if ok {
		until = p.Arrival
	}
	o.step(until)
	return ok, err
}

// step lets the port act until the given time, an instant at a time as long as a
// packet to explain is queued.
func (o *Observer) step(until pkt.Time) {
	for next := o.port.Next(); next <= until && !o.all(func(t *target) bool { return t.phase != inQueue }); next = o.port.Next() {
		for _, t := range o.targets {
			if t.phase == inQueue {
				t.before = sched.Explain(o.port.Scheduler(), next, &t.p)
			}
		}
		o.port.Advance(next)
		o.settle()
	}
}

// settle takes down the state after decisions, now that the scheduler is done
// with them.
func (o *Observer) settle() {
	for _, t := range o.targets {
		if t.unsettled {
			t.unsettled = false
			t.x.State.After = layersOf(sched.Explain(o.port.Scheduler(), max(o.port.Now(), t.x.Decided), &t.p))
		}
	}
}

func (o *Observer) all(is func(*target) bool) bool {
	for _, t := range o.targets {
		if !is(t) {
			return false
		}
	}
	return true
}

// Event implements egress.Sink.
func (o *Observer) Event(e egress.Event) {
	switch e.Kind {
	case egress.Enqueue, egress.Uplink:
		o.arrive(e)
	case egress.Dequeue:
		o.taken = append(o.taken, Sent{Packet: e.Packet.ID, Len: e.Packet.Len, key: e.Packet.Flow.FlowKey})
		o.leave(e)
	case egress.Drop:
		if e.Reason != pkt.LinkLoss {
			o.leave(e)
		}
	}
	for _, t := range o.targets {
		if t.x.Packet == e.Packet.ID && e.Packet.Flaws&pkt.Duplicated == 0 {
			o.own(t, e)
		}
	}
}

func (o *Observer) arrive(e egress.Event) {
	o.arriving, o.at, o.arrived = e.Packet.ID, e.Time, o.arrived+1
	for _, t := range o.targets {
		switch {
		case t.x.Packet == e.Packet.ID:
			t.arrive(e, sched.Explain(o.port.Scheduler(), e.Time, e.Packet), &o.queue, o.last)
		case t.phase == inQueue && e.Kind == egress.Enqueue: // which may cost the target its place
			t.before = sched.Explain(o.port.Scheduler(), e.Time, &t.p)
		}
	}
	if e.Kind == egress.Enqueue {
		o.queue.add(e.Packet)
	}
}

// leave notes for every packet explained who left before it.
func (o *Observer) leave(e egress.Event) {
	if e.Kind == egress.Drop {
		if o.same.at != e.Time || o.same.why != e.Reason {
			o.same = drops{at: e.Time, why: e.Reason}
		}
		o.same.n++
	}
	if !o.queue.remove(e.Packet.ID) {
		return
	}
	for _, t := range o.targets {
		if t.phase == inQueue && t.x.Packet != e.Packet.ID {
			t.other(e)
		}
	}
}

// own handles the events of an explained packet itself.
func (o *Observer) own(t *target, e egress.Event) {
	switch e.Kind {
	case egress.Mark:
		t.x.mark, t.x.Mark = e.Reason, e.Reason.String()
	case egress.Dequeue:
		t.decide(e.Time)
	case egress.Uplink:
		t.x.Uplink = true
		t.decide(e.Time)
	case egress.Drop:
		if e.Reason != pkt.LinkLoss {
			t.decide(e.Time)
			t.x.alike = o.same.n - 1
			t.x.trigger, t.x.triggered = o.arriving, e.Time == o.at
		}
		t.x.reason, t.x.Reason = e.Reason, e.Reason.String()
		t.end(e.Time, Dropped)
	case egress.Deliver:
		t.end(e.Time, Delivered)
	}
}

// opportunity is told of each by the port.
func (o *Observer) opportunity(from, until pkt.Time, busy bool) {
	taken := o.taken
	o.taken = o.taken[:0]
	if !busy {
		return
	}
	o.last = Span{From: from, Until: until, Packets: append([]Sent(nil), taken...)}
	for _, t := range o.targets {
		t.opportunity(o.last)
	}
}

// outcome is told by the port of each packet the link is done with, within the
// opportunity that began at since.
func (o *Observer) outcome(since pkt.Time, p *pkt.Packet) {
	for _, t := range o.targets {
		if t.x.Packet == p.ID && p.Flaws&pkt.Duplicated == 0 {
			t.sent, t.sentFrom = true, since
		}
	}
}

// Explanations are those of all packets, in the order they were asked for. The
// run must be over.
func (o *Observer) Explanations() ([]*Explanation, error) {
	o.settle()
	var xs []*Explanation
	for _, t := range o.targets {
		if t.phase == awaited {
			return nil, fmt.Errorf("there is no packet %d: %w", t.x.Packet, o.absent())
		}
		t.finish(o.port.Now())
		t.x.summarise()
		xs = append(xs, t.x)
	}
	return xs, nil
}

func (o *Observer) absent() error {
	if o.arrived == 0 {
		return fmt.Errorf("no packet arrived at all")
	}
	return fmt.Errorf("%d arrived, numbered from 0 to %d", o.arrived, o.arriving)
}
