package sim

import (
	"fmt"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
)

// Source yields arrivals in order of time: a trace.
type Source interface {
	// Next fills p with the next arrival: every field but Next, Mark and
	// Dequeued. ok is false at the end. After an error the source is done; what
	// came before it is valid.
	Next(p *pkt.Packet) (ok bool, err error)
}

// Run drives port with src's arrivals until the last packet has left, and
// returns the number of arrivals. The time of an arrival is its Packet.Arrival,
// which must not run back. An error of src ends the arrivals; what arrived is
// still served.
func Run(src Source, port *egress.Port, pool *pkt.Pool) (arrivals uint64, err error) {
	last := port.Now()
	for {
		p := pool.Get()
		ok, err := src.Next(p)
		if ok && p.Arrival < last {
			ok, err = false, fmt.Errorf("packet %d arrives at %v, before its predecessor at %v", p.ID, p.Arrival, last)
		}
		if !ok {
			pool.Put(p)
			port.Drain()
			return arrivals, err
		}
		last = p.Arrival
		port.Enqueue(p.Arrival, p)
		arrivals++
	}
}
