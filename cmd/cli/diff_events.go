package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/explain/diff"
	"github.com/uqtool/uq/sim/pkt"
)

// eventLine is an event as uq sim --events --json prints it, and as uq diff reads
// it. Its JSON is stable: fields are added, never changed. Readers ignore what
// they do not know.
type eventLine struct {
	// Qdisc is the words of --qdisc.
	Qdisc string `json:"qdisc"`
	// Time is when, since the trace's time zero; Age the time since the packet
	// arrived.
	Time pkt.Time `json:"time_ns"`
	// Kind is enqueue, dequeue, mark, deliver, drop, duplicate, corrupt or uplink.
	Kind string `json:"kind"`
	// Packet is the number of the packet, from 0.
	Packet uint64 `json:"packet"`
	// Reason is that of a drop or mark.
	Reason string `json:"reason,omitempty"`
	// Len is in bytes, with the link-layer header.
	Len  uint32   `json:"len"`
	Flow string   `json:"flow"`
	Age  pkt.Time `json:"age_ns"`
	// Copy says the packet is one that the link made of the packet with this
	// number; Reordered that a later one arrived before it.
	Copy      bool `json:"copy,omitempty"`
	Reordered bool `json:"reordered,omitempty"`
}

// eventsHelp tells of the format in uq sim --help.
const eventsHelp = `With --events every event is a line of words

  TIME KIND PACKET [REASON] len BYTES [sojourn TIME] [copy] FLOW

or, with --json, an object with the fields qdisc, time_ns, kind, packet, reason,
len, flow, age_ns, copy and reordered. Times are since the trace's time zero, in
seconds as words and in nanoseconds as JSON. PACKET counts from 0. KIND is enqueue
(the packet arrived), dequeue (the link began to send it), mark (CE was set; before
its dequeue, or behind it with reason link_loss), deliver (it reached the far end),
drop, duplicate (the link made a copy, which has its number and is told of as copy
from there on), corrupt (before its deliver) or uplink (the packet arrived at a
station of the link, which sends it past the scheduler). The events of each qdisc
are in order of time, those of one instant in order of cause; with several qdiscs
theirs are mixed, and words begin with the kind of the qdisc (pfifo#2 where there
are two). Sojourn and age_ns are the time since the packet's arrival.`

// eventRun is a run that is read from lines of events.
type eventRun struct {
	lines *bufio.Scanner
	in    io.Closer
	name  string
	line  int
	qdisc string
	d     *diff.Differ
	side  int
	n     uint64
	flows map[string]pkt.FlowKey
	// sent are the packets on the link, marked those that were.
	sent   map[uint64]pkt.Time
	marked map[uint64]pkt.Reason
}

// longestLine bounds a line of events, in bytes.
const longestLine = 64 << 10

func newEventRun(r io.Reader, in io.Closer, name string, d *diff.Differ, side int) *eventRun {
	e := &eventRun{
		lines: bufio.NewScanner(r), in: in, name: name, d: d, side: side, flows: map[string]pkt.FlowKey{},
		sent: map[uint64]pkt.Time{}, marked: map[uint64]pkt.Reason{},
	}
	e.lines.Buffer(nil, longestLine)
	return e
}

func (e *eventRun) close()      { _ = e.in.Close() }
func (e *eventRun) fed() uint64 { return e.n }

func (e *eventRun) about() comparedRun {
	return comparedRun{Source: "events", Name: e.name, Qdisc: e.qdisc}
}

// pull implements pulled: up to the next arrival.
func (e *eventRun) pull() (more bool, err error) {
	for e.lines.Scan() {
		e.line++
		if len(bytes.TrimSpace(e.lines.Bytes())) == 0 {
			continue
		}
		arrived, err := e.take(e.lines.Bytes())
		if err != nil {
			return false, usageErrorf("%s:%d: %w", e.name, e.line, err)
		}
		if arrived {
			return true, nil
		}
	}
	if err := e.lines.Err(); err != nil {
		return false, usageErrorf("%s:%d: %w", e.name, e.line+1, err)
	}
	e.d.End(e.side, pkt.Never)
	return false, nil
}

// take feeds one event to the Differ and says whether it was an arrival.
func (e *eventRun) take(line []byte) (arrived bool, err error) {
	var l eventLine
	if err := json.Unmarshal(line, &l); err != nil {
		return false, fmt.Errorf("read an event: %w: want a line of uq sim --events --json", err)
	}
	switch {
	case l.Kind == "" || l.Flow == "":
		return false, fmt.Errorf("no event: kind and flow are missing: want a line of uq sim --events --json")
	case e.qdisc == "":
		e.qdisc = l.Qdisc
	case e.qdisc != l.Qdisc:
		return false, fmt.Errorf("events of %q and of %q: choose one, for example with jq -c 'select(.qdisc == %q)'", e.qdisc, l.Qdisc, e.qdisc)
	}
	if l.Copy {
		return false, nil
	}
	why := pkt.NoReason
	if l.Reason != "" {
		var ok bool
		if why, ok = pkt.ParseReason(l.Reason); !ok {
			return false, fmt.Errorf("unknown reason %q", l.Reason)
		}
	}
	return e.event(&l, why)
}

func (e *eventRun) event(l *eventLine, why pkt.Reason) (arrived bool, err error) {
	switch l.Kind {
	case egress.Enqueue.String(), egress.Uplink.String():
		if l.Kind == egress.Uplink.String() {
			e.sent[l.Packet] = pkt.Never // it passes no scheduler
		}
		flow, err := e.flow(l.Flow)
		if err != nil {
			return false, err
		}
		e.n++
		return true, e.d.Arrive(e.side, l.Packet, diff.Packet{Flow: flow, Len: l.Len, Arrival: l.Time})
	case egress.Dequeue.String():
		e.sent[l.Packet] = l.Time
	case egress.Mark.String():
		e.marked[l.Packet] = why
	case egress.Deliver.String():
		f := diff.Fate{Outcome: diff.Delivered, Mark: e.marked[l.Packet], Dequeued: e.sent[l.Packet], End: l.Time}
		return false, e.decide(l.Packet, f)
	case egress.Drop.String():
		f := diff.Fate{Outcome: diff.Dropped, Reason: why, Dequeued: l.Time, End: l.Time}
		if why == pkt.LinkLoss {
			f.Dequeued = e.sent[l.Packet]
		}
		return false, e.decide(l.Packet, f)
	}
	return false, nil
}

func (e *eventRun) decide(id uint64, f diff.Fate) error {
	delete(e.sent, id)
	delete(e.marked, id)
	return e.d.Decide(e.side, id, f)
}

// flow parses the words of a flow, once while there are not too many.
func (e *eventRun) flow(words string) (pkt.FlowKey, error) {
	if k, ok := e.flows[words]; ok {
		return k, nil
	}
	k, err := pkt.ParseFlowKey(words)
	if err == nil && len(e.flows) < jsonFlows*jsonFlows {
		e.flows[words] = k
	}
	return k, err
}
