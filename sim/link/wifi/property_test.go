package wifi

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
)

// port drives a medium as egress.Port does, watches whose each packet is, and can
// be a source that knows stations.
type port struct {
	m      *Medium
	now    pkt.Time
	busy   bool
	free   pkt.Time               // or when it wants an opportunity
	queues [][pkt.NumACs]pkt.FIFO // by station, the group last
	owned  map[*pkt.Packet]bool
	turn   int
	held   map[[2]int]bool
	block  map[[2]int]bool
	used   []time.Duration // reported, by station, the group last; of its own after all
	got    int
	ats    []pkt.Time // when they arrived
	last   pkt.Time
	lost   int
	bad    string
}

func newPort(m *Medium) *port {
	n := m.Stations() + 1
	return &port{
		m: m, free: pkt.Never, queues: make([][pkt.NumACs]pkt.FIFO, n), owned: map[*pkt.Packet]bool{},
		held: map[[2]int]bool{}, block: map[[2]int]bool{}, used: make([]time.Duration, 2*n),
	}
}

func (s *port) index(station int) int {
	if station == link.Group {
		return len(s.queues) - 1
	}
	return station
}

func (s *port) complain(format string, args ...any) {
	if s.bad == "" {
		s.bad = fmt.Sprintf("at %v: ", s.now) + fmt.Sprintf(format, args...)
	}
}

func (s *port) taken(now pkt.Time, p *pkt.Packet) *pkt.Packet {
	if now != s.now {
		s.complain("asked for packets at %v", now)
	}
	if p != nil {
		s.owned[p] = true
	}
	return p
}

// Take implements link.Source: any packet.
func (s *port) Take(now pkt.Time) *pkt.Packet {
	for i := range s.queues {
		for ac := range s.queues[i] {
			if p := s.queues[i][ac].Pop(); p != nil {
				return s.taken(now, p)
			}
		}
	}
	return nil
}

func (s *port) leave(at pkt.Time, p *pkt.Packet) {
	switch {
	case !s.owned[p]:
		s.complain("packet %d leaves, which the medium does not have", p.ID)
	case at < s.now:
		s.complain("packet %d leaves at %v", p.ID, at)
	case p.Next != nil:
		s.complain("packet %d leaves chained", p.ID)
	}
	delete(s.owned, p)
}

func (s *port) Deliver(at pkt.Time, p *pkt.Packet) {
	s.leave(at, p)
	s.got++
	s.last, s.ats = at, append(s.ats, at)
}

func (s *port) Lose(at pkt.Time, p *pkt.Packet)   { s.leave(at, p); s.lost++ }
func (s *port) Duplicate(*pkt.Packet) *pkt.Packet { panic("nothing is duplicated") }

// knowing is a port whose scheduler knows stations.
type knowing struct{ *port }

func (s knowing) NextStation(_ pkt.Time, ac pkt.AC) (int, bool) {
	for i := range s.queues {
		n := (s.turn + i) % len(s.queues)
		key := [2]int{n, int(ac)}
		if !s.block[key] && (s.held[key] || s.queues[n][ac].Len() > 0) {
			return s.m.named(n), true
		}
	}
	return 0, false
}

func (s knowing) TakeFor(now pkt.Time, station int, ac pkt.AC) *pkt.Packet {
	if s.block[[2]int{s.index(station), int(ac)}] {
		s.complain("asked for packets of station %d, which it blocked", station)
	}
	return s.taken(now, s.queues[s.index(station)][ac].Pop())
}

func (s knowing) Held(_ pkt.Time, station int, ac pkt.AC, held bool) {
	s.held[[2]int{s.index(station), int(ac)}] = held
	s.turn = s.index(station) + 1
}

func (s knowing) Block(_ pkt.Time, station int, ac pkt.AC, blocked bool) {
	key := [2]int{s.index(station), int(ac)}
	if s.block[key] == blocked {
		s.complain("station %d blocked, or not, a second time", station)
	}
	s.block[key] = blocked
}

func (s knowing) Used(_ pkt.Time, station int, _ pkt.AC, airtime time.Duration, up bool) {
	i := s.index(station)
	if up {
		i += len(s.queues)
	}
	s.used[i] += airtime
}

// until lets everything happen that is due until the instant end.
func (s *port) until(end pkt.Time, src link.Source) {
	for s.free <= end {
		s.serve(s.free, src)
	}
	s.now = max(s.now, end)
}

func (s *port) serve(now pkt.Time, src link.Source) {
	s.now = now
	free, busy := s.m.Transmit(now, src, s)
	if !busy {
		free = s.m.NextWake()
	}
	if free <= now {
		s.complain("free at %v, busy: %v", free, busy)
		free = now + 1
	}
	s.free, s.busy = free, busy
}

