// Package interop is the way to other people's programs: what happened to
// packets, as one stream of events that every foreign format is written from.
//
//	traces.Reader ──► FromTrace ──┐
//	                              ├──► Event ──► Writer: pcapng, csv, flent ...
//	egress.Port ────► FromPort ───┘
//
//	pcap, pcapng ──► pcap.Import ──► traces.Writer
//
// A trace and a simulation tell the same: a packet arrives, is let go, arrives at
// the far end or is lost. So both are exported by the same writers, a package
// each, and the package formats lists them. All stream: what they keep does not
// grow with the run.
package interop

import (
	"errors"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// Held ends the story of a packet of a trace that never got a verdict: what
// became of it is not known. The other kinds are those of egress.Event.
const Held egress.Kind = 255

// KindName is the kind's name in exports.
func KindName(k egress.Kind) string {
	if k == Held {
		return "held"
	}
	return k.String()
}

// Event is one thing that happened to a packet. Those of one run come in order
// of time. Each packet has one Enqueue, or Uplink, and, unless it is still inside at the
// end, one of Deliver, Drop and Held, which are its last.
type Event struct {
	Time   pkt.Time
	Kind   egress.Kind
	Reason pkt.Reason // of Drop and Mark
	// ID numbers packets from 0 in order of arrival. A copy that the link made has
	// its original's.
	ID uint64
	// Size is the length the queue accounts for, in bytes.
	Size uint32
	// Leaves says that the packet leaves the queue with this event.
	Leaves bool
	// Up says that a station of the link sends the packet to the other side of the
	// queue: it comes with an Uplink instead of an Enqueue and is never queued.
	Up    bool
	Flaws pkt.Flaws
	// Record describes the packet and is valid during the call. Its DS field is the
	// one at the time of the event; its verdict, reason and times are right with the
	// packet's last event.
	Record *traces.Record
}

// Last says whether nothing more happens to the packet.
func (e *Event) Last() bool {
	return e.Kind == egress.Deliver || e.Kind == egress.Drop || e.Kind == Held
}

// LetGo says whether the queue lets the packet go with e, rather than drops it.
func (e *Event) LetGo() bool { return e.Leaves && e.Kind != egress.Drop }

// Sojourn is the time in the queue of a packet that leaves it with e.
func (e *Event) Sojourn() pkt.Time { return e.Time - e.Record.Time }

// Run says what the events are of.
type Run struct {
	// Trace is the name of the trace.
	Trace string
	// Tool is the program and its version.
	Tool string
	// Qdisc and Link are in tc's words; empty where no scheduler ran.
	Qdisc, Link string
	Seed        uint64
	// Rate is the link's, in bits a second; 0 where it has none that is constant.
	Rate uint64
	// Offers is how many bytes a link without a constant rate could have sent at a
	// millisecond since time zero; nil where that is not known.
	Offers func(ms uint64) uint64
	// StartNs is the wall clock at time zero, in ns since 1970; 0 is unknown.
	StartNs int64
	// Header is the trace's.
	Header traces.Header
}

// Writer writes a run in one format.
type Writer interface {
	// Event is told everything that happens.
	Event(*Event) error
	// Close completes the output; end is the time of the run's end.
	Close(end pkt.Time) error
}

// Troubled is implemented by writers that have words for what happened to the
// queue rather than to a packet.
type Troubled interface {
	Trouble(traces.Event) error
}

// Tee writes to all of ws.
func Tee(ws ...Writer) Writer { return tee(ws) }

type tee []Writer

func (t tee) Event(e *Event) error {
	for _, w := range t {
		if err := w.Event(e); err != nil {
			return err
		}
	}
	return nil
}

func (t tee) Close(end pkt.Time) error {
	var all error
	for _, w := range t {
		all = errors.Join(all, w.Close(end))
	}
	return all
}

func (t tee) Trouble(e traces.Event) error {
	for _, w := range t {
		if w, ok := w.(Troubled); ok {
			if err := w.Trouble(e); err != nil {
				return err
			}
		}
	}
	return nil
}
