// Package prio is tc's prio: up to 16 bands, each with a scheduler of its own,
// served in strict order of priority; a band sends only while those before it
// have nothing to send.
//
//	              priomap         band 1:1 ──► always first
//	DS field ──► priority ──►     band 1:2 ──► when 1:1 has nothing
//	                              band 1:3 ──► when neither has
//
//	prio [bands NUMBER] [priomap P0 .. P15] [QDISC] [QDISC] ..
//
// The i-th qdisc in brackets serves band i; a band without one has a pfifo of
// 1000 packets. A packet's priority is the one Linux gives a packet it routes:
// see [Priority].
//
// Source: tc-prio(8), RFC 1349 for the bits.
//
// # Differences from Linux
//
//   - No filters, and no priority from SO_PRIORITY, marks or an application's
//     class ("1:2" in skb->priority): a trace has none of these.
//   - A priomap shorter than 16 leaves the rest as in the default map, as tc
//     does, and is refused where those name a band that is not there; tc tells
//     the kernel and reports its "Invalid argument".
package prio

import (
	"fmt"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/tc"
)

// The fewest and the most bands.
const minBands, MaxBands = 2, 16

// Map is priomap: the band of each priority.
type Map [16]int

// DefaultMap is Linux's, for three bands.
func DefaultMap() Map { return Map{1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1} }

// Priorities of Linux that follow from a DS field.
const (
	bestEffort      = 0
	bulk            = 2
	interactiveBulk = 4
	interactive     = 6
)

// Priority is the one Linux gives a packet that it routes. For IPv4 it follows
// from the bits that RFC 1349 called delay (0x10) and throughput (0x08), so that
// of today's code points AF11 (0x28) is bulk, CS1 (0x20) best effort and EF
// (0xb8) interactive bulk. For IPv6 it is 0: Linux looks at the traffic class of
// no packet.
func Priority(p *pkt.Packet) int {
	if p.Flow.V6 {
		return bestEffort
	}
	return [...]int{bestEffort, bulk, interactive, interactiveBulk}[p.DSField>>3&3]
}

// Qdisc is a prio.
type Qdisc struct {
	bands    int
	priomap  Map
	children []sched.Head
	brackets int
}

var (
	_ sched.Scheduler = (*Qdisc)(nil)
	_ sched.Peeker    = (*Qdisc)(nil)
	_ sched.Waiter    = (*Qdisc)(nil)
	_ sched.Classful  = (*Qdisc)(nil)
	_ sched.Describer = (*Qdisc)(nil)
)

// New parses tc's words after "prio".
func New(words []string, env sched.Env) (sched.Scheduler, error) {
	q := &Qdisc{bands: 3, priomap: DefaultMap(), brackets: env.Children()}
	if err := q.options().Parse("prio", words); err != nil {
		return nil, err
	}
	for priority, band := range q.priomap {
		if band >= q.bands {
			return nil, fmt.Errorf("prio: \"priomap\" element is out of bands: priority %d goes to band %d of %d; write priomap with 16 numbers from 0 to %d",
				priority, band, q.bands, q.bands-1)
		}
	}
	if q.brackets > q.bands {
		return nil, fmt.Errorf("prio: %d qdiscs for %d bands: raise bands to %d", q.brackets, q.bands, q.brackets)
	}
	q.children = make([]sched.Head, q.bands)
	for i := range q.children {
		s, err := env.Child(i, "pfifo", nil)
		if err != nil {
			return nil, fmt.Errorf("prio: band 1:%x: %w", i+1, err)
		}
		q.children[i] = sched.NewHead(s)
	}
	return q, nil
}

func (q *Qdisc) options() tc.Options {
	return tc.Options{
		tc.Count("bands", &q.bands, minBands, MaxBands, "", "number of bands (3)"),
		tc.List("priomap", q.priomap[:], MaxBands-1, "band of each of the 16 priorities (1 2 2 2 1 2 0 0 1 1 1 1 1 1 1 1)"),
	}
}

// Enqueue implements sched.Scheduler.
func (q *Qdisc) Enqueue(now pkt.Time, p *pkt.Packet) {
	q.children[q.priomap[Priority(p)]].Enqueue(now, p)
}

// Dequeue implements sched.Scheduler.
func (q *Qdisc) Dequeue(now pkt.Time) *pkt.Packet {
	for i := range q.children {
		if p := q.children[i].Dequeue(now); p != nil {
			return p
		}
	}
	return nil
}

// Peek implements sched.Peeker.
func (q *Qdisc) Peek(now pkt.Time) *pkt.Packet {
	for i := range q.children {
		if p := q.children[i].Peek(now); p != nil {
			return p
		}
	}
	return nil
}

// NextWake implements sched.Waiter: when the first of the bands has something.
func (q *Qdisc) NextWake() pkt.Time {
	at := pkt.Never
	for i := range q.children {
		at = min(at, q.children[i].NextWake())
	}
	return at
}

// Backlog implements sched.Scheduler.
func (q *Qdisc) Backlog() (packets, bytes int) {
	for i := range q.children {
		n, b := q.children[i].Backlog()
		packets, bytes = packets+n, bytes+b
	}
	return packets, bytes
}

// Room implements sched.Roomy: the bands' together, if each has an end.
func (q *Qdisc) Room(smallest int) (n int) {
	for i := range q.children {
		room := q.children[i].Room(smallest)
		if room == 0 {
			return 0
		}
		n += room
	}
	return n
}

// Kind implements sched.Describer.
func (q *Qdisc) Kind() string { return "prio" }

// Options implements sched.Describer.
func (q *Qdisc) Options() []tc.Field { return q.options().Fields() }

// Stats implements sched.Describer: prio has none of its own.
func (q *Qdisc) Stats() []tc.Field { return nil }

// Inside implements sched.Classful: a class for each band.
func (q *Qdisc) Inside() []sched.Inner {
	in := make([]sched.Inner, q.bands)
	for i := range in {
		c := &q.children[i]
		in[i] = sched.Inner{ID: fmt.Sprintf("1:%x", i+1), Scheduler: c.Scheduler, Stats: c.Sent(), Implied: i >= q.brackets}
	}
	return in
}
