package wifi

import (
	"time"

	"github.com/uqtool/uq/sim/pkt"
)

// Lengths in bytes.
const (
	macHeader   = 26 // QoS data
	fcs         = 4
	llc         = 8 // LLC and SNAP
	delimiter   = 4 // of an MPDU in an A-MPDU
	ackBytes    = 14
	ctsBytes    = 14
	rtsBytes    = 20
	blockAckLen = 32 // compressed
)

// unit is a packet on its way: an MPDU, or for a super-packet as many as it has
// segments.
type unit struct {
	p *pkt.Packet
	// bytes is the length of each MPDU, n how many are still to be received.
	bytes, n int
	retries  int
	seq      uint64 // of its first MPDU
}

// newUnit makes the MPDUs of p. Segments are taken to be equally long.
func newUnit(p *pkt.Packet) unit {
	n := max(int(p.Segs), 1)
	l3 := (int(p.L3Len) + (n-1)*int(p.HdrLen) + n - 1) / n
	return unit{p: p, bytes: macHeader + llc + l3 + fcs, n: n}
}

// subframe is what an MPDU takes in an A-MPDU.
func subframe(bytes int) int { return delimiter + (bytes+3)&^3 }

// aggregate is an A-MPDU, or a single MPDU, for one station in one category.
type aggregate struct {
	station int
	ac      pkt.AC
	units   []unit
	mpdus   int
	// padded is the length as an A-MPDU, its last subframe padded too.
	padded int
	last   int // padding of the last subframe
}

// psdu is the length that goes on the air. With only one MPDU and no
// aggregation agreed that is the MPDU.
func (a *aggregate) psdu(plain bool) int {
	if plain && a.mpdus == 1 {
		return a.units[0].bytes
	}
	return a.padded - a.last
}

// with is the PSDU with u added.
func (a *aggregate) with(u *unit) int {
	return a.padded + (u.n-1)*subframe(u.bytes) + delimiter + u.bytes
}

// add appends u.
func (a *aggregate) add(u unit) {
	a.units = append(a.units, u)
	a.mpdus += u.n
	a.padded += u.n * subframe(u.bytes)
	a.last = subframe(u.bytes) - delimiter - u.bytes
}

func (a *aggregate) empty() bool { return len(a.units) == 0 }

// limits bound an aggregate.
type limits struct {
	mpdus int           // the block ack window
	bytes int           // the PSDU
	time  time.Duration // the PPDU
}

// limitsOf are those of the PHY (802.11-2020 table 9-25 and §10.12; 802.11ax),
// with at most so long a PPDU.
func limitsOf(p PHY, longest time.Duration) limits {
	const most = 5484 * us
	if longest <= 0 || longest > most {
		longest = most
	}
	switch p {
	case HT:
		return limits{64, 65535, longest}
	case VHT:
		return limits{64, 1048575, longest}
	case HE:
		return limits{256, 6500631, longest}
	}
	return limits{1, 2304 + macHeader + fcs, pkt.Never.Sub(0)} // no aggregation
}

// fits says whether u may join a, sent in mode m.
func (l *limits) fits(a *aggregate, u *unit, m *Mode) bool {
	if a.empty() {
		return true // or it would never go
	}
	if a.mpdus+u.n > l.mpdus || a.with(u) > l.bytes {
		return false
	}
	return m.Duration(a.with(u)) <= l.time
}
