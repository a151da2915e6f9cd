// Package pfifofast is tc's pfifo_fast, Linux's default qdisc for twenty years:
// three bands of 1000 packets each, served in strict order of priority, tail
// drop per band.
//
//	pfifo_fast
//
// It has no parameters in tc; that the words it prints, "bands 3 priomap ..",
// are read back as they are is for convenience. The same with other lengths, or
// another map, is "prio [pfifo limit N] [pfifo limit N] [pfifo limit N]".
//
// Source: tc-pfifo_fast(8).
//
// # Differences from Linux
//
//   - txqueuelen is 1000, as on an Ethernet device.
//   - Kernels before 4.16 limit the three bands together, not each.
//   - The priority is the one package prio lists.
package pfifofast

import (
	"fmt"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/sched/prio"
	"github.com/uqtool/uq/sim/tc"
)

// numBands is fixed, and so is txqueuelen here, in packets.
const numBands, txqueuelen = 3, 1000

// Qdisc is a pfifo_fast.
type Qdisc struct {
	bands   [numBands]pkt.FIFO
	priomap prio.Map
	drop    sched.DropFunc
}

var (
	_ sched.Scheduler = (*Qdisc)(nil)
	_ sched.Peeker    = (*Qdisc)(nil)
	_ sched.Describer = (*Qdisc)(nil)
)

// New parses the words after "pfifo_fast".
func New(words []string, env sched.Env) (sched.Scheduler, error) {
	q := &Qdisc{priomap: prio.DefaultMap(), drop: env.Drop}
	if err := q.options().Parse("pfifo_fast", words); err != nil {
		return nil, err
	}
	if q.priomap != prio.DefaultMap() {
		return nil, fmt.Errorf("pfifo_fast: its priomap is fixed: use prio, which has the same default")
	}
	return q, nil
}

func (q *Qdisc) options() tc.Options {
	n := numBands
	return tc.Options{
		tc.Count("bands", &n, numBands, numBands, "", "fixed"),
		tc.List("priomap", q.priomap[:], numBands-1, "fixed"),
	}
}

// Enqueue implements sched.Scheduler.
func (q *Qdisc) Enqueue(now pkt.Time, p *pkt.Packet) {
	band := &q.bands[q.priomap[prio.Priority(p)]]
	if band.Len() >= txqueuelen {
		q.drop(now, p, pkt.Overlimit)
		return
	}
	band.Push(p)
}

// Dequeue implements sched.Scheduler.
func (q *Qdisc) Dequeue(pkt.Time) *pkt.Packet {
	for i := range q.bands {
		if p := q.bands[i].Pop(); p != nil {
			return p
		}
	}
	return nil
}

// Peek implements sched.Peeker.
func (q *Qdisc) Peek(pkt.Time) *pkt.Packet {
	for i := range q.bands {
		if p := q.bands[i].Peek(); p != nil {
			return p
		}
	}
	return nil
}

// Backlog implements sched.Scheduler.
func (q *Qdisc) Backlog() (packets, bytes int) {
	for i := range q.bands {
		packets, bytes = packets+q.bands[i].Len(), bytes+q.bands[i].Bytes()
	}
	return packets, bytes
}

// Room implements sched.Roomy.
func (q *Qdisc) Room(int) int { return numBands * txqueuelen }

// Kind implements sched.Describer.
func (q *Qdisc) Kind() string { return "pfifo_fast" }

// Options implements sched.Describer.
func (q *Qdisc) Options() []tc.Field { return q.options().Fields() }

// Stats implements sched.Describer: pfifo_fast has none of its own.
func (q *Qdisc) Stats() []tc.Field { return nil }
