package wifi

import (
	"strconv"

	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
)

var _ link.Uplinker = (*Medium)(nil)

// sender is the function by which a station sends packets of a category; it is
// made when it is needed first.
func (m *Medium) sender(station int, ac pkt.AC) *function {
	for _, f := range m.functions[pkt.NumACs:] {
		if f.q != nil && f.station == station && f.ac == ac {
			return f
		}
	}
	rng := m.env.Random("wifi/up/" + strconv.Itoa(station) + "/" + ac.String())
	f := &function{contender: newContender(m.conf.StationEDCA[ac], m.t, m.conf.Retries, rng), station: station, ac: ac}
	f.idle(m.told)
	f.q = &txq{station: station, ac: ac, up: true, local: true, limits: limitsOf(m.rates[station][1].s.Mode.PHY, &m.conf)}
	m.functions = append(m.functions, f)
	return f
}

// Uplink implements link.Uplinker.
func (m *Medium) Uplink(now pkt.Time, station int, p *pkt.Packet) bool {
	m.catchUp(now)
	f := m.sender(station, p.AC())
	if f.q.queue.Len() >= m.conf.UplinkLimit {
		m.stats.Stations[station].Overflow++
		return false
	}
	f.q.queue.Push(p)
	m.injected++
	f.want(now)
	return true
}

// newGenerator makes up what a station sends.
func (m *Medium) newGenerator(station int, u Uplink) *generator {
	g := &generator{Uplink: u}
	if u.Gap > 0 {
		g.next = pkt.Time(m.env.Random("wifi/sends/"+strconv.Itoa(station)).Uint64() % uint64(u.Gap))
	}
	return g
}

// arrivals is until, or when somebody sends before whose packet, which it makes
// up itself, arrives before.
func (m *Medium) arrivals(until pkt.Time) pkt.Time {
	for {
		var first *function
		for _, f := range m.functions[pkt.NumACs:] {
			if f.q == nil {
				continue
			}
			if g := f.q.own; g != nil && f.since == pkt.Never && g.next < until && (first == nil || g.next < first.q.own.next) {
				first = f
			}
		}
		if first == nil {
			return until
		}
		first.want(first.q.own.next)
		until = min(until, first.access(m.t.slot))
	}
}

// generate lets a station make up the packets that come until the instant at.
func (m *Medium) generate(f *function, at pkt.Time) {
	if g := f.q.own; g != nil {
		m.stats.Stations[f.station].Overflow += uint64(g.arrivals(at, m.conf.UplinkLimit))
		if g.some() {
			f.want(at)
		}
	}
}

// prepare has a station's next aggregate made, and says whether there is one.
func (m *Medium) prepare(f *function, at pkt.Time) bool {
	if len(f.ready) > 0 {
		return true
	}
	m.generate(f, at)
	return m.build(f, f.q, at)
}
