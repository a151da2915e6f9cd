// Package table makes tables of a run: one of its packets, a row each with what
// became of it, and one of its events. It writes them as CSV and as JSON lines;
// the package parquet writes the same columns.
//
// Times are nanoseconds since the trace's time zero. What is absent is an empty
// field, or null. Packets are in the order of their ends.
package table

import (
	"strconv"
	"strings"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
	"github.com/uqtool/uq/traces/interop"
)

// Kind is which table.
type Kind uint8

// The tables.
const (
	Packets Kind = iota
	Events
)

// Row is a row of either table. Times and spans are NoTime where they are
// absent.
type Row struct {
	*interop.Event
	Src, Dst string
	// Dequeued is when the scheduler let the packet go, Delivered and Dropped when
	// it ended, Sojourn its time in the queue, Delay that to the far end.
	Dequeued, Delivered, Dropped, Sojourn, Delay pkt.Time

	why pkt.Reason
}

// Rows turns events into the rows of a table.
type Rows struct {
	kind Kind
	row  Row
	// names are addresses in words; the map is emptied when it gets large.
	names map[pkt.FlowKey][2]string
}

// maxNames bounds the addresses in words that are kept.
const maxNames = 1 << 16

// NewRows makes rows of one kind.
func NewRows(k Kind) *Rows { return &Rows{kind: k, names: map[pkt.FlowKey][2]string{}} }

// Row returns e's row, valid until the next call; nil if e has none.
func (t *Rows) Row(e *interop.Event) *Row {
	if t.kind == Packets && !e.Last() || t.kind == Events && e.Kind == interop.Held {
		return nil
	}
	r, rec := &t.row, e.Record
	*r = Row{Event: e, Dequeued: traces.NoTime, Delivered: traces.NoTime, Dropped: traces.NoTime, Sojourn: traces.NoTime, Delay: traces.NoTime}
	n, ok := t.names[rec.Flow]
	if !ok {
		src, dst := rec.Flow.Addrs()
		n = [2]string{src.String(), dst.String()}
		if len(t.names) >= maxNames {
			clear(t.names)
		}
		t.names[rec.Flow] = n
	}
	r.Src, r.Dst = n[0], n[1]
	r.why = e.Reason
	if t.kind == Packets {
		r.why = rec.Reason
		r.ends()
	}
	return r
}

// ends fills in the times of a packet's last event.
func (r *Row) ends() {
	rec := r.Record
	left := r.Time
	if rec.Dequeued != traces.NoTime && (r.Kind != egress.Drop || rec.Reason == pkt.LinkLoss) {
		r.Dequeued, left = rec.Dequeued, rec.Dequeued
	}
	switch r.Kind {
	case egress.Deliver:
		r.Delivered, r.Delay = r.Time, r.Time-rec.Time
	case egress.Drop:
		r.Dropped = r.Time
	default:
		return
	}
	if !r.Up {
		r.Sojourn = left - rec.Time
	}
}

// Reason is why the packet was dropped or marked; empty if it was not.
func (r *Row) Reason() string {
	if r.why == pkt.NoReason {
		return ""
	}
	return r.why.String()
}

// ECN is the codepoint in words.
func (r *Row) ECN() string { return pkt.ECN(r.Record.DSField & 3).String() }

// DSCP is the codepoint.
func (r *Row) DSCP() uint8 { return r.Record.DSField >> 2 }

var flawNames = [...]string{"duplicate", "corrupt", "reordered"}

// FlawNames are what the link did to the packet, joined by |.
func (r *Row) FlawNames() string {
	if r.Flaws == 0 {
		return ""
	}
	var s []string
	for i, n := range flawNames {
		if r.Flaws&(1<<i) != 0 {
			s = append(s, n)
		}
	}
	return strings.Join(s, "|")
}

// Column is a column of a table.
type Column struct {
	Name string
	// Text is false for integers.
	Text bool
	// put appends the value, nothing if it is absent.
	put func([]byte, *Row) []byte
}

