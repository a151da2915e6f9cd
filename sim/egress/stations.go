package egress

import (
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
)

// stations is an opportunity of a port whose scheduler knows stations.
type stations struct {
	*opportunity
	sched sched.Stations
}

// NextStation implements link.StationSource.
func (s *stations) NextStation(now pkt.Time, ac pkt.AC) (int, bool) {
	return s.sched.NextStation(now, ac)
}

// TakeFor implements link.StationSource.
func (s *stations) TakeFor(now pkt.Time, station int, ac pkt.AC) *pkt.Packet {
	return s.taken(now, s.sched.DequeueFor(now, station, ac))
}

// Held implements link.StationSource.
func (s *stations) Held(now pkt.Time, station int, ac pkt.AC, held bool) {
	s.sched.Held(now, station, ac, held)
}

// Block implements link.StationSource.
func (s *stations) Block(now pkt.Time, station int, ac pkt.AC, blocked bool) {
	s.sched.Block(now, station, ac, blocked)
}

// Used implements link.StationSource.
func (s *stations) Used(now pkt.Time, station int, ac pkt.AC, airtime time.Duration, up bool) {
	s.sched.Used(now, station, ac, airtime, up)
}

// sendUp hands q to the station it comes from, and says whether there is one.
// What is for a station or for all has come up already.
func (p *Port) sendUp(now pkt.Time, q *pkt.Packet) bool {
	station, ok := p.up.Sender(q)
	if !ok {
		return false
	}
	q.Up, q.Dequeued = true, now
	p.sink.Event(Event{Time: now, Kind: Uplink, Packet: q})
	if !p.up.Uplink(now, station, q) {
		p.drop(now, q, pkt.LinkLoss)
	}
	return true
}

// completions is an opportunity of a port whose scheduler wants to know when the
// link is done with a packet.
type completions struct {
	*opportunity
	sched sched.Completer
}

// Deliver implements link.Outcome.
func (c *completions) Deliver(at pkt.Time, q *pkt.Packet) {
	if !q.Up {
		c.sched.Completed(c.since, q)
	}
	c.opportunity.Deliver(at, q)
}

// Lose implements link.Outcome.
func (c *completions) Lose(at pkt.Time, q *pkt.Packet) {
	if !q.Up {
		c.sched.Completed(c.since, q)
	}
	c.opportunity.Lose(at, q)
}
