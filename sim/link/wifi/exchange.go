package wifi

import (
	"time"

	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
)

// answer is how long what follows a frame in mode takes, SIFS included: an
// acknowledgement, or a block acknowledgement.
func (m *Medium) answer(mode *Mode, block bool) time.Duration {
	r := mode.Response()
	if block {
		return m.t.sifs + m.air(&r, blockAckLen)
	}
	return m.t.sifs + m.air(&r, ackBytes)
}

// protection is how long RTS and CTS before a frame of so many bytes take, SIFS
// after each included; 0 without.
func (m *Medium) protection(mode *Mode, bytes int) time.Duration {
	if m.conf.RTS == 0 || bytes <= m.conf.RTS {
		return 0
	}
	r := mode.Response()
	return m.air(&r, rtsBytes) + m.t.sifs + m.air(&r, ctsBytes) + m.t.sifs
}

// plain says whether q's stations do not aggregate.
func (q *txq) plain() bool { return q.limits.mpdus == 1 }

// send lets the access point send the first aggregate of ac at the instant at.
func (m *Medium) send(at pkt.Time, ac pkt.AC, c *call) {
	a := &m.hw[ac][0]
	q := &m.txqs[a.station][ac]
	bytes := a.psdu(q.plain() || a.station == m.group())
	data := m.air(q.mode, bytes)
	if a.station == m.group() {
		m.ap[ac].succeeded()
		m.idle = at.Add(data)
		m.tell(Air{Start: at, End: m.idle, Kind: Group, Station: link.Group, AC: ac, MPDUs: a.mpdus, Bytes: bytes})
		m.result(q, a, m.idle, c.out, nil)
		m.finish(q, data, c)
		return
	}
	before, answer := m.protection(q.mode, bytes), m.answer(q.mode, !q.plain())
	end := at.Add(before + data)
	failed := m.result(q, a, end, c.out, &m.conf.Stations[a.station])
	m.stats.aggregate(a)
	kind := Down
	if failed == a.mpdus {
		kind = Failed
		m.ap[ac].failed()
		m.idle = end.Add(m.eifs)
	} else {
		m.ap[ac].succeeded()
		m.idle = end.Add(answer)
	}
	m.tell(Air{Start: at, End: end, Kind: kind, Station: a.station, AC: ac, MPDUs: a.mpdus, Bytes: bytes})
	m.tell(Air{Start: end, End: m.idle, Kind: Response, Station: a.station, AC: ac})
	m.finish(q, before+data, c)
}

// result decides for each MPDU of a, which ends at the instant at, whether it is
// received, and delivers what is complete. It returns how many MPDUs were not.
// Without a station nobody answers, and nothing is sent again.
func (m *Medium) result(q *txq, a *aggregate, at pkt.Time, out link.Outcome, s *Station) (failed int) {
	for i := range a.units {
		u := &a.units[i]
		lost := 0
		if s != nil && s.Error > 0 {
			for range u.n {
				if m.errors.Uint32() < s.Error {
					lost++
				}
			}
		}
		failed += lost
		u.n = lost
		m.after(q, u)
	}
	q.deliver(at, out)
	return failed
}

// after settles u, of which u.n MPDUs were not received.
func (m *Medium) after(q *txq, u *unit) {
	switch {
	case u.n == 0:
		q.settle(u, received)
	case u.retries == m.conf.Retries:
		m.stats.Stations[q.station].GivenUp += uint64(u.n)
		q.settle(u, givenUp)
	default:
		u.retries++
		m.stats.Stations[q.station].Retries += uint64(u.n)
		q.again = append(q.again, *u)
	}
}

// deliver hands on what the receiver has in order at the instant at.
func (q *txq) deliver(at pkt.Time, out link.Outcome) {
	n := 0
	for ; n < len(q.order) && q.order[n].state != onTheWay; n++ {
		if q.order[n].state == received {
			out.Deliver(at, q.order[n].p)
		} else {
			out.Lose(at, q.order[n].p)
		}
	}
	q.base += uint64(n)
	q.order = q.order[:copy(q.order, q.order[n:])]
}

