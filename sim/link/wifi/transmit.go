package wifi

import (
	"time"

	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
)

// accessPoint is whose functions the first ones are.
const accessPoint = -1

// function is somebody who contends, and what it sends.
type function struct {
	contender
	// station is whose it is, or accessPoint.
	station int
	ac      pkt.AC
	// ready are the aggregates that are made, the next one first. The access
	// point's hardware holds several, a station makes one when it sends.
	ready []aggregate
	// q is where a station's own packets wait.
	q *txq
	// early is the airtime received from it before the scheduler was known.
	early time.Duration
	// first is the function that sends beacons, before all others.
	first bool
}

// txop is a transmission opportunity that goes on.
type txop struct {
	f     *function
	until pkt.Time
}

// Transmit implements link.Link. The opportunity is for whoever wins the medium
// next: the access point, one of its stations, or several, who collide.
func (m *Medium) Transmit(now pkt.Time, src link.Source, out link.Outcome) (pkt.Time, bool) {
	first := m.c.src == nil
	m.c = call{now: now, src: src, out: out}
	m.c.stations, _ = src.(link.StationSource)
	if first {
		m.reportEarly()
	}
	m.catchUp(now)
	m.fill()
	ready := m.injected > 0 || m.awaits() <= now || m.beacon.f != nil && m.beacon.q.ready()
	for ac := range m.functions[:pkt.NumACs] {
		if f := m.functions[ac]; len(f.ready) > 0 {
			f.want(now)
			ready = true
		}
	}
	if !ready {
		return now, false
	}
	m.exchange(m.next(pkt.Never))
	return m.told, true
}

// catchUp lets stations have sent until the instant now what they made up
// themselves while the access point was quiet.
func (m *Medium) catchUp(now pkt.Time) {
	m.c.now = now
	m.skip(now)
	for at := m.next(now); at < now; at = m.next(now) {
		m.exchange(at)
	}
}

// next is when somebody sends, if that is before until.
func (m *Medium) next(until pkt.Time) pkt.Time {
	if m.goesOn() {
		return min(until, m.told.Add(m.t.sifs))
	}
	for _, f := range m.functions {
		until = min(until, f.access(m.t.slot))
	}
	return m.arrivals(until)
}

// goesOn says whether the holder of the transmission opportunity sends again.
func (m *Medium) goesOn() bool {
	f := m.txop.f
	if f == nil || f.since > m.told {
		return false
	}
	if f.station != accessPoint && !m.prepare(f, m.told) {
		return false
	}
	a := &f.ready[0]
	return m.told.Add(m.t.sifs+m.span(a)) <= m.txop.until
}

// span is how long an exchange of a takes.
func (m *Medium) span(a *aggregate) time.Duration {
	bytes := a.psdu(m.plain(a))
	d := m.protection(a) + m.air(&a.mode, bytes)
	if a.q.station == m.group() {
		return d
	}
	return d + m.answer(a)
}

// exchange lets those send who are first, at the instant at.
func (m *Medium) exchange(at pkt.Time) {
	senders := m.senders[:0]
	if m.goesOn() && at == m.told.Add(m.t.sifs) {
		m.tell(Air{Start: m.told, End: at, Kind: Response, Station: m.named(m.holder()), AC: m.txop.f.ac, Up: m.txop.f.q != nil})
		senders = append(senders, m.txop.f)
	} else {
		m.txop = txop{}
		for _, f := range m.functions {
			if f.q != nil {
				m.generate(f, at)
			}
			if f.access(m.t.slot) == at {
				senders = append(senders, f)
			} else {
				f.heard(at, m.t.slot)
			}
		}
		senders = withoutInternal(senders)
		m.quiet(at)
	}
	m.senders = senders
	for _, f := range senders {
		if f.q != nil && !m.prepare(f, at) || f.first && !m.prepareFirst(at) {
			panic("wifi: somebody sends and has nothing")
		}
	}
	if len(senders) > 1 {
		m.collide(at)
		return
	}
	if senders[0].first && senders[0].ready[0].beacon {
		m.sendBeacon(at)
		return
	}
	m.send(senders[0], at)
}

// holder is the station that has the transmission opportunity's frames, or sends
// them.
func (m *Medium) holder() int { return m.txop.f.ready[0].q.station }

// withoutInternal removes those who meet a function of a higher category of their
// own station: for them that is a collision.
func withoutInternal(senders []*function) []*function {
	kept := senders[:0]
	for _, f := range senders {
		higher := false
		for _, g := range senders {
			higher = higher || g.station == f.station && !f.first && (g.first || g.ac > f.ac)
		}
		if !higher {
			kept = append(kept, f)
			continue
		}
		f.failed()
	}
	return kept
}
