package cli

import (
	"bufio"
	"encoding/json"
	"io"
	"strconv"
	"strings"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/report"
)

// eventOutput is where the events of one or more ports go, a line each: as words,
// or as JSON objects. With several ports each line of words begins with its
// qdisc's kind, numbered where it occurs twice: "codel#2".
//
//	0.120000000 drop 17 aqm len 1514 sojourn 0.114000000 tcp 10.0.1.2:4000>10.0.2.2:80
type eventOutput struct {
	w      *bufio.Writer
	json   bool
	qdiscs []string
}

func newEventOutput(w io.Writer, asJSON bool, qdiscs []string) *eventOutput {
	return &eventOutput{w: bufio.NewWriterSize(w, 64<<10), json: asJSON, qdiscs: qdiscs}
}

// flush reports the first error any write met; nil has nothing to flush.
func (o *eventOutput) flush() error {
	if o == nil {
		return nil
	}
	return o.w.Flush()
}

// sink is the way of qdisc number i to o.
func (o *eventOutput) sink(i int, qdisc string) *eventWriter {
	e := &eventWriter{w: o.w, json: o.json, qdisc: qdisc}
	if o.json {
		return e
	}
	name := "# qdisc "
	if len(o.qdiscs) > 1 {
		e.prefix = o.label(i)
		if strings.Contains(e.prefix, "#") {
			name = "# " + e.prefix + " is qdisc "
		}
		e.prefix += " "
	}
	o.w.WriteString(name + qdisc + "\n")
	return e
}

// label is qdisc i's kind, numbered where it occurs twice.
func (o *eventOutput) label(i int) string {
	kinds := &report.Report{}
	for _, q := range o.qdiscs {
		kinds.Runs = append(kinds.Runs, &report.Run{Kind: strings.Fields(q)[0]})
	}
	return kinds.Label(i)
}

// eventWriter is a Sink that prints.
type eventWriter struct {
	w      *bufio.Writer
	json   bool
	qdisc  string
	prefix string
	line   []byte
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
	b := ev.Time.Append(append(e.line[:0], e.prefix...))
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
	if p.Flaws&pkt.Duplicated != 0 {
		b = append(b, " copy"...)
	}
	b = append(b, ' ')
	b = append(b, p.Flow.String()...)
	e.line = append(b, '\n')
}

func (e *eventWriter) asJSON(ev egress.Event) {
	o := eventLine{
		Qdisc: e.qdisc, Time: ev.Time, Kind: ev.Kind.String(), Packet: ev.Packet.ID,
		Len: ev.Packet.Len, Flow: ev.Packet.Flow.String(), Age: ev.Time - ev.Packet.Arrival,
		Copy: ev.Packet.Flaws&pkt.Duplicated != 0, Reordered: ev.Packet.Flaws&pkt.Reordered != 0,
	}
	if ev.Reason != pkt.NoReason {
		o.Reason = ev.Reason.String()
	}
	b, err := json.Marshal(o)
	if err != nil {
		return // no field of o can fail
	}
	e.line = append(b, '\n')
}
