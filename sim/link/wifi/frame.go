package wifi

import (
	"time"

	"github.com/uqtool/uq/sim/pkt"
)

// Lengths in bytes.
const (
	macHeader   = 26 // QoS data
	fcs         = 4
	llc         = 8  // LLC and SNAP
	delimiter   = 4  // of an MPDU in an A-MPDU
	msduHeader  = 14 // of a subframe of an A-MSDU: addresses and length
	ackBytes    = 14
	ctsBytes    = 14
	rtsBytes    = 20
	blockAckLen = 24 // compressed, without its bitmap
)

// unit is MPDUs on their way that are alike: a packet's one, or as many of a
// super-packet's as are sent together, or one of several packets, an A-MSDU.
type unit struct {
	// p is the packet, or the first of several, chained; nil is a packet that the
	// station makes up itself.
	p *pkt.Packet
	// bytes is the length of each MPDU, n how many are still to be received.
	bytes, n int
	retries  int
	// seq is the number of its place in order, once it has one.
	seq    uint64
	placed bool
}

// newUnit makes the MPDUs of p. Segments are taken to be equally long; as many as
// fit an A-MSDU of so many bytes are joined.
func newUnit(p *pkt.Packet, amsdu int) unit {
	n := max(int(p.Segs), 1)
	l3 := (int(p.L3Len) + (n-1)*int(p.HdrLen) + n - 1) / n
	u := unit{p: p, bytes: macHeader + llc + l3 + fcs, n: n}
	sub := (msduHeader + llc + l3 + 3) &^ 3
	if each := min(amsdu/sub, n); each > 1 {
		u.n = (n + each - 1) / each
		u.bytes = macHeader + (n+u.n-1)/u.n*sub + fcs
	}
	return u
}

// ownUnit is a packet that a station makes up itself.
func ownUnit(l3 int) unit { return unit{bytes: macHeader + llc + l3 + fcs, n: 1} }

// subframe is what an MPDU takes in an A-MPDU.
func subframe(bytes int) int { return delimiter + (bytes+3)&^3 }

// aggregate is an A-MPDU, or a single MPDU, of one station in one category.
type aggregate struct {
	q     *txq
	mode  Mode
	units []unit
	mpdus int
	again int // of these, how many were sent before
	// padded is the length as an A-MPDU, its last subframe padded too.
	padded int
	last   int // padding of the last subframe
	beacon bool
	rate   int // the mode's number, where it was chosen among several
}

// psdu is the length that goes on the air. With only one MPDU and no
// aggregation agreed that is the MPDU.
func (a *aggregate) psdu(plain bool) int {
	if plain && a.mpdus == 1 {
		return a.units[0].bytes
	}
	return a.padded - a.last
}

// add appends u.
func (a *aggregate) add(u unit) {
	a.units = append(a.units, u)
	a.mpdus += u.n
	if u.retries > 0 {
		a.again += u.n
	}
	a.padded += u.n * subframe(u.bytes)
	a.last = subframe(u.bytes) - delimiter - u.bytes
}

func (a *aggregate) empty() bool { return a.mpdus == 0 }

// limits bound an aggregate.
type limits struct {
	mpdus  int
	window int           // the block ack's: MPDUs that may be unacknowledged
	bytes  int           // the PSDU
	time   time.Duration // the PPDU
	amsdu  int           // an A-MSDU's bytes; 0 is none
}

// blockAck is the length of a block acknowledgement: its bitmap has a bit for each
// MPDU of the window.
func (l *limits) blockAck() int { return blockAckLen + l.window/8 }

// limitsOf are those of the PHY (802.11-2020 table 9-25 and §10.12; 802.11ax),
// and of c, where that has less.
func limitsOf(p PHY, c *Config) limits {
	const most = 5484 * us
	var l limits
	mpdu := 0 // the longest
	switch p {
	case HT:
		l, mpdu = limits{mpdus: 64, bytes: 65535}, 4095
	case VHT:
		l, mpdu = limits{mpdus: 64, bytes: 1048575}, 11454
	case HE:
		l, mpdu = limits{mpdus: 256, bytes: 6500631}, 11454
	default: // no aggregation
		return limits{mpdus: 1, window: 1, bytes: 2304 + macHeader + fcs, time: pkt.Never.Sub(0)}
	}
	l.window = l.mpdus
	l.mpdus, l.bytes, l.time = least(l.mpdus, c.MaxMPDUs), least(l.bytes, c.MaxBytes), most
	if c.Longest > 0 {
		l.time = min(most, c.Longest)
	}
	l.amsdu = min(c.AMSDU, mpdu-macHeader-fcs)
	return l
}

// least is the lesser, where 0 is no limit.
func least(most, limit int) int {
	if limit > 0 {
		return min(most, limit)
	}
	return most
}

// in is the limits of a PPDU sent in mode m: its time as bytes.
func (l limits) in(m *Mode) limits {
	if l.mpdus > 1 {
		l.bytes = min(l.bytes, m.carries(l.time))
	}
	return l
}

// room is how many more MPDUs of so many bytes fit a; one always fits an empty
// one, or it would never go.
func (l *limits) room(a *aggregate, bytes int) int {
	if l.mpdus == 1 {
		return 1 - a.mpdus
	}
	n := 0
	if left := l.bytes - a.padded - delimiter - bytes; left >= 0 {
		n = min(left/subframe(bytes)+1, l.mpdus-a.mpdus)
	}
	if a.empty() {
		return max(n, 1)
	}
	return n
}