// arrive has a packet come for its station, or from it.
func (s *port) arrive(p *pkt.Packet, src link.Source) {
	if up, ok := s.m.Sender(p); ok {
		s.owned[p] = true
		if !s.m.Uplink(s.now, up, p) {
			delete(s.owned, p)
		}
	} else {
		s.queues[s.index(s.m.Station(p))][p.AC()].Push(p)
	}
	if !s.busy {
		s.serve(s.now, src)
	}
}

// anyMode draws a mode.
func anyMode(t *rapid.T) Mode {
	return rapid.SampledFrom([]Mode{
		ofdm(6), ofdm(54), ht(20, 0, 800), ht(20, 15, 400), ht(40, 7, 800), vht(80, 9, 2, 400), he(20, 3, 1, 800), {PHY: DSSS, Kbps: 11000},
	}).Draw(t, "mode")
}

// anyCell draws a cell with every option now and then.
func anyCell(t *rapid.T) Config {
	c := DefaultConfig()
	c.GHz2, c.LongSlot = rapid.Bool().Draw(t, "2.4 GHz"), rapid.Bool().Draw(t, "long slot")
	c.Hardware, c.Retries = rapid.IntRange(1, 3).Draw(t, "hardware"), rapid.IntRange(0, 7).Draw(t, "retries")
	c.Driver = rapid.IntRange(1, 128).Draw(t, "driver")
	c.RTS = rapid.SampledFrom([]int{0, 0, 1, 1000}).Draw(t, "rts")
	c.AMSDU = rapid.SampledFrom([]int{0, 0, 3839, 7935, 11398}).Draw(t, "amsdu")
	c.MaxMPDUs, c.MaxBytes = rapid.SampledFrom([]int{0, 1, 5}).Draw(t, "mpdus"), rapid.SampledFrom([]int{0, 8000}).Draw(t, "bytes")
	if rapid.Bool().Draw(t, "beacons") {
		c.BeaconInterval = time.Duration(rapid.SampledFrom([]int{100, 30}).Draw(t, "interval")) * TU
		c.DTIM = rapid.IntRange(0, 3).Draw(t, "dtim")
	}
	c.UplinkLimit = rapid.SampledFrom([]int{0, 2}).Draw(t, "uplink limit")
	if rapid.Bool().Draw(t, "protect") {
		c.Protect = rapid.SampledFrom([]Mode{ofdm(24), {PHY: DSSS, Kbps: 1000}}).Draw(t, "protection")
	}
	txop := time.Duration(rapid.SampledFrom([]int{0, 0, 1504, 4096}).Draw(t, "txop")) * us
	dcf := rapid.Bool().Draw(t, "dcf")
	for ac := range c.EDCA {
		if dcf {
			c.EDCA[ac], c.StationEDCA[ac] = DCF(), DCF()
		}
		c.EDCA[ac].TXOP, c.StationEDCA[ac].TXOP = txop, txop
	}
	for i := range rapid.IntRange(1, 4).Draw(t, "stations") {
		s := Station{Addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 2)}), Mode: anyMode(t)}
		s.Error = rapid.SampledFrom([]uint32{0, 0, 1 << 29, 1 << 31, 1<<32 - 1}).Draw(t, "error")
		switch rapid.IntRange(0, 3).Draw(t, "rates") {
		case 0:
			s.Minstrel = true
			s.Errors = ErrorsAt(s.Mode, rapid.IntRange(0, 30).Draw(t, "snr"))
		case 1:
			s.Rates = []RatePoint{{At: pkt.Time(rapid.IntRange(0, 1e9).Draw(t, "at")), Mode: s.Mode.Ladder()[0]}}
		}
		s.Sleep = rapid.IntRange(0, 3).Draw(t, "sleep")
		s.Linger = time.Duration(rapid.SampledFrom([]int{0, 1, 20}).Draw(t, "linger")) * time.Millisecond
		if rapid.IntRange(0, 3).Draw(t, "sends") == 0 {
			s.Uplink = &Uplink{Bytes: rapid.IntRange(40, 1500).Draw(t, "bytes")}
			s.Uplink.Gap = time.Duration(rapid.IntRange(0, 3).Draw(t, "gap")) * time.Millisecond
			if s.Uplink.AC = pkt.AC(rapid.IntRange(0, 3).Draw(t, "ac")); s.Uplink.AC != pkt.ACBK {
				s.Uplink.Gap = 100 * time.Millisecond // or the lower categories might starve
			}
		}
		c.Stations = append(c.Stations, s)
	}
	return c
}

