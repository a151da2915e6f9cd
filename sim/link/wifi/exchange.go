package wifi

import (
	"time"

	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
)

// answer is how long what follows a takes, SIFS included: an acknowledgement, or
// a block acknowledgement.
func (m *Medium) answer(a *aggregate) time.Duration {
	r := a.mode.Response()
	if m.plain(a) {
		return m.t.sifs + m.air(&r, ackBytes)
	}
	return m.t.sifs + m.air(&r, a.q.limits.blockAck())
}

// timeout is how long an answer is waited for.
func (m *Medium) timeout(mode *Mode) time.Duration {
	if mode.PHY == DSSS {
		return m.t.silence + 172*us // for the preamble
	}
	return m.t.silence
}

// plain says whether a is sent as a frame without aggregation.
func (m *Medium) plain(a *aggregate) bool { return a.q.plain() || a.q.station == m.group() }

// rts says whether a is preceded by RTS and CTS.
func (m *Medium) rts(a *aggregate) bool {
	return m.conf.RTS > 0 && a.q.station != m.group() && a.psdu(m.plain(a)) > m.conf.RTS
}

// protection is how long what precedes a takes: RTS and CTS, or a CTS to itself,
// SIFS after each included; 0 without.
func (m *Medium) protection(a *aggregate) time.Duration { return m.before(&a.mode, m.rts(a)) }

// before is that for a PPDU in a mode, with RTS or without.
func (m *Medium) before(mode *Mode, rts bool) time.Duration {
	if rts {
		r := mode.Response()
		return m.air(&r, rtsBytes) + m.t.sifs + m.air(&r, ctsBytes) + m.t.sifs
	}
	if p := &m.conf.Protect; (p.PHY != DSSS || p.Kbps > 0) && mode.PHY > p.PHY {
		return m.air(p, ctsBytes) + m.t.sifs
	}
	return 0
}

// over says that the medium is idle from the instant at on.
func (m *Medium) over(at pkt.Time) {
	for _, f := range m.functions {
		f.idle(at)
	}
}

// send lets f alone send its first aggregate, at the instant at.
func (m *Medium) send(f *function, at pkt.Time) {
	a := &f.ready[0]
	q := a.q
	before, bytes := m.protection(a), a.psdu(m.plain(a))
	if before > 0 {
		m.tell(Air{Start: at, End: at.Add(before), Kind: Protection, Station: m.named(q.station), AC: f.ac, Up: q.up})
	}
	start := at.Add(before)
	end := start.Add(m.air(&a.mode, bytes))
	air := Air{
		Start: start, End: end, Kind: Down, Station: m.named(q.station), AC: f.ac, MPDUs: a.mpdus, Bytes: bytes,
		Again: a.again, Up: q.up, Mode: &a.mode,
	}
	used, answer, timeout := end.Sub(at), m.answer(a), m.timeout(&a.mode)
	air.Lost = m.result(a, end)
	switch {
	case q.station == m.group():
		air.Kind, answer = Group, 0
	case air.Lost == a.mpdus:
		air.Kind = Failed
	case q.up:
		air.Kind = Up
	}
	m.count(a, used, air.Kind)
	m.tell(air)
	m.stats.Exchanges++
	if air.Kind == Failed {
		m.txop = txop{}
		m.missed(f, end, answer, timeout)
	} else {
		m.hold(f, at)
		f.succeeded()
		m.over(end.Add(answer))
		if answer > 0 {
			m.tell(Air{Start: end, End: end.Add(answer), Kind: Response, Station: air.Station, AC: f.ac, Up: q.up})
		}
	}
	if q.station != m.group() {
		m.stir(q.station, m.told, q.up)
	}
	m.finish(f, used, air.Kind)
}

// hold begins f's transmission opportunity at the instant at, unless it goes on.
func (m *Medium) hold(f *function, at pkt.Time) {
	if f.TXOP > 0 && m.txop.f != f {
		m.txop = txop{f: f, until: at.Add(f.TXOP)}
	}
}

