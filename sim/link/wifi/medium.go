package wifi

import (
	"time"

	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/random"
)

// Config is an access point's cell.
type Config struct {
	// GHz2 is the 2.4 GHz band, else 5 GHz.
	GHz2 bool
	// EDCA are the access point's parameters, StationEDCA the stations'.
	EDCA, StationEDCA [pkt.NumACs]Params
	Stations          []Station
	// Basic is the mode of group-addressed frames.
	Basic Mode
	// Longest is how long a PPDU may be; 0 is the standard's 5.484 ms.
	Longest time.Duration
	// Hardware is how many aggregates per category are ready ahead of the medium,
	// the one on the air included.
	Hardware int
	// Driver is how many packets the driver holds below a scheduler that knows no
	// stations.
	Driver int
	// Retries is how often an MPDU is sent again before it is given up.
	Retries int
	// RTS precedes frames of more bytes with RTS and CTS; 0 is never.
	RTS int
}

// DefaultConfig is a cell at 5 GHz without stations: ath9k's two aggregates in
// hardware of at most 4 ms, and the 128 packets its queues held before mac80211
// had queues of its own.
func DefaultConfig() Config {
	return Config{
		EDCA: DefaultParams(), StationEDCA: DefaultParams(), Basic: Mode{PHY: OFDM, Width: 20, Kbps: 6000},
		Longest: 4 * time.Millisecond, Hardware: 2, Driver: 128, Retries: 7,
	}
}

// Medium is the link.
type Medium struct {
	conf Config
	t    timing
	// eifs is by how much longer a medium stays busy for all after a frame that
	// was not received: SIFS and the slowest acknowledgement.
	eifs time.Duration

	txqs     [][pkt.NumACs]txq // by station; the last one is the group's
	round    [pkt.NumACs][]int // stations with packets in the driver
	buffered int               // packets in the driver's queues
	hw       [pkt.NumACs][]aggregate
	spares   []aggregate // for reuse
	ap       [pkt.NumACs]contender
	ups      []up
	idle     pkt.Time // since when the medium is, or will be, idle
	errors   *random.Rand
	flows    []int32 // station by flow, plus 2; 0 is unknown
	stats    Stats
	// OnAir, if set, is told of everything that holds the medium.
	OnAir func(Air)
}

// New makes the medium of a cell with at least one station.
func New(conf Config, env link.Env) *Medium {
	m := &Medium{conf: conf, t: timings(conf.GHz2), errors: env.Random("wifi/errors")}
	slowest := Mode{PHY: OFDM, Width: 20, Kbps: 6000}
	m.eifs = m.t.sifs + m.air(&slowest, ackBytes)
	m.txqs = make([][pkt.NumACs]txq, len(conf.Stations)+1)
	for i := range m.txqs {
		for ac := range pkt.AC(pkt.NumACs) {
			q := &m.txqs[i][ac]
			q.station, q.ac, q.mode = i, ac, &m.conf.Basic
			q.limits = limitsOf(OFDM, 0)
			if i < len(conf.Stations) {
				q.mode = &m.conf.Stations[i].Mode
				q.limits = limitsOf(q.mode.PHY, conf.Longest)
			}
		}
	}
	for ac := range pkt.AC(pkt.NumACs) {
		m.ap[ac] = newContender(conf.EDCA[ac], m.t, env.Random("wifi/ap/"+ac.String()))
	}
	for i := range conf.Stations {
		if u := conf.Stations[i].Uplink; u != nil {
			s := up{Uplink: *u, station: i, mode: &m.conf.Stations[i].Mode, errors: conf.Stations[i].Error}
			s.rng = env.Random("wifi/up/" + string(rune('0'+i)))
			s.contender = newContender(conf.StationEDCA[u.AC], m.t, s.rng)
			s.draw()
			m.ups = append(m.ups, s)
		}
	}
	m.stats.Stations = make([]StationStats, len(m.txqs))
	return m
}

// air is how long a PPDU holds the medium.
func (m *Medium) air(mode *Mode, bytes int) time.Duration {
	d := mode.Duration(bytes)
	if mode.PHY != DSSS {
		d += m.t.extension
	}
	return d
}

