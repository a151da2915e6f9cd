package sched

import (
	"time"

	"github.com/uqtool/uq/sim/pkt"
)

// Stations is implemented by schedulers that keep packets by station and access
// category, for a link that has stations: see link.StationSource, whose methods
// these are. Dequeue, too, must work, for links that have none.
type Stations interface {
	Scheduler
	// NextStation names the station, or link.Group, whose turn it is; ok is false
	// if no packet of ac may go. Asking again changes nothing until a packet was
	// taken or airtime used.
	NextStation(now pkt.Time, ac pkt.AC) (station int, ok bool)
	// DequeueFor is Dequeue for one station and category. It may drop packets
	// first.
	DequeueFor(now pkt.Time, station int, ac pkt.AC) *pkt.Packet
	// Held tells whether the link holds packets for station that it has to send:
	// while it does, the station has its turn although nothing is queued. A turn
	// ends with it, or when NextStation is asked after packets were taken.
	Held(now pkt.Time, station int, ac pkt.AC, held bool)
	// Block tells that the link can send station nothing of ac until it is
	// unblocked: NextStation must not name it.
	Block(now pkt.Time, station int, ac pkt.AC, blocked bool)
	// Used tells of airtime that station's packets of ac took, failed attempts
	// included; from the station when up.
	Used(now pkt.Time, station int, ac pkt.AC, airtime time.Duration, up bool)
}

// Completer is implemented by schedulers that bound what is queued below them,
// as mac80211's airtime queue limits do.
type Completer interface {
	// Completed tells that the link is done with p, which it has sent, received or
	// not. p is not the scheduler's.
	Completed(now pkt.Time, p *pkt.Packet)
}
