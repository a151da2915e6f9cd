// Package egress joins one scheduler to one link: the box that decides.
//
//	Enqueue ──► scheduler ──Take──► link ──Deliver──► in flight ──► events
//	                 │                │
//	                 └── Drop         └── Lose ────────────────────► events
//
// A [Port] is passive. Two loops drive it: sim from recorded or virtual times,
// the live loop from the real queue and a timer. What happens, happens at its
// due time, however late the driver is: decisions are a pure function of the
// arrivals and the configuration.
package egress

import (
	"fmt"

	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
)

// Kind is what an [Event] tells.
type Kind uint8

// The kinds. Values are part of the event digest.
const (
	// Enqueue: the packet arrived. It is input, not a decision.
	Enqueue Kind = 0
	// Dequeue: the scheduler let the packet go and the link began to send it.
	Dequeue Kind = 1
	// Mark: the scheduler set CE on the packet; comes before its Dequeue. With
	// reason link_loss it was the link, and comes after.
	Mark Kind = 2
	// Deliver: the packet reached the far end of the link.
	Deliver Kind = 3
	// Drop: the packet is gone.
	Drop Kind = 4
	// Duplicate: the link made a copy; Packet is the copy. From here on it counts
	// as the original does, and gets a Deliver or Drop of its own.
	Duplicate Kind = 5
	// Corrupt: the packet arrives with changed bits; comes before its Deliver.
	Corrupt Kind = 6
	// Uplink: the packet arrived at one of the link's stations, which sends it: it
	// passes no scheduler. It is input, as Enqueue is, and followed by a Deliver or
	// a Drop with reason link_loss.
	Uplink Kind = 7
)

// String returns the kind's name in events and reports.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind%d", k)
}

var kindNames = [...]string{"enqueue", "dequeue", "mark", "deliver", "drop", "duplicate", "corrupt", "uplink"}

// Event is one thing that happened, in order of time; equal times are in order
// of cause.
type Event struct {
	Time pkt.Time
	// Packet is valid during the call only.
	Packet *pkt.Packet
	Kind   Kind
	// Reason is set for Drop and Mark.
	Reason pkt.Reason
}

// Sink receives a port's events. It must not call the port.
type Sink interface {
	Event(Event)
}

// Port is a scheduler with the link behind it. It is not safe for concurrent
// use.
//
// At equal times departures come before arrivals, and deliveries before the
// link's next opportunity.
type Port struct {
	now   pkt.Time
	next  pkt.Time // when something is due: an arrival in flight, or act
	sched sched.Scheduler
	wait  sched.Waiter // sched, if it is one
	link  link.Link
	later link.Waker    // link, if it is one
	up    link.Uplinker // link, if it is one
	// source is the port as the link sees it while transmitting.
	source link.Source
	// out is where the link says what became of packets.
	out  link.Outcome
	sink Sink
	pool *pkt.Pool

	busy   bool
	act    pkt.Time // end of the opportunity while busy, else the scheduler's own next time
	since  pkt.Time // start of the current opportunity
	takes  int      // packets taken from the scheduler in it
	left   uint64   // packets that left the port, delivered or dropped
	flight flight
	// drained is how long nothing has left in a Drain.
	drained struct {
		left  uint64
		since pkt.Time
		steps int
	}
	watch func(from, until pkt.Time, busy bool)
}

// New makes a port. makeSched is given the DropFunc its scheduler must use. The
// port puts packets back into pool when they leave.
func New(makeSched func(sched.DropFunc) (sched.Scheduler, error), l link.Link, sink Sink, pool *pkt.Pool) (*Port, error) {
	p := &Port{next: pkt.Never, act: pkt.Never, link: l, sink: sink, pool: pool, flight: newFlight()}
	s, err := makeSched(p.drop)
	if err != nil {
		return nil, err
	}
	p.sched = s
	p.wait, _ = s.(sched.Waiter)
	p.later, _ = l.(link.Waker)
	p.up, _ = l.(link.Uplinker)
	p.source, p.out = (*opportunity)(p), (*opportunity)(p)
	if s, ok := s.(sched.Stations); ok {
		p.source = &stations{opportunity: (*opportunity)(p), sched: s}
	}
	if c, ok := s.(sched.Completer); ok {
		p.out = &completions{opportunity: (*opportunity)(p), sched: c}
	}
	return p, nil
}

