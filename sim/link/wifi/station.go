package wifi

import (
	"net/netip"
	"time"

	"github.com/uqtool/uq/sim/pkt"
)

// Station is one that is associated to the access point.
type Station struct {
	// Addr is the IP address that packets for it carry, Prefixes are others that it
	// has. A station without any gets the packets for addresses that no station
	// has, else the last one does, as a bridge would.
	Addr     netip.Addr
	Prefixes []netip.Prefix
	Mode     Mode
	// Weight is its share of the airtime, in µs a round; 0 is the scheduler's
	// default.
	Weight int
	// Error is the probability that an MPDU is not received, in parts of 2^32,
	// whatever its length.
	Error uint32
	// Errors are that by MCS, or for modes without by the rate's place among those
	// of its PHY, instead of Error; the last one is also that of all above.
	Errors []uint32
	// Rates replace Mode from their instants on, in order of time; the PHY stays.
	Rates []RatePoint
	// Minstrel chooses among Mode.Ladder() by what is received; Rates do not count
	// then.
	Minstrel bool
	// Uplink is what it sends itself; nil is nothing.
	Uplink *Uplink
	// Sleep is how many beacons a station in power save has between those it
	// listens to; 0 is one that is always awake. Without beacons nobody sleeps.
	Sleep int
	// Linger is how long it stays awake after a frame; 0 is 100 ms, as Linux does.
	Linger time.Duration
}

// Uplink is traffic that a station makes up and sends to the access point.
type Uplink struct {
	AC pkt.AC
	// Bytes is the length of a packet, layer 3.
	Bytes int
	// Gap is the time between two packets; 0 is always one more. The first is at any
	// time within it: stations that send each 20 ms do not all begin together.
	Gap time.Duration
}

// txq holds what a station is still to be sent in one category, or to send: the
// driver's part of mac80211's structure of that name.
type txq struct {
	station int
	ac      pkt.AC
	up      bool
	// local says that its packets wait here whatever the scheduler.
	local  bool
	limits limits
	// queue is what the driver took from a scheduler that knows no stations, or
	// what the station has been given to send.
	queue pkt.FIFO
	// spare had no room in an A-MSDU, ahead none in an aggregate; ahead.n is 0 if
	// there is none.
	spare *pkt.Packet
	ahead unit
	// own is the traffic the station makes up; nil is none.
	own *generator
	// again was not received, oldest first.
	again []unit
	// order is what was sent and is not delivered, oldest first, numbered from
	// base: the receiver hands packets on in the order of their numbers.
	order []place
	base  uint64
	mpdus uint64 // number of the next MPDU
	// listed says that it is in the driver's round, blocked that the scheduler
	// keeps what is for it.
	listed, blocked bool
}

// place is a packet's in the receiver's reordering buffer.
type place struct {
	p    *pkt.Packet
	mpdu uint64 // number of its oldest MPDU that is not settled, if all go in order
	left int    // MPDUs not settled
	// lost says that one was given up.
	lost bool
}

// number gives k MPDUs of u their numbers, and the first ones their place behind
// all others.
func (q *txq) number(u *unit, k int) {
	if !u.placed {
		u.placed, u.seq = true, q.base+uint64(len(q.order))
		q.order = append(q.order, place{p: u.p, mpdu: q.mpdus, left: u.n})
	}
	q.mpdus += uint64(k)
}

// window is how many more MPDUs may be sent until the oldest one is settled.
// Without aggregates there is none: what is sent again goes at once.
func (q *txq) window() int {
	if len(q.order) == 0 || q.plain() {
		return q.limits.window
	}
	return q.limits.window - int(q.mpdus-q.order[0].mpdu)
}

// settle notes that k MPDUs of u were received, or given up.
func (q *txq) settle(u *unit, k int, lost bool) {
	o := &q.order[u.seq-q.base]
	o.left -= k
	o.mpdu += uint64(k)
	o.lost = o.lost || lost
}

// plain says whether q's station does not aggregate.
func (q *txq) plain() bool { return q.limits.mpdus == 1 }

// ready says whether q could have an aggregate made now, but for what the
// scheduler has.
func (q *txq) ready() bool {
	return len(q.again) > 0 || q.window() > 0 && (q.ahead.n > 0 || q.spare != nil || q.queue.Len() > 0 || q.own.some())
}

// generator makes up packets.
type generator struct {
	Uplink
	next   pkt.Time // when the next one arrives
	queued int
}

// some says whether there is a packet.
func (g *generator) some() bool { return g != nil && (g.queued > 0 || g.Gap == 0) }

// arrivals counts what has come until the instant at, and drops what is over
// limit.
func (g *generator) arrivals(at pkt.Time, limit int) (dropped int) {
	if g.Gap == 0 || g.next > at {
		return 0
	}
	n := int(at.Sub(g.next)/g.Gap) + 1
	g.next = g.next.Add(time.Duration(n) * g.Gap)
	g.queued += n
	dropped = max(g.queued-limit, 0)
	g.queued -= dropped
	return dropped
}
