package wifi

import (
	"time"

	"github.com/uqtool/uq/sim/pkt"
)

// AirKind is what a stretch of the medium's time is used for.
type AirKind uint8

// The kinds.
const (
	Down        AirKind = iota // frames to a station
	Up                         // frames from one
	Group                      // multicast and broadcast
	Beacon                     // the access point's
	Response                   // SIFS and the acknowledgement, or the wait for it; SIFS within a TXOP
	Protection                 // RTS and CTS, or CTS alone, with their SIFS
	Failed                     // frames of which none was received
	Collision                  // several at once
	Contention                 // somebody waits for the medium, and nobody sends
	Idle                       // nobody has anything to send
	NumAirKinds = 10
)

// String is the kind's name in reports.
func (k AirKind) String() string {
	return [...]string{"down", "up", "group", "beacon", "response", "protection", "failed", "collision", "contention", "idle"}[k]
}

// Air is a stretch of time of the medium. Those told of follow each other without
// a gap.
type Air struct {
	Start, End pkt.Time
	Kind       AirKind
	// Station is -1 for none in particular.
	Station int
	AC      pkt.AC
	// MPDUs and Bytes of the PPDU; of a collision MPDUs is how many sent.
	MPDUs, Bytes int
	// Again is how many of the MPDUs were sent before, Lost how many were not
	// received.
	Again, Lost int
	// Up says that the station holds it, or is answered.
	Up bool
	// Mode is the PPDU's; nil for what has none of its own. It is valid during the
	// call only.
	Mode *Mode
}

// Stats is what a medium counts.
type Stats struct {
	// Stations are in their order, the group after them.
	Stations []StationStats
	// Time is what the medium was used for, by kind. It sums to Span.
	Time [NumAirKinds]time.Duration
	// Span is how far the medium's time has come.
	Span time.Duration
	// Exchanges counts what held the medium, Collisions those of several.
	Exchanges, Collisions uint64
	// Beacons counts those sent.
	Beacons uint64
}

// StationStats are one station's.
type StationStats struct {
	// Down and Up are airtime: of frames to it and of its own, failed ones and
	// protection included.
	Down, Up time.Duration
	// DownPackets and UpPackets were received, with DownBytes and UpBytes of layer
	// 3; what it makes up itself counts, too.
	DownPackets, UpPackets uint64
	DownBytes, UpBytes     uint64
	// OwnPackets and OwnBytes are what it makes up itself of those.
	OwnPackets, OwnBytes uint64
	// Aggregates counts PPDUs to it by their number of MPDUs, UpAggregates its
	// own; the last element counts all larger ones.
	Aggregates, UpAggregates [MaxMPDUs + 1]uint64
	// Retries counts MPDUs sent again, GivenUp those that were not any more, in
	// both directions; UpRetries are the station's part of Retries.
	Retries, GivenUp, UpRetries uint64
	// Overflow counts packets that found no room: for it while it slept, or of its
	// own.
	Overflow uint64
}

// MaxMPDUs is the most MPDUs of an aggregate that are told apart.
const MaxMPDUs = 256

// Stats is what was counted so far. It is the medium's.
func (m *Medium) Stats() *Stats { return &m.stats }

// tell accounts for a, which begins where the last one ended.
func (m *Medium) tell(a Air) {
	m.stats.Time[a.Kind] += a.End.Sub(a.Start)
	m.stats.Span = a.End.Sub(0)
	m.told = a.End
	if m.OnAir != nil {
		m.OnAir(a)
	}
}

// quiet accounts for the time until the instant at, when somebody sends: from
// when somebody wanted to it is contention.
func (m *Medium) quiet(at pkt.Time) {
	wanted := at
	for _, f := range m.functions {
		wanted = min(wanted, f.since)
	}
	wanted = max(wanted, m.told)
	if wanted > m.told {
		m.tell(Air{Start: m.told, End: wanted, Kind: Idle, Station: -1})
	}
	if at > m.told {
		m.tell(Air{Start: m.told, End: at, Kind: Contention, Station: -1})
	}
}
