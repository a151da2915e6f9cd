package main

import (
	"bufio"
	"encoding/json"
	"io"
	"strconv"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
)

// eventWriter prints each event of a port on a line of its own: as words, or as
// a JSON object.
//
//	0.120000000 drop 17 aqm len 1514 sojourn 0.114000000 tcp 10.0.1.2:4000>10.0.2.2:80
type eventWriter struct {
	w     *bufio.Writer
	json  bool
	qdisc string
	line  []byte
}

// newEventWriter names the qdisc first, in a line of its own.
func newEventWriter(w io.Writer, asJSON bool, qdisc string) *eventWriter {
	e := &eventWriter{w: bufio.NewWriterSize(w, 64<<10), json: asJSON, qdisc: qdisc}
	if !asJSON {
		e.w.WriteString("# qdisc " + qdisc + "\n")
	}
	return e
}

// Event implements egress.Sink.
func (e *eventWriter) Event(ev egress.Event) {
	if e.json {
		e.asJSON(ev)
	} else {
		e.asWords(ev)
	}
	e.w.Write(e.line)
}

func (e *eventWriter) asWords(ev egress.Event) {
	p := ev.Packet
	b := ev.Time.Append(e.line[:0])
	b = append(b, ' ')
	b = append(b, ev.Kind.String()...)
	b = append(b, ' ')
	b = strconv.AppendUint(b, p.ID, 10)
	if ev.Reason != pkt.NoReason {
		b = append(b, ' ')
		b = append(b, ev.Reason.String()...)
	}
	b = append(b, " len "...)
	b = strconv.AppendUint(b, uint64(p.Len), 10)
	if ev.Kind == egress.Dequeue || ev.Kind == egress.Drop {
		b = append(b, " sojourn "...)
		b = pkt.Time(ev.Time - p.Arrival).Append(b)
	}
	b = append(b, ' ')
	b = append(b, p.Flow.String()...)
	e.line = append(b, '\n')
}

func (e *eventWriter) asJSON(ev egress.Event) {
	o := struct {
		Qdisc  string   `json:"qdisc"`
		Time   pkt.Time `json:"time_ns"`
		Kind   string   `json:"kind"`
		Packet uint64   `json:"packet"`
		Reason string   `json:"reason,omitempty"`
		Len    uint32   `json:"len"`
		Flow   string   `json:"flow"`
		Age    pkt.Time `json:"age_ns"`
	}{Qdisc: e.qdisc, Time: ev.Time, Kind: ev.Kind.String(), Packet: ev.Packet.ID,
		Len: ev.Packet.Len, Flow: ev.Packet.Flow.String(), Age: ev.Time - ev.Packet.Arrival}
	if ev.Reason != pkt.NoReason {
		o.Reason = ev.Reason.String()
	}
	b, err := json.Marshal(o)
	if err != nil {
		return // no field of o can fail
	}
	e.line = append(b, '\n')
}

// flush reports the first error any write met.
func (e *eventWriter) flush() error { return e.w.Flush() }