// group is the number of the group's queues.
func (m *Medium) group() int { return len(m.conf.Stations) }

// Stations implements link.Stationed.
func (m *Medium) Stations() int { return len(m.conf.Stations) }

// Station implements link.Stationed.
func (m *Medium) Station(p *pkt.Packet) int {
	id := int(p.Flow.ID)
	if id >= maxFlows {
		return m.find(p)
	}
	if id >= len(m.flows) {
		m.flows = append(m.flows, make([]int32, id+1-len(m.flows))...)
	}
	if m.flows[id] == 0 {
		m.flows[id] = int32(m.find(p)) + 2
	}
	return int(m.flows[id]) - 2
}

// maxFlows is how many flows have their station remembered.
const maxFlows = 1 << 16

// find looks a packet's station up.
func (m *Medium) find(p *pkt.Packet) int {
	_, dst := p.Flow.Addrs()
	if dst.IsMulticast() || dst.Is4() && dst.As4() == [4]byte{255, 255, 255, 255} {
		return link.Group
	}
	for i := range m.conf.Stations {
		if m.conf.Stations[i].Addr == dst {
			return i
		}
	}
	return len(m.conf.Stations) - 1
}

// queueOf is the queue of a packet.
func (m *Medium) queueOf(p *pkt.Packet) *txq {
	s := m.Station(p)
	if s == link.Group {
		s = m.group()
	}
	return &m.txqs[s][p.AC()]
}

// Transmit implements link.Link. The opportunity is for whoever wins the medium
// next: the access point, one of its stations, or several, who collide.
func (m *Medium) Transmit(now pkt.Time, src link.Source, out link.Outcome) (pkt.Time, bool) {
	for { // while the access point was quiet
		at := m.next(now, false)
		if at >= now {
			break
		}
		m.exchange(at, nil)
	}
	m.fill(now, src)
	ready := false
	for ac := range m.hw {
		if len(m.hw[ac]) > 0 {
			m.ap[ac].want(now, m.idle)
			ready = true
		}
	}
	if !ready {
		return now, false
	}
	m.exchange(m.next(pkt.Never, true), &call{now, src, out})
	return m.idle, true
}

// call is a Transmit in which the access point takes part.
type call struct {
	now pkt.Time
	src link.Source
	out link.Outcome
}

// next is when somebody sends, if that is before until; the access point counts
// if ap is set. Stations' packets that arrive before that are there.
func (m *Medium) next(until pkt.Time, ap bool) pkt.Time {
	at := until
	if ap {
		for ac := range m.ap {
			at = min(at, m.ap[ac].access(m.idle, m.t.slot))
		}
	}
	for i := range m.ups {
		at = min(at, m.ups[i].access(m.idle, m.t.slot))
	}
	for {
		first := -1
		for i := range m.ups {
			if u := &m.ups[i]; u.since == pkt.Never && u.next < at && (first < 0 || u.next < m.ups[first].next) {
				first = i
			}
		}
		if first < 0 {
			return at
		}
		u := &m.ups[first]
		u.want(u.next, m.idle)
		at = min(at, u.access(m.idle, m.t.slot))
	}
}

// exchange lets those send who are first, at the instant at. Without a call the
// access point is quiet.
func (m *Medium) exchange(at pkt.Time, c *call) {
	ap, winners := -1, 0
	for ac := pkt.NumACs - 1; ac >= 0; ac-- {
		f := &m.ap[ac]
		switch {
		case c == nil || f.access(m.idle, m.t.slot) != at:
			f.heard(at, m.idle, m.t.slot)
		case ap < 0:
			ap = ac
			winners++
		default: // an internal collision: the higher category goes first
			f.failed()
		}
	}
	var last *up
	for i := range m.ups {
		u := &m.ups[i]
		u.arrivals(at)
		if u.access(m.idle, m.t.slot) != at {
			u.heard(at, m.idle, m.t.slot)
			continue
		}
		u.sending = true
		winners++
		last = u
	}
	m.stats.Idle += at.Sub(m.idle)
	switch {
	case winners > 1:
		m.collide(at, ap, c)
	case ap >= 0:
		m.send(at, pkt.AC(ap), c)
	default:
		m.receive(at, last)
	}
}
