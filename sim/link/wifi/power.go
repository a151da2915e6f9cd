package wifi

import (
	"time"

	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
)

// TU is 802.11's time unit, in which beacon intervals are given: 100 are usual.
const TU = 1024 * us

// What the access point keeps while stations sleep, in packets, as mac80211 does:
// for a station in each category, if its scheduler knows no stations, and for the
// group. When there is no room, the oldest is lost.
const (
	maxSaved      = 64
	maxGroupSaved = 128
)

// beaconBytes is a usual beacon's length.
const beaconBytes = 250

// Power save is simplified. A station that sleeps hears of what waits for it in
// the beacons it listens to, is awake from then on and stays so for a time after
// its last frame; what it sends itself wakes it as well. The frames by which it
// says so, or polls, are not on the air.
//
// Beacons, and the group's frames after a DTIM beacon, are sent as soon as the
// medium has been idle for PIFS: before anybody else.

// beacons are the access point's.
type beacons struct {
	// f sends them, and q's packets, the group's, after one that is a DTIM.
	f *function
	q txq
	// saved waits for the next DTIM.
	saved pkt.FIFO
	next  pkt.Time // when the next one is due
	n     uint64   // its number
}

// nap is how a station sleeps.
type nap struct {
	until pkt.Time // it is awake
	// told says that the next beacon it listens to tells of packets for it.
	told bool
	// saved are these by category, where the scheduler does not keep them.
	saved [pkt.NumACs]pkt.FIFO
}

// makeBeacons prepares beacons, if there are any.
func (m *Medium) makeBeacons() {
	m.naps = make([]nap, len(m.conf.Stations))
	if m.conf.DTIM == 0 {
		m.conf.DTIM = 1
	}
	if m.conf.BeaconBytes == 0 {
		m.conf.BeaconBytes = beaconBytes
	}
	m.beacon.next = pkt.Never
	if m.conf.BeaconInterval == 0 {
		return
	}
	m.beacon.q = txq{station: m.group(), ac: pkt.ACBE, local: true, limits: limitsOf(OFDM, &m.conf)}
	f := &function{contender: newContender(Params{AIFSN: 1}, m.t, 0, nil), station: accessPoint, first: true}
	m.beacon.next, m.beacon.f, f.since = 0, f, 0
	m.functions = append(m.functions, f)
	for i := range m.naps {
		m.naps[i].until = pkt.Time(m.linger(i))
	}
}

// linger is how long a station stays awake after a frame.
func (m *Medium) linger(station int) time.Duration {
	if d := m.conf.Stations[station].Linger; d > 0 {
		return d
	}
	return 100 * time.Millisecond
}

// asleep says whether a station sleeps at the instant at. It does not while an
// aggregate for it is ready: it has been told of more.
func (m *Medium) asleep(station int, at pkt.Time) bool {
	if station == m.group() || m.conf.Stations[station].Sleep == 0 || m.beacon.f == nil || at < m.naps[station].until {
		return false
	}
	for _, f := range m.functions[:pkt.NumACs] {
		for i := range f.ready {
			if f.ready[i].q.station == station {
				return false
			}
		}
	}
	return true
}

// anyAsleep says whether the group's packets must wait for a DTIM.
func (m *Medium) anyAsleep(at pkt.Time) bool {
	for i := range m.conf.Stations {
		if m.asleep(i, at) {
			return true
		}
	}
	return false
}

// sleeps says whether what is for q, the group's or a station's, has to wait.
func (m *Medium) sleeps(q *txq) bool {
	if m.beacon.f == nil {
		return false
	}
	if q.station == m.group() {
		return m.anyAsleep(m.c.now)
	}
	return m.asleep(q.station, m.c.now)
}

// save keeps p until q's station wakes, or until the next DTIM.
func (m *Medium) save(q *txq, p *pkt.Packet) {
	fifo, most := &m.beacon.saved, maxGroupSaved
	if q.station != m.group() {
		m.naps[q.station].told = true
		fifo, most = &m.naps[q.station].saved[q.ac], maxSaved
	}
	if fifo.Len() >= most {
		m.stats.Stations[q.station].Overflow++
		m.c.out.Lose(m.c.now, fifo.Pop())
	}
	fifo.Push(p)
}

// withhold keeps back what the driver has for q's station, which sleeps.
func (m *Medium) withhold(q *txq) {
	m.naps[q.station].told = true
	for p := q.queue.Pop(); p != nil; p = q.queue.Pop() {
		m.buffered--
		m.save(q, p)
	}
}

// block has the scheduler keep what is for q's station, which sleeps, or takes it
// from there if it is the group's. It says whether there was any reason to.
func (m *Medium) block(q *txq) bool {
	s, now, station := m.c.stations, m.c.now, m.named(q.station)
	switch {
	case q.station != m.group():
		if !m.asleep(q.station, now) {
			return false
		}
		q.blocked, m.naps[q.station].told = true, true
		s.Block(now, station, q.ac, true)
		return true
	case q.ready() || !m.sleeps(q): // what has begun goes on
		return false
	}
	for p := s.TakeFor(now, station, q.ac); p != nil; p = s.TakeFor(now, station, q.ac) {
		m.save(q, p)
	}
	s.Held(now, station, q.ac, false)
	return true
}