// missed has f's frame end at the instant end without an answer. The others know
// from its header how long that would have been.
func (m *Medium) missed(f *function, end pkt.Time, answer, timeout time.Duration) {
	f.failed()
	for _, g := range m.functions {
		if g.station == f.station {
			g.unanswered(end, timeout)
		} else {
			g.idle(end.Add(answer))
		}
	}
	m.tell(Air{Start: end, End: end.Add(timeout), Kind: Response, Station: m.named(f.ready[0].q.station), AC: f.ac, Up: f.q != nil})
}

// count counts a, which was sent.
func (m *Medium) count(a *aggregate, used time.Duration, kind AirKind) {
	s := &m.stats.Stations[a.q.station]
	if a.q.up {
		s.Up += used
		s.UpAggregates[min(a.mpdus, MaxMPDUs)]++
		return
	}
	s.Down += used
	s.Aggregates[min(a.mpdus, MaxMPDUs)]++
}

// result decides for each MPDU of a, which ends at the instant at, whether it is
// received, and delivers what is complete. It returns how many MPDUs were not.
// The group does not answer: what it does not receive is not known, and not sent
// again.
func (m *Medium) result(a *aggregate, at pkt.Time) (failed int) {
	rate := m.errorOf(a.q.station, &a.mode)
	for i := range a.units {
		u := &a.units[i]
		lost := 0
		if rate > 0 {
			for range u.n {
				if m.errors.Uint32() < rate {
					lost++
				}
			}
		}
		failed += lost
		m.settle(a.q, u, lost)
	}
	m.learn(a, failed)
	m.deliver(a.q, at)
	return failed
}

// settle notes that of u's MPDUs all but so many were received, and leaves in u
// those that are to be sent again.
func (m *Medium) settle(q *txq, u *unit, lost int) {
	if received := u.n - lost; received > 0 {
		q.settle(u, received, false)
	}
	u.n = lost
	if lost == 0 {
		return
	}
	s := &m.stats.Stations[q.station]
	if u.retries >= m.conf.Retries || q.station == m.group() {
		s.GivenUp += uint64(lost)
		q.settle(u, lost, true)
		u.n = 0
		return
	}
	u.retries++
	s.Retries += uint64(lost)
	if q.up {
		s.UpRetries += uint64(lost)
	}
}

// deliver hands on what the receiver has in order at the instant at.
func (m *Medium) deliver(q *txq, at pkt.Time) {
	n := 0
	for ; n < len(q.order) && q.order[n].left == 0; n++ {
		m.handOn(q, &q.order[n], at)
	}
	q.base += uint64(n)
	q.order = q.order[:copy(q.order, q.order[n:])]
}

// handOn delivers or loses the packets of o.
func (m *Medium) handOn(q *txq, o *place, at pkt.Time) {
	s := &m.stats.Stations[q.station]
	if o.p == nil {
		if !o.lost {
			s.UpPackets++
			s.UpBytes += uint64(q.own.Bytes)
			s.OwnPackets++
			s.OwnBytes += uint64(q.own.Bytes)
		}
		return
	}
	for p := o.p; p != nil; {
		next := p.Next
		p.Next = nil
		if q.up {
			m.injected--
		}
		switch {
		case o.lost:
			m.c.out.Lose(at, p)
		case q.up:
			s.UpPackets++
			s.UpBytes += uint64(p.L3Len)
			m.c.out.Deliver(at, p)
		default:
			s.DownPackets++
			s.DownBytes += uint64(p.L3Len)
			m.c.out.Deliver(at, p)
		}
		p = next
	}
	o.p = nil
}

// finish takes f's first aggregate, which was sent, out of its queue, and tells
// the scheduler of the airtime. A frame of its own that was not received stays.
func (m *Medium) finish(f *function, used time.Duration, kind AirKind) {
	a := &f.ready[0]
	q := a.q
	if f.q != nil && m.c.src == nil && kind == Up {
		f.early += used
	}
	if m.keep(a) {
		m.report(q, used, kind)
		return
	}
	units := a.units[:0]
	f.ready = f.ready[:copy(f.ready, f.ready[1:])]
	m.spares = append(m.spares, aggregate{units: units})
	switch {
	case f.first:
		m.rearm()
	case len(f.ready) == 0 && (f.q == nil || !q.ready()):
		f.since = pkt.Never
	}
	m.report(q, used, kind)
}

