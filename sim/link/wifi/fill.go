package wifi

import (
	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
)

// fill makes aggregates until the hardware has what it takes of each category,
// the highest first.
func (m *Medium) fill() {
	if m.c.stations != nil {
		for ac := pkt.AC(pkt.NumACs); ac > 0; ac-- {
			m.fillFrom(ac - 1)
		}
		return
	}
	for {
		m.load()
		made := false
		for ac := pkt.AC(pkt.NumACs); ac > 0; ac-- {
			made = m.fillRound(ac-1) || made
		}
		if !made {
			return
		}
	}
}

// fillFrom makes aggregates of ac for the stations that the scheduler names. A
// station whose window is full keeps its turn: its packets are in the hardware,
// and when they have been sent it goes on. Were another one served meanwhile, it
// would get airtime that is not its own.
func (m *Medium) fillFrom(ac pkt.AC) {
	f, s, now := m.functions[ac], m.c.stations, m.c.now
	for tries := m.conf.Hardware + len(m.txqs); len(f.ready) < m.conf.Hardware && tries > 0; tries-- {
		station, ok := s.NextStation(now, ac)
		if !ok {
			return
		}
		if station == link.Group {
			station = m.group()
		}
		q := &m.txqs[station][ac]
		if m.block(q) {
			continue
		}
		if m.build(f, q, now) {
			s.Held(now, m.named(station), ac, q.ready())
			continue
		}
		// What there was has been dropped, or is more than the window allows.
		s.Held(now, m.named(station), ac, false)
		if q.window() <= 0 {
			return
		}
	}
}

// load takes packets from a scheduler that knows no stations as long as the
// driver has room.
func (m *Medium) load() {
	for m.buffered < m.conf.Driver {
		p := m.c.src.Take(m.c.now)
		if p == nil {
			return
		}
		q := m.queueOf(p)
		if m.sleeps(q) {
			m.save(q, p)
			continue
		}
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
	f := m.functions[ac]
	for len(f.ready) < m.conf.Hardware && len(m.round[ac]) > 0 {
		r := m.round[ac]
		q := &m.txqs[r[0]][ac]
		m.round[ac] = r[:copy(r, r[1:])]
		q.listed = false
		if q.station != m.group() && m.sleeps(q) {
			m.withhold(q)
			continue
		}
		made = m.build(f, q, m.c.now) || made
		m.list(q)
	}
	return made
}

// build makes f's next aggregate, of q: what must be sent again, then what comes
// next, up to the limits. It reports whether there was anything.
func (m *Medium) build(f *function, q *txq, now pkt.Time) bool {
	a := m.blank(q)
	before := 0
	if len(q.again) > 0 {
		before = q.again[0].retries
	}
	probe := m.choose(&a, now, before)
	lim := m.bounds(f, &a)
	if probe {
		lim.mpdus = 1
	}
	m.resend(&a, &lim)
	for len(q.again) == 0 && q.window() > 0 {
		u, ok := m.pull(q)
		if !ok {
			break
		}
		k := max(min(u.n, lim.room(&a, u.bytes), q.window()), 0)
		if k > 0 {
			q.number(&u, k)
			part := u
			part.n = k
			a.add(part)
		}
		if u.n -= k; u.n > 0 {
			q.ahead = u
			break
		}
	}
	if a.empty() {
		m.spares = append(m.spares, a)
		return false
	}
	f.ready = append(f.ready, a)
	return true
}

// blank is an aggregate of q without anything in it.
func (m *Medium) blank(q *txq) aggregate {
	a := aggregate{q: q}
	if n := len(m.spares); n > 0 {
		a.units, m.spares = m.spares[n-1].units, m.spares[:n-1]
	}
	return a
}

// resend moves to a what q has to send again, as far as it fits.
func (m *Medium) resend(a *aggregate, lim *limits) {
	q, done := a.q, 0
	for ; done < len(q.again); done++ {
		u := &q.again[done]
		k := min(u.n, lim.room(a, u.bytes))
		if k <= 0 {
			break
		}
		part := *u
		part.n = k
		a.add(part)
		if u.n -= k; u.n > 0 {
			break
		}
	}
	q.again = q.again[:copy(q.again, q.again[done:])]
}

// bounds are the limits of an aggregate of f's that is sent in a's mode: those of
// q, and what a transmission opportunity allows.
func (m *Medium) bounds(f *function, a *aggregate) limits {
	l := a.q.limits
	if f.TXOP > 0 && l.mpdus > 1 {
		l.time = min(l.time, f.TXOP-m.before(&a.mode, m.conf.RTS > 0)-m.answer(a)-m.t.extension)
	}
	return l.in(&a.mode)
}

// pull is q's next MPDUs, if it has any.
func (m *Medium) pull(q *txq) (unit, bool) {
	if u := q.ahead; u.n > 0 {
		q.ahead.n = 0
		return u, true
	}
	p := m.take(q)
	if p == nil {
		if !q.own.some() {
			return unit{}, false
		}
		if q.own.Gap > 0 {
			q.own.queued--
		}
		return ownUnit(q.own.Bytes), true
	}
	u := newUnit(p, q.limits.amsdu)
	if p.Segs <= 1 && q.limits.amsdu > 0 {
		m.join(q, &u)
	}
	return u, true
}

// join makes u, a packet, an A-MSDU with those that follow, as long as they fit.
func (m *Medium) join(q *txq, u *unit) {
	bytes := msduHeader + u.bytes - macHeader - fcs
	for last := u.p; ; {
		p := m.take(q)
		if p == nil {
			return
		}
		longer := (bytes+3)&^3 + msduHeader + llc + int(p.L3Len)
		if p.Segs > 1 || longer > q.limits.amsdu {
			q.spare = p
			return
		}
		last.Next, last = p, p
		bytes = longer
		u.bytes = macHeader + bytes + fcs
	}
}

// take is the next packet of q, if there is one.
func (m *Medium) take(q *txq) *pkt.Packet {
	if p := q.spare; p != nil {
		q.spare = nil
		return p
	}
	if q.local {
		return q.queue.Pop()
	}
	if m.c.stations != nil {
		return m.c.stations.TakeFor(m.c.now, m.named(q.station), q.ac)
	}
	p := q.queue.Pop()
	if p != nil {
		m.buffered--
	}
	return p
}
