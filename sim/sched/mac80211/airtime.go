package mac80211

import (
	"time"

	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
)

// NextStation implements sched.Stations.
func (q *Qdisc) NextStation(now pkt.Time, ac pkt.AC) (int, bool) {
	r := &q.rounds[ac]
	if r.taken {
		q.finish(now, r)
	}
	r.turn = q.next(now, r)
	if r.turn == nil {
		return 0, false
	}
	r.turn.acc.serving = r.turn
	return r.turn.sta.number, true
}

// DequeueFor implements sched.Stations. All packets of a turn are of one traffic
// identifier, as an aggregate's are.
func (q *Qdisc) DequeueFor(now pkt.Time, station int, ac pkt.AC) *pkt.Packet {
	t := q.station(station).ac[ac].serving
	if t == nil || t.packets == 0 || !q.allowed(t) {
		return nil
	}
	p := q.take(now, t)
	if p == nil {
		return nil
	}
	if r := &q.rounds[ac]; r.turn == t {
		r.taken = true
	}
	t.acc.active = now
	q.pend(t.sta, t.acc, int(p.Len))
	return p
}

// Held implements sched.Stations. It ends the station's turn.
func (q *Qdisc) Held(now pkt.Time, station int, ac pkt.AC, held bool) {
	a := &q.station(station).ac[ac]
	if a.serving == nil {
		return // the group's, in a category it is not kept in
	}
	a.held = held
	if held {
		a.active = now
		q.list(a.serving)
	}
	if r := &q.rounds[ac]; r.turn == a.serving {
		q.finish(now, r)
	}
}

// Block implements sched.Stations. What is blocked keeps its place in the round.
func (q *Qdisc) Block(_ pkt.Time, station int, ac pkt.AC, blocked bool) {
	q.station(station).ac[ac].blocked = blocked
}

// Used implements sched.Stations.
func (q *Qdisc) Used(now pkt.Time, station int, ac pkt.AC, airtime time.Duration, up bool) {
	s := q.station(station)
	a := &s.ac[ac]
	if up {
		a.up += airtime
	} else {
		a.down += airtime
	}
	if q.fair && station != link.Group && (q.keep == 0 || q.busy(s, ac) || now.Sub(a.active) <= q.keep) {
		a.deficit -= airtime
		if q.keeps(now, a.serving) {
			q.list(a.serving)
		}
	}
}

// busy says whether the station has a queue in the round of ac with something to
// send.
func (q *Qdisc) busy(s *station, ac pkt.AC) bool {
	first := s.number * numTIDs
	for i := range q.queues[first : first+numTIDs] {
		if t := &q.queues[first+i]; t.ac == ac && t.waiting() {
			return true
		}
	}
	return false
}

// Completed implements sched.Completer.
func (q *Qdisc) Completed(_ pkt.Time, p *pkt.Packet) {
	t := q.queueOf(p)
	q.pend(t.sta, t.acc, -int(p.Len))
}

// pend counts bytes that went to the link, or left it if negative, and what those
// it has now are worth.
func (q *Qdisc) pend(s *station, a *account, bytes int) {
	if !q.aql || q.airtimeOf == nil {
		return
	}
	a.below = max(a.below+bytes, 0) // Dequeue does not count
	was := a.pending
	a.pending = 0
	if a.below > 0 {
		a.pending = q.airtimeOf(s.number, a.below)
	}
	if s.number != link.Group {
		q.pending += a.pending - was
	}
}

// allowed says whether AQL lets t have another packet.
func (q *Qdisc) allowed(t *txq) bool {
	switch {
	case !q.aql:
		return true
	case t.group():
		return t.acc.pending < q.multicast
	}
	return t.acc.pending < q.low || t.acc.pending < q.high && q.pending < q.threshold
}
