package wifi

import (
	"net/netip"
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/random"
)

// Station is one that is associated to the access point.
type Station struct {
	// Addr is the IP address that packets for it carry. A packet for an address
	// that no station has goes to the last one, as to a bridge behind it.
	Addr netip.Addr
	Mode Mode
	// Weight is its share of the airtime, in µs a round; 0 is the scheduler's
	// default.
	Weight int
	// Error is the probability that an MPDU is not received, in parts of 2^32.
	Error uint32
	// Uplink is what it sends itself; nil is nothing.
	Uplink *Uplink
}

// Uplink is a station's own traffic to the access point.
type Uplink struct {
	AC pkt.AC
	// Bytes is the length of a packet, layer 3.
	Bytes int
	// Gap is the time between two packets; 0 is always one more.
	Gap time.Duration
}

// txq holds what a station is still to be sent in one category: the driver's
// part of mac80211's structure of that name.
type txq struct {
	station int
	ac      pkt.AC
	mode    *Mode
	limits  limits
	// queue is what the driver took from a scheduler that knows no stations.
	queue pkt.FIFO
	// spare was taken for an aggregate that had no room for it.
	spare *pkt.Packet
	// again was not received, oldest first.
	again []unit
	// order is what was sent and is not delivered, oldest first, numbered from
	// base: the receiver hands packets on in the order of their numbers.
	order []place
	base  uint64
	mpdus uint64 // number of the next MPDU
	// listed says that it is in the driver's round.
	listed bool
}

// place is a packet's in the receiver's reordering buffer.
type place struct {
	p     *pkt.Packet
	mpdu  uint64 // number of its first MPDU
	state placeState
}

type placeState uint8

const (
	onTheWay placeState = iota
	received
	givenUp
)

// number gives u its place behind all others.
func (q *txq) number(u *unit) {
	u.seq = q.base + uint64(len(q.order))
	q.order = append(q.order, place{p: u.p, mpdu: q.mpdus})
	q.mpdus += uint64(u.n)
}

// inWindow says whether n more MPDUs stay within what may be unacknowledged.
func (q *txq) inWindow(n int) bool {
	return len(q.order) == 0 || q.mpdus+uint64(n)-q.order[0].mpdu <= uint64(q.limits.mpdus)
}

// settle notes what became of u.
func (q *txq) settle(u *unit, s placeState) { q.order[u.seq-q.base].state = s }

// up is a station's own traffic at work.
type up struct {
	contender
	Uplink
	station int
	mode    *Mode
	next    pkt.Time // when the next packet arrives
	queued  int      // packets
	sending bool     // it has won the exchange that is being decided
	retries int
	errors  uint32
	rng     *random.Rand
}

// arrivals counts what has come until the instant at.
func (u *up) arrivals(at pkt.Time) {
	if u.Gap == 0 {
		u.queued = 1
		return
	}
	for u.next <= at && u.next != pkt.Never {
		u.queued++
		u.next = u.next.Add(u.Gap)
	}
}
