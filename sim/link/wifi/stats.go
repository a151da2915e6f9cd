package wifi

import (
	"time"

	"github.com/uqtool/uq/sim/pkt"
)

// AirKind is what holds the medium.
type AirKind uint8

// The kinds.
const (
	Down      AirKind = iota // frames to a station
	Up                       // frames from one
	Group                    // multicast and broadcast
	Response                 // the acknowledgement with its SIFS, or the wait for it
	Failed                   // frames of which none was received
	Collision                // several at once
)

// String is the kind's name in reports.
func (k AirKind) String() string {
	return [...]string{"down", "up", "group", "response", "failed", "collision"}[k]
}

// Air is a stretch of time in which the medium is held.
type Air struct {
	Start, End pkt.Time
	Kind       AirKind
	// Station is -1 for none in particular.
	Station int
	AC      pkt.AC
	// MPDUs and Bytes of the PPDU; of a collision MPDUs is how many sent.
	MPDUs, Bytes int
	// Up says that the station holds it, or is answered.
	Up bool
}

// Stats is what a medium counts.
type Stats struct {
	// Stations are in their order, the group after them.
	Stations []StationStats
	// Held is the time held, by kind.
	Held [Collision + 1]time.Duration
	// Idle is the time between exchanges: contended for, or not wanted.
	Idle time.Duration
	// Exchanges counts what held the medium, Collisions those of several.
	Exchanges, Collisions uint64
}

// StationStats are one station's.
type StationStats struct {
	// Down and Up are airtime: of frames to it, failed ones and protection
	// included, and of its own.
	Down, Up time.Duration
	// Aggregates counts PPDUs to it by their number of MPDUs; the last element
	// counts all larger ones.
	Aggregates [MaxMPDUs + 1]uint64
	// Retries counts MPDUs sent again, GivenUp those that were not any more.
	Retries, GivenUp uint64
	// UpPackets is how many of its own were received.
	UpPackets uint64
}

// MaxMPDUs is the most MPDUs of an aggregate that are told apart.
const MaxMPDUs = 256

func (s *Stats) aggregate(a *aggregate) { s.Stations[a.station].Aggregates[min(a.mpdus, MaxMPDUs)]++ }

// Stats is what was counted so far. It is the medium's.
func (m *Medium) Stats() *Stats { return &m.stats }

// tell accounts for a.
func (m *Medium) tell(a Air) {
	m.stats.Held[a.Kind] += a.End.Sub(a.Start)
	if a.Kind != Response {
		m.stats.Exchanges++
	}
	if m.OnAir != nil {
		m.OnAir(a)
	}
}
