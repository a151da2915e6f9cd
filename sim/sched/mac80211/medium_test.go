package mac80211

import (
	"testing"
	"time"

	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
)

// medium is a link whose exchanges have fixed costs, for one Stations: as often
// as it is free it asks whose turn it is, takes up to burst packets, and is busy
// for the station's cost.
type medium struct {
	t     *testing.T
	s     sched.Stations
	q     *Qdisc
	cost  []time.Duration // of an exchange, by station
	group time.Duration   // of an exchange for all
	burst int
	// ahead is how many exchanges are taken from the scheduler before they are
	// due, as a driver fills its hardware queue; 0 is none.
	ahead int
	// retries says how often each exchange of a station fails first.
	retries []int

	now   pkt.Time
	id    uint64
	drops map[pkt.Reason]int
	used  map[int]time.Duration
	sent  map[int]int
	turns []int // stations in their order
	hw    []exchange
}

// exchange is what was taken for a station and is not done.
type exchange struct {
	station int
	packets []*pkt.Packet
}

const ac = pkt.ACBE

// newMedium makes a cell of stations with these costs in µs, and a scheduler from
// words.
func newMedium(t *testing.T, words []string, costs ...int) *medium {
	t.Helper()
	m := &medium{t: t, burst: 1, drops: map[pkt.Reason]int{}, used: map[int]time.Duration{}, sent: map[int]int{}}
	for _, c := range costs {
		m.cost = append(m.cost, time.Duration(c)*time.Microsecond)
	}
	q, err := newQdisc(words, m.env())
	if err != nil {
		t.Fatal(err)
	}
	m.q, m.s = q, q
	m.retries = make([]int, len(costs))
	return m
}

// env has a station for each flow, numbered alike, and the group for flow -1. A
// packet of 1000 bytes is worth the station's cost.
func (m *medium) env() sched.Env {
	return sched.Env{
		Seed: 1, MTU: 1514, Stations: len(m.cost),
		Station: func(p *pkt.Packet) int { return int(int32(p.Flow.ID)) },
		Drop:    func(_ pkt.Time, _ *pkt.Packet, why pkt.Reason) { m.drops[why]++ },
		Airtime: func(station, bytes int) time.Duration {
			c := m.group
			if station != link.Group {
				c = m.cost[station]
			}
			return c * time.Duration(bytes) / 1000
		},
	}
}

// flowTo is a flow for a station, or the group, with a hash of its own.
func flowTo(station int, hash uint32) *pkt.Flow {
	return &pkt.Flow{ID: uint32(int32(station)), Hash: hash}
}

// send queues n packets of 1000 bytes for a station.
func (m *medium) send(station, n int) {
	for range n {
		m.s.Enqueue(m.now, &pkt.Packet{ID: m.id, Arrival: m.now, Flow: flowTo(station, uint32(station+2)<<24), Len: 1000, L3Len: 986, Segs: 1})
		m.id++
	}
}

// take asks for an exchange and reports whether there was one.
func (m *medium) take() bool {
	station, ok := m.s.NextStation(m.now, ac)
	if !ok {
		return false
	}
	if again, ok := m.s.NextStation(m.now, ac); !ok || again != station {
		m.t.Fatalf("asked again it is %d (%v)'s turn, was %d's", again, ok, station)
	}
	x := exchange{station: station}
	for len(x.packets) < m.burst {
		p := m.s.DequeueFor(m.now, station, ac)
		if p == nil {
			break
		}
		x.packets = append(x.packets, p)
	}
	m.s.Held(m.now, station, ac, false)
	if len(x.packets) == 0 {
		m.t.Fatalf("station %d has its turn and no packet", station)
	}
	m.turns = append(m.turns, station)
	m.hw = append(m.hw, x)
	return true
}

// step lets one exchange happen, and says whether there was one.
func (m *medium) step() bool {
	for len(m.hw) <= m.ahead && m.take() {
	}
	if len(m.hw) == 0 {
		return false
	}
	x := m.hw[0]
	m.hw = m.hw[1:]
	airtime := m.group
	if x.station != link.Group {
		airtime = m.cost[x.station]
		for range m.retries[x.station] {
			m.now = m.now.Add(airtime)
			m.s.Used(m.now, x.station, ac, airtime, false)
			m.used[x.station] += airtime
		}
	}
	m.now = m.now.Add(airtime)
	m.s.Used(m.now, x.station, ac, airtime, false)
	m.used[x.station] += airtime
	m.sent[x.station] += len(x.packets)
	if c, ok := m.s.(sched.Completer); ok {
		for _, p := range x.packets {
			c.Completed(m.now, p)
		}
	}
	return true
}

// saturate keeps stations' queues filled for a time.
func (m *medium) saturate(span time.Duration, stations ...int) {
	for end := m.now.Add(span); m.now < end; m.step() {
		for _, s := range stations {
			m.send(s, m.burst+20-m.queued(s))
		}
	}
}

// queued is how many packets wait for a station, or the group.
func (m *medium) queued(station int) (n int) {
	for i := range m.q.queues {
		if t := &m.q.queues[i]; t.sta.number == station {
			n += t.packets
		}
	}
	return n
}

// shares are the stations' parts of the airtime, in percent.
func (m *medium) shares() []float64 {
	all := time.Duration(0)
	for i := range m.cost {
		all += m.used[i]
	}
	s := make([]float64, len(m.cost))
	for i := range s {
		s[i] = 100 * float64(m.used[i]) / float64(all)
	}
	return s
}
