package sched

import (
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/tc"
)

// Explainer is implemented by schedulers that can tell the state that decides
// what becomes of a packet.
type Explainer interface {
	// Explain lists what decides about p at now, from the scheduler as a whole in
	// to the queue that p is in or would join. It is asked between other calls and
	// changes nothing. p need not be queued.
	Explain(now pkt.Time, p *pkt.Packet) []Layer
}

// Layer is what one part of a scheduler knows.
type Layer struct {
	// Name tells the part: "fq_codel", "queue 17", "class 1:2".
	Name string
	// Law is the control law whose state the fields hold: "codel", "cobalt",
	// "pie", "red" or "pi2"; empty for none.
	Law string
	// Fields is the state. Keys that end in _ns are spans or instants, in
	// nanoseconds.
	Fields []tc.Field
}

// Explain is what s has to say, or where it says nothing its backlog.
func Explain(s Scheduler, now pkt.Time, p *pkt.Packet) []Layer {
	if e, ok := s.(Explainer); ok {
		return e.Explain(now, p)
	}
	name := "scheduler"
	if d, ok := s.(Describer); ok {
		name = d.Kind()
	}
	packets, bytes := s.Backlog()
	return []Layer{{Name: name, Fields: Backlog(packets, bytes)}}
}

// Backlog are the fields of what a queue holds.
func Backlog(packets, bytes int) []tc.Field {
	return []tc.Field{Number("packets", packets), Number("bytes", bytes)}
}

// Number is a whole number's field.
func Number(key string, n int) tc.Field { return tc.Field{Key: key, Num: int64(n)} }

// Span is a span's field.
func Span(key string, d time.Duration) tc.Field {
	return tc.Field{Key: key + "_ns", Num: int64(d), Text: d.String()}
}

// Word is a field that is a word.
func Word(key, word string) tc.Field { return tc.Field{Key: key, Value: word, Text: word} }

// Truth is a field that is yes or no.
func Truth(key string, b bool) tc.Field {
	if b {
		return tc.Field{Key: key, Num: 1, Value: b, Text: "yes"}
	}
	return tc.Field{Key: key, Value: b, Text: "no"}
}

// Explain implements Explainer: the scheduler's, and the packet held.
func (h *Head) Explain(now pkt.Time, p *pkt.Packet) []Layer {
	ls := Explain(h.Scheduler, now, p)
	if h.held == nil {
		return ls
	}
	held := Layer{Name: "peeked at", Fields: append(Backlog(1, int(h.held.Len)), Truth("is_it", h.held.ID == p.ID))}
	return append([]Layer{held}, ls...)
}
