package mac80211

import (
	"fmt"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/tc"
)

var _ sched.Explainer = (*Qdisc)(nil)

// Explain implements sched.Explainer.
func (q *Qdisc) Explain(now pkt.Time, p *pkt.Packet) []sched.Layer {
	t := q.queueOf(p)
	fl := &q.flows[uint64(p.Flow.Hash)*uint64(q.nflows)>>32]
	name := fmt.Sprintf("queue %d", fl.Index)
	if other := &q.flows[q.nflows+t.index]; fl.owner != nil && fl.owner != t || other.has(p) {
		fl, name = other, "default queue"
	}
	whole := append(sched.Backlog(q.packets, q.bytes),
		sched.Number("limit_packets", q.limit), sched.Number("memory_bytes", q.memory), sched.Number("limit_memory_bytes", q.memoryLimit))
	own := append(sched.Backlog(fl.q.Len(), fl.q.Bytes()), t.rounds.Explain(&fl.Flow, q.quantum)...)
	station := fmt.Sprintf("station %d %v", t.sta.number, t.ac)
	if t.group() {
		station = "group"
	}
	return []sched.Layer{
		{Name: q.Kind(), Fields: whole},
		{Name: station, Fields: q.turnFields(t)},
		{Name: name, Law: "codel", Fields: append(own, fl.vars.Explain(now, q.paramsOf(t))...)},
	}
}

// turnFields are what decides when a station's queue has its turn.
func (q *Qdisc) turnFields(t *txq) []tc.Field {
	before := 0
	for at := q.rounds[t.ac].head; at != nil && at != t; at = at.next {
		before++
	}
	fields := append(sched.Backlog(t.packets, t.bytes), sched.Truth("in_round", t.listed))
	if t.listed {
		fields = append(fields, sched.Number("stations_before", before))
	}
	if q.fair {
		fields = append(fields, sched.Span("airtime_deficit", t.acc.deficit), sched.Span("airtime_weight", t.sta.weight))
	}
	if q.aql {
		fields = append(fields, sched.Span("airtime_pending", t.acc.pending), sched.Truth("allowed_by_aql", q.allowed(t)))
	}
	return fields
}

// has says whether p is queued, in the flow that it shares with all that collide.
func (f *flow) has(p *pkt.Packet) bool {
	for at := f.q.Peek(); at != nil; at = at.Next {
		if at.ID == p.ID {
			return true
		}
	}
	return false
}
