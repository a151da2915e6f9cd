package sim

import (
	"fmt"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
)

// Source yields arrivals in order of time: a trace.
type Source interface {
	// Next fills p with the next arrival: every field but Next, Mark and
	// Dequeued. ok is false at the end. After an error the source is done; what
	// came before it is valid.
	Next(p *pkt.Packet) (ok bool, err error)
}

// Filler is a Source that gives several arrivals at once, which costs less.
type Filler interface {
	Source
	// Fill fills the first n of ps as Next would; it may put other packets in
	// their places, as new as those it takes. n is 0 only at the end.
	Fill(ps []*pkt.Packet) (n int, err error)
}

// fillPackets is how many arrivals are asked for at once.
const fillPackets = 64

// intake holds the arrivals that a Filler gave and that are still to come.
type intake struct {
	src     Source
	many    Filler // src, if it is one
	ps      [fillPackets]*pkt.Packet
	at, end int
}

// next returns the next arrival in a packet of the pool, nil at the end.
func (in *intake) next(pool *pkt.Pool) (*pkt.Packet, error) {
	if in.at == in.end {
		if err := in.fill(pool); in.end == 0 {
			return nil, err
		}
	}
	p := in.ps[in.at]
	in.at++
	return p, nil
}

func (in *intake) fill(pool *pkt.Pool) (err error) {
	in.at, in.end = 0, 0
	if in.many == nil {
		p := pool.Get()
		ok := false
		if ok, err = in.src.Next(p); ok {
			in.ps[0], in.end = p, 1
		} else {
			pool.Put(p)
		}
		return err
	}
	for i := range in.ps {
		in.ps[i] = pool.Get()
	}
	in.end, err = in.many.Fill(in.ps[:])
	for _, p := range in.ps[in.end:] {
		pool.Put(p)
	}
	return err
}

// giveBack returns to the pool what will not arrive.
func (in *intake) giveBack(pool *pkt.Pool) {
	for _, p := range in.ps[in.at:in.end] {
		pool.Put(p)
	}
}

// Lane is a port with the pool its packets come from.
type Lane struct {
	Port *egress.Port
	Pool *pkt.Pool
	// Split hands this port the segments of super-packets, numbered apart, all
	// with the arrival time of the whole.
	Split bool
	// MTU is what segments are cut to, layer 3, in bytes; 0 if unknown.
	MTU uint32

	seg  pkt.Splitter
	next uint64 // number of the next packet, where they are split
}

// enqueue hands the port p, which is the pool's, or its segments.
func (l *Lane) enqueue(now pkt.Time, p *pkt.Packet) {
	if !l.Split {
		l.Port.Enqueue(now, p)
		return
	}
	if p.Segs > 1 {
		l.seg.Start(p, l.MTU)
		for l.seg.Left() > 1 {
			q := l.Pool.Get()
			l.seg.Next(q)
			l.number(now, q)
		}
		l.seg.Next(p)
	}
	l.number(now, p)
}

func (l *Lane) number(now pkt.Time, p *pkt.Packet) {
	p.ID = l.next
	l.next++
	l.Port.Enqueue(now, p)
}

// Run drives port with src's arrivals until the last packet has left, and
// returns the number of arrivals: RunAll with one lane.
func Run(src Source, port *egress.Port, pool *pkt.Pool) (arrivals uint64, err error) {
	return RunAll(src, []Lane{{Port: port, Pool: pool}})
}

// RunAll drives every lane with the same arrivals, reading src once, until the
// last packet has left each. The lanes share nothing but Flows.
//
// The time of an arrival is its Packet.Arrival, which must not run back nor be
// negative. An error of src ends the arrivals; what arrived is still served. A
// scheduler that loses packets is an error, if nothing else is.
func RunAll(src Source, lanes []Lane) (arrivals uint64, err error) {
	first, rest := &lanes[0], lanes[1:]
	last := first.Port.Now()
	in := intake{src: src}
	in.many, _ = src.(Filler)
	for {
		p, err := in.next(first.Pool)
		if p != nil && p.Arrival < last {
			err = runsBack(p, last, arrivals)
			first.Pool.Put(p)
			p = nil
		}
		if p == nil {
			in.giveBack(first.Pool)
			for _, l := range lanes {
				if derr := drain(src, &l); err == nil {
					err = derr
				}
			}
			return arrivals, err
		}
		last = p.Arrival
		for i := range rest {
			q := rest[i].Pool.Get()
			*q = *p
			rest[i].enqueue(last, q)
		}
		first.enqueue(last, p)
		arrivals++
	}
}

// Minder is a Source that is asked now and then, while the last packets leave,
// whether that is worth while: an error ends the run.
type Minder interface {
	Source
	Mind() error
}

// drainSteps is how often it is asked.
const drainSteps = 4096

// drain lets the last packets leave, and sees that none went missing.
func drain(src Source, l *Lane) error {
	minder, _ := src.(Minder)
	for l.Port.DrainSome(drainSteps) {
		if minder == nil {
			continue
		}
		if err := minder.Mind(); err != nil {
			return err
		}
	}
	if l.Port.Next() != pkt.Never {
		return nil // those in the link's hands cannot be counted
	}
	if kept, _ := l.Port.Scheduler().Backlog(); kept != l.Pool.Out() {
		return fmt.Errorf("the scheduler lost count: %d packets neither left nor were dropped, and its backlog is %d: see schedtest.Conformance", l.Pool.Out(), kept)
	}
	return nil
}

func runsBack(p *pkt.Packet, last pkt.Time, arrivals uint64) error {
	if arrivals == 0 {
		return fmt.Errorf("packet %d arrives at %v, before the run begins at %v", p.ID, p.Arrival, last)
	}
	return fmt.Errorf("packet %d arrives at %v, before its predecessor at %v", p.ID, p.Arrival, last)
}
