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
	// LongSlot has slots of 20 µs instead of 9 at 2.4 GHz, as with stations of
	// 802.11b.
	LongSlot bool
	// EDCA are the access point's parameters, StationEDCA the stations'.
	EDCA, StationEDCA [pkt.NumACs]Params
	Stations          []Station
	// Basic is the mode of group-addressed frames and beacons.
	Basic Mode
	// Longest is how long a PPDU may be, MaxBytes and MaxMPDUs how much an A-MPDU
	// may carry; 0 is what the standard allows: 5.484 ms, and what the PHY can.
	Longest  time.Duration
	MaxBytes int
	MaxMPDUs int
	// AMSDU is how many bytes an A-MSDU may have, 3839, 7935 or 11398, within what
	// an A-MPDU's subframe can hold: 4095 for HT; 0 is none.
	AMSDU int
	// Hardware is how many aggregates per category are ready ahead of the medium,
	// the one on the air included.
	Hardware int
	// Driver is how many packets the driver holds below a scheduler that knows no
	// stations.
	Driver int
	// Retries is how often an MPDU is sent again before it is given up.
	Retries int
	// RTS precedes PPDUs of more bytes with RTS and CTS; 0 is never.
	RTS int
	// Protect is the mode of the CTS to itself that a sender precedes PPDUs with
	// that older stations would not understand, those of a later PHY; the zero
	// Mode is none.
	Protect Mode
	// BeaconInterval is the time between beacons, 100*TU usually; 0 is none.
	// BeaconBytes is their length; 0 is 250.
	BeaconInterval time.Duration
	BeaconBytes    int
	// DTIM is how many beacons pass from one after which the group's packets are
	// sent to the next, as long as a station sleeps; 0 is 1.
	DTIM int
	// UplinkLimit is how many packets wait in a station for its own medium access
	// in each category; 0 is 1000, a device's txqueuelen.
	UplinkLimit int
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

	txqs     [][pkt.NumACs]txq // by station; the last one is the group's
	round    [pkt.NumACs][]int // stations with packets in the driver
	buffered int               // packets in the driver's queues
	spares   []aggregate       // for reuse

	// functions are all who contend: the access point's by category, then those of
	// stations that send.
	functions []*function
	senders   []*function // in the exchange that is being decided
	txop      txop
	told      pkt.Time // up to which time is accounted for; the medium is idle then
	injected  int      // packets that stations were given and that are not settled
	beacon    beacons
	naps      []nap // by station
	// rates are by station, downlink and uplink; the group's are last.
	rates [][2]rates

	errors *random.Rand
	env    link.Env
	// The station that a flow is for, plus 2, or from, plus 3; 0 is unknown.
	to, from []int32
	stats    Stats
	c        call
	// OnAir, if set, is told of all that the medium's time is used for.
	OnAir func(Air)
}

// call is what Transmit was called with.
type call struct {
	now pkt.Time
	src link.Source
	// stations is src, if it knows them.
	stations link.StationSource
	out      link.Outcome
}

// New makes the medium of a cell with at least one station.
func New(conf Config, env link.Env) *Medium {
	m := &Medium{conf: conf, t: timings(&conf), errors: env.Random("wifi/errors"), env: env}
	slowest := Mode{PHY: OFDM, Width: 20, Kbps: 6000}
	if conf.Basic.PHY == DSSS {
		slowest = Mode{PHY: DSSS, Kbps: 1000}
	}
	m.t.eifs = m.t.sifs + m.air(&slowest, ackBytes)
	if m.conf.UplinkLimit == 0 {
		m.conf.UplinkLimit = 1000
	}
	m.txqs = make([][pkt.NumACs]txq, len(conf.Stations)+1)
	m.stats.Stations = make([]StationStats, len(m.txqs))
	m.makeRates()
	for i := range m.txqs {
		for ac := range pkt.AC(pkt.NumACs) {
			m.txqs[i][ac] = txq{station: i, ac: ac, limits: limitsOf(m.rates[i][0].s.Mode.PHY, &conf)}
		}
	}
	for ac := range pkt.AC(pkt.NumACs) {
		rng := env.Random("wifi/ap/" + ac.String())
		m.functions = append(m.functions, &function{contender: newContender(conf.EDCA[ac], m.t, conf.Retries, rng), station: accessPoint, ac: ac})
	}
	m.makeBeacons()
	for i := range conf.Stations {
		if u := conf.Stations[i].Uplink; u != nil {
			f := m.sender(i, u.AC)
			f.q.own = m.newGenerator(i, *u)
			f.draw()
		}
	}
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

// named is the station's number as others know it.
func (m *Medium) named(station int) int {
	if station == m.group() {
		return link.Group
	}
	return station
}

// Stations implements link.Stationed.
func (m *Medium) Stations() int { return len(m.conf.Stations) }

// Station implements link.Stationed.
func (m *Medium) Station(p *pkt.Packet) int {
	station := remember(&m.to, p)
	if *station == 0 {
		receiver, _ := m.conf.route(p)
		*station = int32(receiver) + 2
	}
	return int(*station) - 2
}

// Sender implements link.Uplinker.
func (m *Medium) Sender(p *pkt.Packet) (station int, ok bool) {
	s := remember(&m.from, p)
	if *s == 0 {
		_, sender := m.conf.route(p)
		*s = int32(sender) + 3
	}
	return int(*s) - 3, *s > 2
}

// maxFlows is how many flows have their station remembered.
const maxFlows = 1 << 16

// remember is where a number for p's flow is kept, 0 at first.
func remember(by *[]int32, p *pkt.Packet) *int32 {
	id := int(p.Flow.ID)
	if id >= maxFlows {
		return new(int32)
	}
	if id >= len(*by) {
		*by = append(*by, make([]int32, id+1-len(*by))...)
	}
	return &(*by)[id]
}

// queueOf is the queue of a packet.
func (m *Medium) queueOf(p *pkt.Packet) *txq {
	s := m.Station(p)
	if s == link.Group {
		s = m.group()
	}
	return &m.txqs[s][p.AC()]
}
