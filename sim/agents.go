package sim

import (
	"container/heap"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
)

// Agent is a source that schedules its own next event: a closed-loop sender
// that reacts to what becomes of its packets.
type Agent interface {
	// Next is when the agent acts next, not before the time of the call it was
	// last given; pkt.Never while only an Observe can change that.
	Next() pkt.Time
	// Act does what is due at now. It sends packets, got from the run's pool and
	// filled as a Source fills them, with send; packets sent at one time arrive
	// in the order sent.
	Act(now pkt.Time, send func(*pkt.Packet))
	// Observe tells the agent of an event of any packet. It must not keep the
	// packet. It may change Next.
	Observe(e egress.Event)
}

// Loop runs agents against a port. Its events are ordered by (time, sequence):
// at equal times departures come first, then agents in the order in which they
// scheduled that time. A Loop is the Sink of its port; Sink, if set, is told
// before the agents.
type Loop struct {
	Sink   egress.Sink
	agents []Agent
	queue  schedule
	seq    uint64
}

// Add adds an agent.
func (l *Loop) Add(a Agent) {
	l.agents = append(l.agents, a)
	l.queue.items = append(l.queue.items, turn{agent: len(l.agents) - 1, at: pkt.Never})
	l.queue.where = append(l.queue.where, len(l.agents)-1)
}

// Event implements egress.Sink.
func (l *Loop) Event(e egress.Event) {
	if l.Sink != nil {
		l.Sink.Event(e)
	}
	for i, a := range l.agents {
		a.Observe(e)
		l.reschedule(i)
	}
}

// Run drives port until nothing is due any more or until the given time, and
// returns the number of arrivals.
func (l *Loop) Run(port *egress.Port, until pkt.Time) (arrivals uint64) {
	for i := range l.agents {
		l.reschedule(i)
	}
	for len(l.queue.items) > 0 {
		due := l.queue.items[0]
		if t := port.Next(); t <= due.at && t < until {
			port.Advance(t)
			continue
		}
		if due.at >= until || due.at == pkt.Never {
			break
		}
		l.agents[due.agent].Act(due.at, func(p *pkt.Packet) {
			arrivals++
			p.Arrival = due.at
			port.Enqueue(due.at, p)
		})
		l.queue.items[l.queue.where[due.agent]].at = -1 // a new turn, even at the same time
		l.reschedule(due.agent)
	}
	if until == pkt.Never {
		port.Drain()
	}
	return arrivals
}

// reschedule puts agent i where its Next says. Its place among equal times is
// the order in which times were set.
func (l *Loop) reschedule(i int) {
	t := &l.queue.items[l.queue.where[i]]
	if at := l.agents[i].Next(); at != t.at {
		l.seq++
		t.at, t.seq = at, l.seq
		heap.Fix(&l.queue, l.queue.where[i])
	}
}

// turn is one agent's next event.
type turn struct {
	at    pkt.Time
	seq   uint64
	agent int
}

// schedule is a heap of turns that knows where each agent's is.
type schedule struct {
	items []turn
	where []int
}

func (s *schedule) Len() int { return len(s.items) }
func (s *schedule) Less(i, j int) bool {
	a, b := s.items[i], s.items[j]
	return a.at < b.at || a.at == b.at && a.seq < b.seq
}
func (s *schedule) Swap(i, j int) {
	s.items[i], s.items[j] = s.items[j], s.items[i]
	s.where[s.items[i].agent], s.where[s.items[j].agent] = i, j
}

// Push and Pop complete heap.Interface; the set of agents is fixed, so only Fix
// is used.
func (s *schedule) Push(any) {}
func (s *schedule) Pop() any { return nil }