// Scheduler returns the port's scheduler, for its description and counters.
func (p *Port) Scheduler() sched.Scheduler { return p.sched }

// Link returns the port's link.
func (p *Port) Link() link.Link { return p.link }

// Watch lets f know of every opportunity of the link, after what it took was told
// to the Sink: from when until when, and whether it was used. One that was not
// lasts until an arrival or the scheduler's own time.
func (p *Port) Watch(f func(from, until pkt.Time, busy bool)) { p.watch = f }

// WatchOutcomes lets f know of every packet that the link says the outcome of, and
// since when the opportunity lasts in which it does so. What the port's users see
// of it are events, at the time it happens.
func (p *Port) WatchOutcomes(f func(since pkt.Time, q *pkt.Packet)) {
	p.out = &watched{Outcome: p.out, port: p, f: f}
}

// watched is an Outcome that somebody is told of.
type watched struct {
	link.Outcome
	port *Port
	f    func(since pkt.Time, q *pkt.Packet)
}

// Deliver implements link.Outcome.
func (w *watched) Deliver(at pkt.Time, q *pkt.Packet) {
	w.f(w.port.since, q)
	w.Outcome.Deliver(at, q)
}

// Lose implements link.Outcome.
func (w *watched) Lose(at pkt.Time, q *pkt.Packet) {
	w.f(w.port.since, q)
	w.Outcome.Lose(at, q)
}

// Now is the time of the last call.
func (p *Port) Now() pkt.Time { return p.now }

// Next is when the port is due to act on its own; pkt.Never while only an
// arrival can change something.
func (p *Port) Next() pkt.Time { return p.next }

// Enqueue hands the port the packet q, arriving at now. What was due until now,
// now included, happens first. A packet that comes from one of the link's
// stations is that station's to send.
func (p *Port) Enqueue(now pkt.Time, q *pkt.Packet) {
	p.Advance(now)
	if p.up == nil || !p.sendUp(now, q) {
		p.sink.Event(Event{Time: now, Kind: Enqueue, Packet: q})
		p.sched.Enqueue(now, q)
	}
	if !p.busy {
		p.serve(now)
		p.Advance(now)
	}
}

// Advance lets everything happen that is due until now, each at its due time.
// now must not be before an earlier call's.
func (p *Port) Advance(now pkt.Time) {
	if now < p.now {
		panic(fmt.Sprintf("egress: time runs back from %v to %v", p.now, now))
	}
	for p.next <= now {
		p.step(p.next)
		if p.next == pkt.Never {
			break
		}
	}
	p.now = now
}

// Drain lets everything happen that is still due. What a scheduler keeps then
// waits for an arrival that never comes, or starves: nothing leaves for long,
// however much the link does. It stays in the scheduler's Backlog.
func (p *Port) Drain() {
	for p.DrainSome(1 << 20) {
	}
}

// Starving is a Drain in which nothing has left for so many steps and as long, and
// nothing is on its way.
const (
	starvingSteps = 1000
	starvingTime  = pkt.Time(60_000_000_000)
)

// DrainSome is Drain for up to so many steps; more says that it is not over.
func (p *Port) DrainSome(steps int) (more bool) {
	for ; steps > 0; steps-- {
		if p.next == pkt.Never {
			return false
		}
		if p.left != p.drained.left || p.drained.steps == 0 {
			p.drained.left, p.drained.since, p.drained.steps = p.left, p.next, 0
		}
		if p.drained.steps++; p.drained.steps > starvingSteps && p.next-p.drained.since > starvingTime && p.flight.next == pkt.Never {
			return false
		}
		p.now = p.next
		p.step(p.next)
	}
	return true
}

