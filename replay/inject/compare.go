package inject

import (
	"fmt"

	"github.com/uqtool/uq/record"
	"github.com/uqtool/uq/sim"
	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// Comparison is simulation against reality, packet by packet.
type Comparison struct {
	// Arrivals simulates the arrivals as they came to the queue; Trace the
	// packets as they were recorded.
	Arrivals Difference `json:"live_arrivals"`
	Trace    Difference `json:"trace"`
}

// Difference compares a simulation with the live run.
type Difference struct {
	// Compared packets were delivered in both.
	Compared uint64 `json:"compared"`
	// Sojourn is how much the time from arrival to the sink differed from the
	// simulated time from arrival to the link's end, in ns, without its sign.
	Sojourn record.Distribution `json:"sojourn_difference_ns"`
	// Drops and Marks are of the simulation and of the live run; Same counts
	// those of the same packets.
	Drops Pair `json:"drops"`
	Marks Pair `json:"marks"`
}

// Pair counts the same thing on both sides.
type Pair struct {
	Sim  uint64 `json:"sim"`
	Live uint64 `json:"live"`
	Same uint64 `json:"same"`
}

// Equal says that both sides did it to the same packets.
func (p Pair) Equal() bool { return p.Sim == p.Same && p.Live == p.Same }

// outcome is what a simulation did with a packet.
type outcome struct {
	sojourn int64 // arrival to delivery, ns; -1 if dropped, -2 if neither
	marked  bool
}

// outcomes is the Sink that notes them, by packet.
type outcomes struct{ of []outcome }

// Event implements egress.Sink.
func (o *outcomes) Event(e egress.Event) {
	if e.Packet.Flaws&pkt.Duplicated != 0 {
		return // originals are compared
	}
	for uint64(len(o.of)) <= e.Packet.ID {
		o.of = append(o.of, outcome{sojourn: -2})
	}
	p := &o.of[e.Packet.ID]
	switch e.Kind {
	case egress.Deliver:
		p.sojourn, p.marked = int64(e.Time-e.Packet.Arrival), e.Packet.Mark != pkt.NoReason
	case egress.Drop:
		p.sojourn = -1
	}
}

func (o *outcomes) get(id uint64) outcome {
	if id < uint64(len(o.of)) {
		return o.of[id]
	}
	return outcome{sojourn: -2}
}

// reality is what the live run did with a packet.
type reality struct {
	n, arrival uint64
	sojourn    int64 // arrival to the sink; -1 if dropped, -2 if neither
	marked     bool
}

// comparer keeps the live run's packets that met the queue: 32 bytes each.
type comparer struct{ live []reality }

func newComparer() *comparer { return &comparer{} }

func (c *comparer) add(f *Fate) {
	if !f.Recorded {
		return
	}
	r := reality{n: f.N, arrival: f.Arrival, sojourn: -2, marked: f.Record.Verdict == traces.MarkCE}
	switch {
	case f.Received != 0:
		r.sojourn = f.Received - f.ArrivedAt
	case f.Record.Verdict == traces.Drop:
		r.sojourn = -1
	}
	c.live = append(c.live, r)
}

// porter is an egress.Port.
type porter = *egress.Port

// compare runs both simulations.
func (c *comparer) compare(arrivals, original sim.Source, port func(*outcomes, *pkt.Pool) (porter, error)) (*Comparison, error) {
	out := &Comparison{}
	for _, s := range []struct {
		src sim.Source
		to  *Difference
		id  func(*reality) uint64
	}{
		{arrivals, &out.Arrivals, func(r *reality) uint64 { return r.arrival }},
		{original, &out.Trace, func(r *reality) uint64 { return r.n }},
	} {
		sink, pool := &outcomes{}, &pkt.Pool{}
		p, err := port(sink, pool)
		if err != nil {
			return nil, err
		}
		if _, err := sim.Run(s.src, p, pool); err != nil {
			return nil, fmt.Errorf("simulate for comparison: %w", err)
		}
		*s.to = c.differ(sink, s.id)
	}
	return out, nil
}

// differ compares one simulation.
func (c *comparer) differ(s *outcomes, id func(*reality) uint64) Difference {
	var d Difference
	diff := newSpread()
	for _, o := range s.of {
		d.Drops.Sim += one(o.sojourn == -1)
		d.Marks.Sim += one(o.marked)
	}
	for i := range c.live {
		r := &c.live[i]
		o := s.get(id(r))
		d.Drops.Live += one(r.sojourn == -1)
		d.Drops.Same += one(r.sojourn == -1 && o.sojourn == -1)
		d.Marks.Live += one(r.marked)
		d.Marks.Same += one(r.marked && o.marked)
		if r.sojourn >= 0 && o.sojourn >= 0 {
			d.Compared++
			diff.add(max(r.sojourn-o.sojourn, o.sojourn-r.sojourn))
		}
	}
	d.Sojourn = record.Distribute(diff.h)
	return d
}

func one(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