// keep says whether a is sent again as it is, a frame without aggregation; else
// what is to be sent again goes back to its queue.
func (m *Medium) keep(a *aggregate) bool {
	if a.q.plain() && a.units[0].n > 0 {
		a.again = a.units[0].n
		m.choose(a, m.told, a.units[0].retries)
		return true
	}
	for i := range a.units {
		if u := &a.units[i]; u.n > 0 {
			a.q.again = append(a.q.again, *u)
		}
	}
	return false
}

// report tells the scheduler of q's airtime, or the driver that q may have
// something to send. A station's own counts as far as it is received.
func (m *Medium) report(q *txq, used time.Duration, kind AirKind) {
	s, station := m.c.stations, m.named(q.station)
	switch {
	case q.local:
		if s != nil && (!q.up || kind == Up) {
			s.Used(m.c.now, station, q.ac, used, q.up)
		}
	case s == nil:
		m.list(q)
	default:
		s.Used(m.c.now, station, q.ac, used, false)
		s.Held(m.c.now, station, q.ac, q.ready())
	}
}

// reportEarly tells the scheduler of what stations sent before it was known.
func (m *Medium) reportEarly() {
	for _, f := range m.functions {
		if f.early > 0 {
			m.report(f.q, f.early, Up)
		}
	}
}

// collide lets all who send spoil each other's frames, at the instant at. Who
// sent the longest waits for its answer, the others have given up by then. Who
// only listened tried to receive a frame, taken to be the one that ends first,
// and waits for EIFS from its end; when the others take longer than that, it has
// passed (802.11-2020 §10.3.2.3.7 has it begin when the medium is idle, if that
// immediately follows the reception).
func (m *Medium) collide(at pkt.Time) {
	longest, shortest := time.Duration(0), pkt.Never.Sub(0)
	for _, f := range m.senders {
		longest, shortest = max(longest, m.spoiled(f)), min(shortest, m.spoiled(f))
	}
	end := at.Add(longest)
	for _, f := range m.functions {
		f.idle(max(end, at.Add(shortest+m.t.eifs)))
	}
	for _, f := range m.senders {
		left := m.timeout(&f.ready[0].mode) - (longest - m.spoiled(f))
		for _, g := range m.functions {
			if g.station == f.station {
				g.unanswered(end, max(left, 0))
			}
		}
	}
	m.stats.Exchanges++
	m.stats.Collisions++
	m.tell(Air{Start: at, End: end, Kind: Collision, Station: link.Group, MPDUs: len(m.senders)})
	m.txop = txop{}
	for _, f := range m.senders {
		m.spoil(f, at.Add(m.spoiled(f)))
	}
}

// spoiled is how long f's first aggregate holds the medium if nobody receives it.
func (m *Medium) spoiled(f *function) time.Duration {
	a := &f.ready[0]
	if m.rts(a) {
		r := a.mode.Response()
		return m.air(&r, rtsBytes)
	}
	return m.protection(a) + m.air(&a.mode, a.psdu(m.plain(a)))
}

// spoil has nobody receive f's first aggregate, which ends at the instant end.
func (m *Medium) spoil(f *function, end pkt.Time) {
	a := &f.ready[0]
	if a.beacon {
		m.beaconDone(end)
		m.rearm()
		return
	}
	used := m.spoiled(f)
	if a.q.station == m.group() {
		f.succeeded() // for all it knows
	} else {
		f.failed()
	}
	m.count(a, used, Collision)
	m.learn(a, a.mpdus)
	for i := range a.units {
		m.settle(a.q, &a.units[i], a.units[i].n)
	}
	m.deliver(a.q, end)
	m.finish(f, used, Collision)
}
