package link

import (
	"time"

	"github.com/uqtool/uq/sim/pkt"
)

// Group stands for the stations that a group-addressed packet, multicast or
// broadcast, is for: all of them.
const Group = -1

// Stationed is implemented by links that reach several stations: an access
// point's medium.
type Stationed interface {
	// Stations is how many there are; they are numbered from 0.
	Stations() int
	// Station is the one that p is for, or Group.
	Station(p *pkt.Packet) int
}

// Cell is implemented by a Stationed that knows how it reaches its stations.
type Cell interface {
	Stationed
	// Airtime is about how long so many bytes, as Packet.Len counts, keep the
	// medium busy on their way to station, or to the Group, at its rate now.
	Airtime(station, bytes int) time.Duration
	// Weight is the airtime in µs that station is to have in a round of all, 0 if
	// nobody has said.
	Weight(station int) int
}

// Waker is implemented by links that may send something later although they are
// free: what they keep until then they do not ask the scheduler for.
type Waker interface {
	// NextWake is when the link is to be given an opportunity if nothing happens
	// before, given that Transmit just said that it is free; pkt.Never if there
	// is no need. It is later than the now of that Transmit.
	NextWake() pkt.Time
}

// Uplinker is implemented by a Stationed whose stations send, too.
type Uplinker interface {
	Stationed
	// Sender is the station that p comes from; ok is false if it comes from none.
	Sender(p *pkt.Packet) (station int, ok bool)
	// Uplink hands the link p, which station has to send from now on. The link
	// must be given an opportunity if it is free. It delivers or loses p like a
	// packet it took. If it returns false station's queue is full, and p not the
	// link's.
	Uplink(now pkt.Time, station int, p *pkt.Packet) bool
}

// StationSource is a Source whose scheduler keeps packets by station and access
// category, as mac80211's queues are: which station is served next is the
// scheduler's choice, how many of its packets go into an aggregate the link's.
// A link that gets a plain Source takes what comes and sorts it itself.
type StationSource interface {
	Source
	// NextStation names the station, or Group, whose turn it is at now among the
	// packets of category ac. ok is false if there are none that may go.
	NextStation(now pkt.Time, ac pkt.AC) (station int, ok bool)
	// TakeFor removes and returns the next packet for station in ac, or nil.
	TakeFor(now pkt.Time, station int, ac pkt.AC) *pkt.Packet
	// Held tells whether the link itself holds packets of ac for station that it
	// has to send, again or still: then it has its turn without others, too.
	Held(now pkt.Time, station int, ac pkt.AC, held bool)
	// Block tells that station can be sent nothing of ac until it is unblocked:
	// NextStation does not name it.
	Block(now pkt.Time, station int, ac pkt.AC, blocked bool)
	// Used tells how long station's packets of ac have kept the medium busy until
	// now, failed attempts included; from the station, when up.
	Used(now pkt.Time, station int, ac pkt.AC, airtime time.Duration, up bool)
}
