package replay

import (
	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/traces"
)

// NewPort makes the port that a trace's header describes. Live and Verify both
// make theirs here.
func NewPort(m egress.Maker, c traces.Scheduler, sink egress.Sink, pool *pkt.Pool) (*egress.Port, error) {
	return m.Port(egress.Config{Qdisc: c.Qdisc, Link: c.Link, Seed: c.Seed}, sink, pool)
}

// smallest is the least a packet takes up in a limit in bytes.
const smallest = 64

// Room is how many packets a port may hold at once as far as its configuration
// says: the qdisc's limit, a packet that finds it full, and what is under way on
// the link. A kernel queue with less room drops before the qdisc decides. 0 is
// unknown.
func Room(p *egress.Port) uint64 {
	return RoomFor(p, smallest)
}

// RoomFor is Room where no packet takes up less than size bytes.
func RoomFor(p *egress.Port, size int) uint64 {
	limit := uint64(sched.Room(p.Scheduler(), size))
	if limit == 0 {
		return 0
	}
	return limit + 1 + underway(p.Link(), size)
}

// underway is how many packets the link keeps from their verdict.
func underway(l link.Link, size int) uint64 {
	if h, ok := l.(link.Holder); ok {
		return h.Holds(size)
	}
	return 0
}