// finish takes the aggregate that was sent out of the hardware's queue, and
// tells the scheduler of the airtime.
func (m *Medium) finish(q *txq, used time.Duration, c *call) {
	hw := m.hw[q.ac]
	done := hw[0]
	done.units = done.units[:0]
	m.spares = append(m.spares, aggregate{units: done.units})
	m.hw[q.ac] = hw[:copy(hw, hw[1:])]
	m.stats.Stations[q.station].Down += used
	if len(m.hw[q.ac]) == 0 {
		m.ap[q.ac].since = pkt.Never
	}
	if s, ok := c.src.(link.StationSource); ok {
		s.Used(c.now, m.named(q.station), q.ac, used, false)
		s.Held(c.now, m.named(q.station), q.ac, q.ready())
	} else {
		m.list(q)
	}
}

// named is the station's number as a source knows it.
func (m *Medium) named(station int) int {
	if station == m.group() {
		return link.Group
	}
	return station
}

// receive lets a station send one packet of its own at the instant at.
func (m *Medium) receive(at pkt.Time, u *up) {
	u.sending = false
	data := m.air(u.mode, u.psdu())
	end := at.Add(data)
	m.stats.Stations[u.station].Up += data
	if u.errors > 0 && u.rng.Uint32() < u.errors {
		m.idle = end.Add(m.eifs)
		m.tell(Air{Start: at, End: end, Kind: Failed, Station: u.station, AC: u.AC, MPDUs: 1, Bytes: u.psdu(), Up: true})
		u.lose(m.conf.Retries)
		return
	}
	m.idle = end.Add(m.answer(u.mode, false))
	m.tell(Air{Start: at, End: end, Kind: Up, Station: u.station, AC: u.AC, MPDUs: 1, Bytes: u.psdu(), Up: true})
	m.tell(Air{Start: end, End: m.idle, Kind: Response, Station: u.station, AC: u.AC, Up: true})
	m.stats.Stations[u.station].UpPackets++
	u.succeeded()
	u.sent()
}

// psdu is the length of a packet's frame.
func (u *up) psdu() int { return macHeader + llc + u.Bytes + fcs }

// lose counts an attempt that failed; after the last the packet is given up.
func (u *up) lose(retries int) {
	u.failed()
	if u.retries++; u.retries > retries {
		u.reset()
		u.sent()
	}
}

// sent goes on to the next packet.
func (u *up) sent() {
	u.retries = 0
	if u.queued--; u.queued == 0 && u.Gap > 0 {
		u.since = pkt.Never
	}
}

// collide lets the access point's category ap, if not negative, and every
// station that is sending spoil each other's frames at the instant at.
func (m *Medium) collide(at pkt.Time, ap int, c *call) {
	longest, senders := time.Duration(0), 0
	if ap >= 0 {
		senders++
		longest = m.spoil(at, pkt.AC(ap), c)
	}
	for i := range m.ups {
		if u := &m.ups[i]; u.sending {
			u.sending = false
			senders++
			data := m.air(u.mode, u.psdu())
			m.stats.Stations[u.station].Up += data
			longest = max(longest, data)
			u.lose(m.conf.Retries)
		}
	}
	end := at.Add(longest)
	m.idle = end.Add(m.eifs)
	m.stats.Collisions++
	m.tell(Air{Start: at, End: end, Kind: Collision, Station: link.Group, MPDUs: senders})
}

// spoil has nobody receive the access point's first aggregate of ac, which it
// begins to send at the instant at, and returns how long that takes.
func (m *Medium) spoil(at pkt.Time, ac pkt.AC, c *call) time.Duration {
	a := &m.hw[ac][0]
	q := &m.txqs[a.station][ac]
	bytes := a.psdu(q.plain())
	data := m.air(q.mode, bytes)
	if m.protection(q.mode, bytes) > 0 {
		r := q.mode.Response()
		data = m.air(&r, rtsBytes)
	}
	if a.station == m.group() {
		m.ap[ac].succeeded() // for all it knows
	} else {
		m.ap[ac].failed()
	}
	for i := range a.units {
		u := &a.units[i]
		if a.station == m.group() {
			u.retries = m.conf.Retries
		}
		m.after(q, u)
	}
	q.deliver(at.Add(data), c.out)
	m.finish(q, data, c)
	return data
}
