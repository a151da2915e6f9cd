// Package diff compares what two runs did with the same packets, one by one.
//
//	run a ──► Side(0) ──┐
//	                    ├──► packet by packet ──► first difference, counts, flows
//	run b ──► Side(1) ──┘
//
// A run may be a simulation (Side is a Sink), or be read from a file (Arrive and
// Decide). Packets are told apart by their numbers. What is kept of a packet is
// kept until both runs have decided about it and about all before it.
package diff

import (
	"fmt"
	"time"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
)

// Outcome is what became of a packet in the end.
type Outcome uint8

// The outcomes.
const (
	// Undecided: the run ended before.
	Undecided Outcome = iota
	Delivered
	Dropped
)

// Packet is one as it arrived.
type Packet struct {
	Flow    pkt.FlowKey
	Len     uint32
	Arrival pkt.Time
}

// Fate is what a run did with a packet. The zero value is Undecided.
type Fate struct {
	Outcome Outcome
	// Reason is that of a drop, Mark that of a mark.
	Reason, Mark pkt.Reason
	// Dequeued is when the scheduler let the packet go, End when it was delivered
	// or was gone; for one that the scheduler dropped both are that time.
	Dequeued, End pkt.Time
}

// String words it.
func (f Fate) String() string {
	mark := ""
	if f.Mark != pkt.NoReason {
		mark = ", marked " + f.Mark.String()
	}
	switch f.Outcome {
	case Delivered:
		if f.End == pkt.Never {
			return "accepted" + mark // by a recording, which knows no more
		}
		if f.Dequeued == pkt.Never {
			return fmt.Sprintf("delivered %v%s", f.End, mark)
		}
		return fmt.Sprintf("delivered %v, dequeued %v%s", f.End, f.Dequeued, mark)
	case Dropped:
		return fmt.Sprintf("dropped %v, %v%s", f.End, f.Reason, mark)
	}
	return "undecided" + mark
}

// Options say what counts as a difference.
type Options struct {
	// Tolerance is by how much times may differ.
	Tolerance time.Duration
	// Context is how many packets to show on either side of the first difference.
	Context int
}

// Differ compares two runs.
type Differ struct {
	opt     Options
	base    uint64 // number of the first in window that is not compared
	window  []pair
	head    int // of that packet in window
	ended   [2]bool
	horizon [2]pkt.Time

	res    Result
	recent []numbered // the last ones that agreed
	after  int        // rows still wanted behind the first difference
	byKey  map[pkt.FlowKey]*flow
	order  []*flow
	others *flow
	total  tally
}

// pair is a packet in both runs.
type pair struct {
	packet     [2]Packet
	fate       [2]Fate
	here, done [2]bool
}

// numbered is a pair with its packet's number.
type numbered struct {
	id uint64
	pair
}

// New makes a Differ.
func New(opt Options) *Differ {
	return &Differ{
		opt: opt, byKey: map[pkt.FlowKey]*flow{}, horizon: [2]pkt.Time{pkt.Never, pkt.Never},
		total: newTally(), res: Result{Tolerance: int64(opt.Tolerance)},
	}
}

func (d *Differ) at(id uint64) *pair {
	if id < d.base {
		return nil // told twice
	}
	for uint64(len(d.window)-d.head) <= id-d.base {
		d.window = append(d.window, pair{})
	}
	return &d.window[d.head+int(id-d.base)]
}

// maxGap bounds how far a packet's number may be ahead of all before, so that a
// wrong one does not take all memory.
const maxGap = 1 << 16

// Arrive tells that packet id arrived in run side, 0 or 1.
func (d *Differ) Arrive(side int, id uint64, p Packet) error {
	if newest := d.base + uint64(len(d.window)-d.head); id > newest && id-newest > maxGap {
		return fmt.Errorf("packet %d arrives, of those before it none from %d on: numbers run from 0", id, newest)
	}
	w := d.at(id)
	if w == nil || w.here[side] {
		return fmt.Errorf("packet %d arrives twice", id)
	}
	w.packet[side], w.here[side] = p, true
	return nil
}

// Decide tells what became of packet id in run side.
func (d *Differ) Decide(side int, id uint64, f Fate) error {
	if id < d.base || id-d.base >= uint64(len(d.window)-d.head) {
		return fmt.Errorf("packet %d is decided, which did not arrive or was decided before", id)
	}
	w := &d.window[d.head+int(id-d.base)]
	if !w.here[side] || w.done[side] {
		return fmt.Errorf("packet %d is decided, which did not arrive or was decided before", id)
	}
	w.fate[side] = f
	if f.Outcome != Undecided {
		w.done[side] = true
		d.flush()
	}
	return nil
}

// End tells that nothing more comes of run side, which decided until horizon;
// pkt.Never for a run that was simulated to its end.
func (d *Differ) End(side int, horizon pkt.Time) {
	d.ended[side], d.horizon[side] = true, horizon
	d.flush()
}

// flush compares the packets that are decided in both runs.
func (d *Differ) flush() {
	for d.head < len(d.window) && d.settled(&d.window[d.head]) {
		d.compare(d.base, &d.window[d.head])
		d.base++
		d.head++
	}
	if d.head > len(d.window)/2 {
		d.window = d.window[:copy(d.window, d.window[d.head:])]
		d.head = 0
	}
}

func (d *Differ) settled(w *pair) bool {
	for side := range 2 {
		if !w.done[side] && !d.ended[side] {
			return false
		}
	}
	return true
}

// Side is run side's Sink.
func (d *Differ) Side(side int) egress.Sink { return &sink{d: d, side: side} }

type sink struct {
	d    *Differ
	side int
}

// Event implements egress.Sink. What a port tells is consistent, so that no
// error can come of it.
func (s *sink) Event(e egress.Event) {
	p := e.Packet
	if p.Flaws&pkt.Duplicated != 0 {
		return
	}
	dequeued := p.Dequeued
	if p.Up {
		dequeued = pkt.Never // it passed no scheduler
	}
	switch e.Kind {
	case egress.Enqueue, egress.Uplink:
		_ = s.d.Arrive(s.side, p.ID, Packet{p.Flow.FlowKey, p.Len, e.Time})
	case egress.Deliver:
		_ = s.d.Decide(s.side, p.ID, Fate{Outcome: Delivered, Mark: p.Mark, Dequeued: dequeued, End: e.Time})
	case egress.Drop:
		// A mark on a packet that is lost later is in no trace.
		f := Fate{Outcome: Dropped, Reason: e.Reason, Dequeued: e.Time, End: e.Time}
		if e.Reason == pkt.LinkLoss {
			f.Dequeued = dequeued
		}
		_ = s.d.Decide(s.side, p.ID, f)
	}
}