// anyFlows draws flows to and from the stations, the group and a stranger.
func anyFlows(m *Medium) (flows []*pkt.Flow) {
	add := func(src, dst netip.Addr) {
		k := pkt.FlowKey{Proto: pkt.ProtoUDP}
		k.SetAddrs(src, dst)
		flows = append(flows, pkt.NewFlow(k, uint32(len(flows)), 1))
	}
	far := netip.MustParseAddr("192.0.2.1")
	for i := range m.conf.Stations {
		add(far, m.conf.Stations[i].Addr)
		add(m.conf.Stations[i].Addr, far)
	}
	add(far, netip.MustParseAddr("224.0.0.251"))
	add(far, netip.MustParseAddr("192.0.2.99"))
	return flows
}

// ledger keeps the books of what a medium tells.
type ledger struct {
	told     pkt.Time
	before   time.Duration   // protection of the frame that follows
	received []time.Duration // airtime of what stations sent and was received
	bad      string
}

func (l *ledger) air(a Air) {
	if a.Start != l.told || a.End < a.Start {
		l.bad = fmt.Sprintf("%v from %v to %v is told of after %v", a.Kind, a.Start, a.End, l.told)
	}
	l.told = a.End
	switch {
	case a.Kind == Protection:
		l.before = a.End.Sub(a.Start)
		return
	case a.Kind == Up:
		l.received[a.Station] += a.End.Sub(a.Start) + l.before
	}
	l.before = 0
}

// check compares the books with the medium's, and with what a scheduler that knows
// stations was told.
func (l *ledger) check(t *rapid.T, s *port, knows bool) {
	sum := time.Duration(0)
	for _, d := range s.m.stats.Time {
		sum += d
	}
	if l.bad != "" || sum != s.m.stats.Span || l.told.Sub(0) != sum {
		t.Fatalf("the kinds sum to %v, the time is %v, told was until %v; %s", sum, s.m.stats.Span, l.told, l.bad)
	}
	if !knows {
		return
	}
	for i := range s.queues {
		if down := s.m.stats.Stations[i].Down; s.used[i] != down {
			t.Fatalf("station %d used %v and is charged %v", i, down, s.used[i])
		}
	}
	for i, d := range l.received {
		if up := s.used[len(s.queues)+i]; up != d {
			t.Fatalf("from station %d %v were received and %v are charged", i, d, up)
		}
	}
}

// anyPacket draws one of any flow, sometimes a super-packet.
func anyPacket(t *rapid.T, flows []*pkt.Flow, id int, now pkt.Time) *pkt.Packet {
	p := &pkt.Packet{
		ID: uint64(id), Flow: rapid.SampledFrom(flows).Draw(t, "flow"), Arrival: now, Segs: 1, HdrLen: 40,
		L3Len: uint32(rapid.IntRange(40, 1500).Draw(t, "bytes")), DSField: uint8(rapid.SampledFrom([]int{0, 0x20, 0xa0, 0xe0}).Draw(t, "ds")),
	}
	if rapid.IntRange(0, 9).Draw(t, "gso") == 0 {
		p.Segs = uint16(rapid.IntRange(2, 45).Draw(t, "segs"))
		p.L3Len = 40 + uint32(p.Segs)*1448
	}
	return p
}

// TestConservation checks under every option that each packet the medium is given
// is delivered or lost, once and not in the past, that all of them leave when no
// more come, and that all of the medium's time is accounted for, without gaps.
func TestConservation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := New(anyCell(t), link.Env{Seed: 1})
		l := &ledger{received: make([]time.Duration, m.Stations())}
		m.OnAir = l.air
		s := newPort(m)
		src := link.Source(s)
		knows := rapid.Bool().Draw(t, "knows stations")
		if knows {
			src = knowing{s}
		}
		flows, gaps := anyFlows(m), rapid.SampledFrom([]int{0, 10, 300, 20000}).Draw(t, "gap in us")
		for id := range rapid.IntRange(1, 150).Draw(t, "packets") {
			s.until(s.now.Add(time.Duration(rapid.IntRange(0, gaps).Draw(t, "gap"))*us), src)
			s.arrive(anyPacket(t, flows, id, s.now), src)
		}
		s.until(s.now.Add(time.Hour), src)
		queued := 0
		for i := range s.queues {
			for ac := range s.queues[i] {
				queued += s.queues[i][ac].Len()
			}
		}
		if s.bad != "" {
			t.Fatal(s.bad)
		}
		if queued > 0 || len(s.owned) > 0 {
			t.Fatalf("%d packets were not asked for, %d did not leave", queued, len(s.owned))
		}
		l.check(t, s, knows)
	})
}