// Columns are those of a table.
func Columns(k Kind) []Column {
	if k == Events {
		return eventColumns
	}
	return packetColumns
}

var packetColumns = []Column{
	number("packet", func(r *Row) uint64 { return r.ID }),
	instant("time_ns", func(r *Row) pkt.Time { return r.Record.Time }),
	words("proto", func(r *Row) string { return pkt.ProtoName(r.Record.Flow.Proto) }),
	words("src", func(r *Row) string { return r.Src }),
	number("sport", func(r *Row) uint64 { return uint64(r.Record.Flow.SrcPort) }),
	words("dst", func(r *Row) string { return r.Dst }),
	number("dport", func(r *Row) uint64 { return uint64(r.Record.Flow.DstPort) }),
	number("len", func(r *Row) uint64 { return uint64(r.Record.Len) }),
	number("size", func(r *Row) uint64 { return uint64(r.Size) }),
	number("segs", func(r *Row) uint64 { return uint64(r.Record.Segs) }),
	number("hdr", func(r *Row) uint64 { return uint64(r.Record.HdrLen) }),
	number("dscp", func(r *Row) uint64 { return uint64(r.DSCP()) }),
	words("ecn", (*Row).ECN),
	number("flags", func(r *Row) uint64 { return uint64(r.Record.L4Flags) }),
	number("seq", func(r *Row) uint64 { return uint64(r.Record.Seq) }),
	number("ack", func(r *Row) uint64 { return uint64(r.Record.Ack) }),
	words("verdict", func(r *Row) string { return r.Record.Verdict.String() }),
	words("reason", (*Row).Reason),
	instant("dequeued_ns", func(r *Row) pkt.Time { return r.Dequeued }),
	instant("delivered_ns", func(r *Row) pkt.Time { return r.Delivered }),
	instant("dropped_ns", func(r *Row) pkt.Time { return r.Dropped }),
	instant("sojourn_ns", func(r *Row) pkt.Time { return r.Sojourn }),
	instant("delay_ns", func(r *Row) pkt.Time { return r.Delay }),
	words("flaws", (*Row).FlawNames),
}

var eventColumns = []Column{
	instant("time_ns", func(r *Row) pkt.Time { return r.Time }),
	words("event", func(r *Row) string { return interop.KindName(r.Kind) }),
	words("reason", (*Row).Reason),
	number("packet", func(r *Row) uint64 { return r.ID }),
	instant("age_ns", func(r *Row) pkt.Time { return r.Time - r.Record.Time }),
	words("proto", func(r *Row) string { return pkt.ProtoName(r.Record.Flow.Proto) }),
	words("src", func(r *Row) string { return r.Src }),
	number("sport", func(r *Row) uint64 { return uint64(r.Record.Flow.SrcPort) }),
	words("dst", func(r *Row) string { return r.Dst }),
	number("dport", func(r *Row) uint64 { return uint64(r.Record.Flow.DstPort) }),
	number("len", func(r *Row) uint64 { return uint64(r.Record.Len) }),
	number("size", func(r *Row) uint64 { return uint64(r.Size) }),
	number("segs", func(r *Row) uint64 { return uint64(r.Record.Segs) }),
	number("dscp", func(r *Row) uint64 { return uint64(r.DSCP()) }),
	words("ecn", (*Row).ECN),
}

func number(name string, v func(*Row) uint64) Column {
	return Column{name, false, func(b []byte, r *Row) []byte { return strconv.AppendUint(b, v(r), 10) }}
}

func instant(name string, v func(*Row) pkt.Time) Column {
	return Column{name, false, func(b []byte, r *Row) []byte {
		t := v(r)
		if t == traces.NoTime {
			return b
		}
		return strconv.AppendInt(b, int64(t), 10)
	}}
}

func words(name string, v func(*Row) string) Column {
	return Column{name, true, func(b []byte, r *Row) []byte { return append(b, v(r)...) }}
}