// stir keeps a station awake that had a frame end at the instant at.
func (m *Medium) stir(station int, at pkt.Time, own bool) {
	if m.beacon.f == nil || m.conf.Stations[station].Sleep == 0 {
		return
	}
	m.naps[station].until = at.Add(m.linger(station))
	if own {
		m.wake(station)
	}
}

// wake has a station's packets sent.
func (m *Medium) wake(station int) {
	n := &m.naps[station]
	n.told = false
	for ac := range pkt.AC(pkt.NumACs) {
		q := &m.txqs[station][ac]
		for p := n.saved[ac].Pop(); p != nil; p = n.saved[ac].Pop() {
			q.queue.Push(p)
			m.buffered++
		}
		if q.blocked {
			q.blocked = false
			m.c.stations.Block(m.c.now, m.named(station), ac, false)
		}
		if m.c.stations == nil {
			m.list(q)
		}
	}
}

// prepareFirst makes a beacon that is due at the instant at, or the next frame of
// the group.
func (m *Medium) prepareFirst(at pkt.Time) bool {
	b := &m.beacon
	if b.next > at {
		return m.build(b.f, &b.q, at)
	}
	a := m.blank(&b.q)
	a.beacon, a.mode = true, m.conf.Basic
	a.add(unit{bytes: m.conf.BeaconBytes, n: 1})
	b.f.ready = append(b.f.ready, a)
	return true
}

// sendBeacon sends one at the instant at, which nobody disturbs.
func (m *Medium) sendBeacon(at pkt.Time) {
	end := at.Add(m.air(&m.conf.Basic, m.conf.BeaconBytes))
	m.tell(Air{Start: at, End: end, Kind: Beacon, Station: link.Group, MPDUs: 1, Bytes: m.conf.BeaconBytes, Mode: &m.conf.Basic})
	m.stats.Exchanges++
	m.stats.Beacons++
	m.over(end)
	n := m.beacon.n
	m.beaconDone(end)
	for i := range m.naps {
		if s := uint64(m.conf.Stations[i].Sleep); m.naps[i].told && n%s == 0 {
			m.naps[i].until = end.Add(m.linger(i))
			m.wake(i)
		}
	}
	if n%uint64(m.conf.DTIM) == 0 {
		for p := m.beacon.saved.Pop(); p != nil; p = m.beacon.saved.Pop() {
			m.beacon.q.queue.Push(p)
		}
	}
	m.rearm()
}

// beaconDone goes on to the beacon that is due next after the instant at.
func (m *Medium) beaconDone(at pkt.Time) {
	b := &m.beacon
	b.f.ready[0].units = b.f.ready[0].units[:0]
	m.spares = append(m.spares, aggregate{units: b.f.ready[0].units})
	b.f.ready = b.f.ready[:0]
	for n := uint64(1); ; n = uint64(at.Sub(b.next)/m.conf.BeaconInterval) + 1 {
		b.n += n
		b.next = b.next.Add(time.Duration(n) * m.conf.BeaconInterval)
		if b.next > at {
			return
		}
	}
}

// skip accounts for the beacons of a long silence at once, all but the last.
func (m *Medium) skip(now pkt.Time) {
	b := &m.beacon
	if b.f == nil || m.OnAir != nil || b.next < m.told || now.Sub(b.next) < 3*m.conf.BeaconInterval || len(b.f.ready) > 0 || b.q.ready() {
		return
	}
	for _, f := range m.functions {
		if !f.first && f.since != pkt.Never || f.q != nil && f.q.own != nil {
			return
		}
	}
	n := uint64(now.Sub(b.next)/m.conf.BeaconInterval) - 1
	air := m.air(&m.conf.Basic, m.conf.BeaconBytes)
	b.n += n
	b.next = b.next.Add(time.Duration(n) * m.conf.BeaconInterval)
	end := b.next.Add(air - m.conf.BeaconInterval)
	m.stats.Exchanges += n
	m.stats.Beacons += n
	m.stats.Time[Beacon] += time.Duration(n) * air
	m.stats.Time[Idle] += end.Sub(m.told) - time.Duration(n)*air
	m.stats.Span, m.told = end.Sub(0), end
	for _, f := range m.functions {
		f.backoff = 0 // no window is as long as a beacon interval
		f.idle(end)
	}
	b.f.since = b.next
}

// rearm says when there is the next beacon, or frame of the group, to send.
func (m *Medium) rearm() {
	b := &m.beacon
	b.f.since = b.next
	if len(b.f.ready) > 0 || b.q.ready() {
		b.f.since = min(b.next, m.told)
	}
}

// awaits is when the next beacon is due that somebody waits for.
func (m *Medium) awaits() pkt.Time {
	b := &m.beacon
	if b.f == nil {
		return pkt.Never
	}
	least := ^uint64(0) // beacons from the next one on
	if b.saved.Len() > 0 {
		least = untilMultiple(b.n, m.conf.DTIM)
	}
	for i := range m.naps {
		if m.naps[i].told {
			least = min(least, untilMultiple(b.n, m.conf.Stations[i].Sleep))
		}
	}
	if least == ^uint64(0) {
		return pkt.Never
	}
	return b.next.Add(time.Duration(least) * m.conf.BeaconInterval)
}

// untilMultiple is how far n is below a multiple of k.
func untilMultiple(n uint64, k int) uint64 { return (uint64(k) - n%uint64(k)) % uint64(k) }

// NextWake implements link.Waker.
func (m *Medium) NextWake() pkt.Time { return max(m.awaits(), m.c.now+1) }