// step does what is due at t: one delivery, or else an opportunity.
func (p *Port) step(t pkt.Time) {
	if p.flight.next <= t {
		p.leave(p.flight.pop())
		p.next = min(p.act, p.flight.next)
		return
	}
	p.serve(t)
}

// serve gives the link an opportunity at t.
func (p *Port) serve(t pkt.Time) {
	p.since, p.takes = t, 0
	departed := p.flight.departed
	free, busy := p.link.Transmit(t, p.source, p.out)
	if busy && free <= t && (free < t || p.takes == 0 && p.flight.departed == departed) {
		panic(fmt.Sprintf("egress: link %s at %v makes no progress", p.link.Kind(), t))
	}
	p.busy, p.act = busy, free
	if p.watch != nil {
		p.watch(t, free, busy)
	}
	if !busy {
		p.act = p.wake()
	}
	p.next = min(p.act, p.flight.next)
}

// wake is the scheduler's own next time, or the link's.
func (p *Port) wake() pkt.Time {
	at := pkt.Never
	if p.wait != nil {
		at = p.wait.NextWake()
	}
	if p.later != nil {
		at = min(at, p.later.NextWake())
	}
	return at
}

func (p *Port) leave(e inFlight) {
	ev := Event{Time: e.at, Kind: Deliver, Packet: e.p}
	switch {
	case e.lost():
		ev.Kind, ev.Reason = Drop, pkt.LinkLoss
	case p.flight.overtaken(e):
		e.p.Flaws |= pkt.Reordered
		fallthrough
	default:
		if e.p.Flaws&pkt.Corrupted != 0 {
			p.sink.Event(Event{Time: e.at, Kind: Corrupt, Packet: e.p})
		}
	}
	p.left++
	p.sink.Event(ev)
	p.pool.Put(e.p)
}

// drop is the scheduler's DropFunc.
func (p *Port) drop(now pkt.Time, q *pkt.Packet, why pkt.Reason) {
	if q.Flow == nil {
		p.gone("dropped", q)
	}
	p.left++
	p.sink.Event(Event{Time: now, Kind: Drop, Packet: q, Reason: why})
	p.pool.Put(q)
}

// gone ends a run whose scheduler gave up a packet that is no longer its own.
func (p *Port) gone(what string, q *pkt.Packet) {
	panic(fmt.Sprintf("egress: at %v scheduler %T %s packet %d, which had left before: see schedtest.Conformance", p.now, p.sched, what, q.ID))
}

// opportunity is the port as the link sees it while transmitting.
type opportunity Port

// Take implements link.Source.
func (o *opportunity) Take(now pkt.Time) *pkt.Packet { return o.taken(now, o.sched.Dequeue(now)) }

// taken tells of q, which the scheduler let go, if it is a packet.
func (o *opportunity) taken(now pkt.Time, q *pkt.Packet) *pkt.Packet {
	if q == nil {
		return nil
	}
	if q.Flow == nil {
		(*Port)(o).gone("let go", q)
	}
	q.Dequeued = now
	o.takes++
	if q.Mark != pkt.NoReason {
		o.sink.Event(Event{Time: now, Kind: Mark, Packet: q, Reason: q.Mark})
	}
	o.sink.Event(Event{Time: now, Kind: Dequeue, Packet: q})
	return q
}

// Deliver implements link.Outcome.
func (o *opportunity) Deliver(at pkt.Time, q *pkt.Packet) {
	if q.Mark == pkt.LinkLoss {
		o.sink.Event(Event{Time: o.since, Kind: Mark, Packet: q, Reason: q.Mark})
	}
	o.flight.push(at, q, 0)
}

// Lose implements link.Outcome.
func (o *opportunity) Lose(at pkt.Time, q *pkt.Packet) {
	o.flight.push(at, q, 1)
}

// Duplicate implements link.Outcome.
func (o *opportunity) Duplicate(q *pkt.Packet) *pkt.Packet {
	c := o.pool.Get()
	*c = *q
	c.Flaws |= pkt.Duplicated
	o.sink.Event(Event{Time: o.since, Kind: Duplicate, Packet: c})
	return c
}
