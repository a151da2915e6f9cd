package wifi

import (
	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
)

// fill makes aggregates until the hardware has what it takes of each category,
// the highest first.
func (m *Medium) fill(now pkt.Time, src link.Source) {
	if s, ok := src.(link.StationSource); ok {
		for ac := pkt.AC(pkt.NumACs); ac > 0; ac-- {
			m.fillFrom(now, s, ac-1)
		}
		return
	}
	for {
		m.load(now, src)
		made := false
		for ac := pkt.AC(pkt.NumACs); ac > 0; ac-- {
			made = m.fillRound(ac-1) || made
		}
		if !made {
			return
		}
	}
}

// fillFrom makes aggregates of ac for the stations that the scheduler names.
func (m *Medium) fillFrom(now pkt.Time, s link.StationSource, ac pkt.AC) {
	for len(m.hw[ac]) < m.conf.Hardware {
		station, ok := s.NextStation(now, ac)
		if !ok {
			return
		}
		if station == link.Group {
			station = m.group()
		}
		q := &m.txqs[station][ac]
		if !m.build(q, func() *pkt.Packet { return s.TakeFor(now, m.named(station), ac) }) {
			// What there was has been dropped, or is more than the window allows.
			s.Held(now, m.named(station), ac, false)
			return
		}
		s.Held(now, m.named(station), ac, q.ready())
	}
}

// load takes packets from a scheduler that knows no stations as long as the
// driver has room.
func (m *Medium) load(now pkt.Time, src link.Source) {
	for m.buffered < m.conf.Driver {
		p := src.Take(now)
		if p == nil {
			return
		}
		q := m.queueOf(p)
		q.queue.Push(p)
		m.buffered++
		m.list(q)
	}
}

// list puts q into the driver's round if it has something to send.
func (m *Medium) list(q *txq) {
	if !q.listed && q.ready() {
		q.listed = true
		m.round[q.ac] = append(m.round[q.ac], q.station)
	}
}

// fillRound makes aggregates of ac for the stations in the driver's round, one
// each in turn, and says whether it made any.
func (m *Medium) fillRound(ac pkt.AC) (made bool) {
	for len(m.hw[ac]) < m.conf.Hardware && len(m.round[ac]) > 0 {
		r := m.round[ac]
		q := &m.txqs[r[0]][ac]
		m.round[ac] = r[:copy(r, r[1:])]
		q.listed = false
		made = m.build(q, func() *pkt.Packet {
			p := q.queue.Pop()
			if p != nil {
				m.buffered--
			}
			return p
		}) || made
		m.list(q)
	}
	return made
}

// ready says whether q could have an aggregate made now.
func (q *txq) ready() bool {
	return len(q.again) > 0 || (q.spare != nil || q.queue.Len() > 0) && q.inWindow(1)
}

// build makes the next aggregate of q: what must be sent again, then what take
// gives, up to the limits. It reports whether there was anything.
func (m *Medium) build(q *txq, take func() *pkt.Packet) bool {
	a := aggregate{station: q.station, ac: q.ac}
	if n := len(m.spares); n > 0 {
		a.units, m.spares = m.spares[n-1].units, m.spares[:n-1]
	}
	n := 0
	for ; n < len(q.again) && q.limits.fits(&a, &q.again[n], q.mode); n++ {
		a.add(q.again[n])
	}
	q.again = q.again[:copy(q.again, q.again[n:])]
	for len(q.again) == 0 {
		p := q.spare
		if q.spare = nil; p == nil {
			p = take()
		}
		if p == nil {
			break
		}
		u := newUnit(p)
		if !q.limits.fits(&a, &u, q.mode) || !q.inWindow(u.n) && len(q.order) > 0 {
			q.spare = p
			break
		}
		q.number(&u)
		a.add(u)
	}
	if a.empty() {
		m.spares = append(m.spares, a)
		return false
	}
	m.hw[q.ac] = append(m.hw[q.ac], a)
	return true
}
