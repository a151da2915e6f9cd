package interop

import (
	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// FromPort hands what a port decides to a Writer. It is an egress.Sink; the
// first error of the Writer ends it, and Close reports it.
type FromPort struct {
	w    Writer
	rec  traces.Record
	last pkt.Time
	err  error
}

// NewFromPort makes the sink of one port.
func NewFromPort(w Writer) *FromPort { return &FromPort{w: w} }

// Event implements egress.Sink.
func (f *FromPort) Event(ev egress.Event) {
	f.last = max(f.last, ev.Time)
	if f.err != nil {
		return
	}
	f.describe(&ev)
	f.err = f.w.Event(&Event{
		Time: ev.Time, Kind: ev.Kind, Reason: ev.Reason, ID: ev.Packet.ID, Size: ev.Packet.Len,
		Leaves: ev.Kind == egress.Dequeue || ev.Kind == egress.Drop && ev.Reason != pkt.LinkLoss,
		Up:     ev.Packet.Up, Flaws: ev.Packet.Flaws, Record: &f.rec,
	})
}

// describe makes the record of the event's packet.
func (f *FromPort) describe(ev *egress.Event) {
	p, r := ev.Packet, &f.rec
	*r = traces.Record{
		Time: p.Arrival, KernelTime: traces.NoTime, Flow: p.Flow.FlowKey,
		Len: p.L3Len, Segs: p.Segs, HdrLen: p.HdrLen, DSField: p.DSField,
		L4Flags: p.TCPFlags, Seq: p.Seq, Ack: p.Ack,
		VerdictTime: traces.NoTime, Dequeued: traces.NoTime, Due: traces.NoTime,
	}
	if p.Segs > 1 {
		r.Info |= traces.GSO
	}
	if p.HdrLen == 0 && p.Flow.FlowKey == (pkt.FlowKey{}) {
		r.Info |= traces.Undecoded
	}
	switch ev.Kind {
	case egress.Deliver:
		r.Verdict, r.Dequeued, r.Due = traces.Accept, p.Dequeued, ev.Time
		if p.Mark != pkt.NoReason {
			r.Verdict, r.Reason = traces.MarkCE, p.Mark
		}
	case egress.Drop:
		r.Verdict, r.Reason, r.Dequeued, r.Due = traces.Drop, ev.Reason, ev.Time, ev.Time
		if ev.Reason == pkt.LinkLoss {
			r.Dequeued = p.Dequeued
		}
	}
	if p.Up {
		r.Dequeued = traces.NoTime
	}
}

// Close completes the writer's output.
func (f *FromPort) Close() error {
	if f.err != nil {
		return f.err
	}
	return f.w.Close(f.last)
}
