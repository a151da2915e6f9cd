// Package sched defines what a scheduler (a queueing discipline, in tc's words)
// is, and nothing else. Each scheduler is a package of its own below this one;
// sim/sched/builtin lists them; sim/sched/schedtest is the conformance suite
// every one of them passes, and a third party's can run.
package sched

import (
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/tc"
)

// Scheduler decides which packet goes next and which do not go at all.
//
// It is passive and deterministic: it has no clock, starts nothing, and does
// the same for the same calls. now never runs backwards between calls. A
// Scheduler is not safe for concurrent use.
type Scheduler interface {
	// Enqueue takes p. The scheduler may refuse it or drop others to make room;
	// each such packet goes to the DropFunc the scheduler was made with, in the
	// order of the decisions.
	Enqueue(now pkt.Time, p *pkt.Packet)

	// Dequeue returns the packet to send now, or nil when there is none to send
	// (queue empty, or a shaper that must wait, see [Waiter]). It may drop
	// packets first. The port calls it once when the link falls free even if
	// nothing is queued, as a qdisc's dequeue is called.
	Dequeue(now pkt.Time) *pkt.Packet

	// Backlog is what is queued now: packets, and bytes as Packet.Len counts.
	Backlog() (packets, bytes int)
}

// DropFunc receives each packet a scheduler gives up, and takes it over. It
// must not call back into the scheduler.
type DropFunc func(now pkt.Time, p *pkt.Packet, why pkt.Reason)

// Waiter is implemented by schedulers that can hold packets back although the
// link is free (shapers) or that act at times of their own (PIE's update).
type Waiter interface {
	// NextWake is when Dequeue may next return a packet, or the next timer is
	// due, given that Dequeue just returned nil; pkt.Never if only an Enqueue
	// can change that. It is later than the now of that Dequeue.
	NextWake() pkt.Time
}

// Named, embedded, describes a scheduler by its name alone: no options to print
// and no counters of its own.
type Named string

// Kind implements Describer.
func (n Named) Kind() string { return string(n) }

// Options implements Describer.
func (n Named) Options() []tc.Field { return nil }

// Stats implements Describer.
func (n Named) Stats() []tc.Field { return nil }

// Describer is implemented by every scheduler that a list of [Kinds] makes, so that
// it can be printed and counted. One of your own may embed [Named] for it.
type Describer interface {
	// Kind is tc's name: "fq_codel".
	Kind() string
	// Options lists the parameters in force, in the order tc prints them.
	Options() []tc.Field
	// Stats lists the scheduler's own counters with the key names of
	// "tc -s -j qdisc", in tc's order, beyond those the port counts for all
	// (bytes, packets, drops, backlog, qlen).
	Stats() []tc.Field
}
