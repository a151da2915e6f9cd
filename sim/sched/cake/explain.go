package cake

import (
	"fmt"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/tc"
)

var _ sched.Explainer = (*Qdisc)(nil)

var setNames = [...]string{"idle", "sparse", "waiting", "bulk", "decaying"}

// Explain implements sched.Explainer. With wash, a packet that is queued has lost
// the DSCP that chose its tin.
func (q *Qdisc) Explain(now pkt.Time, p *pkt.Packet) []sched.Layer {
	i := q.tinOf[p.DSCP()]
	t := q.tins[i]
	whole := append(sched.Backlog(q.packets, q.bytes),
		sched.Number("memory_bytes", q.memory), sched.Number("limit_memory_bytes", q.memoryLimit))
	if !q.shaper.unlimited() {
		whole = append(whole, rateField("bandwidth", q.shaper.bytesPerSec), sched.Span("shaper_ready_in", max(0, q.shaper.next.Sub(now))))
	}
	ofTin := append(sched.Backlog(t.packets, t.bytes), rateField("threshold_rate", t.clock.bytesPerSec),
		sched.Number("sparse_flows", t.sparse+t.decay), sched.Number("bulk_flows", t.bulk))
	f := t.lookup(q, p)
	packets := 0
	for at := f.head; at != nil; at = at.Next {
		packets++
	}
	own := append(sched.Backlog(packets, f.bytes), sched.Word("set", setNames[f.set]),
		sched.Number("deficit_bytes", f.deficit), sched.Number("quantum_bytes", t.flowQuantum))
	own = append(own, q.hostFields(t, f)...)
	return []sched.Layer{
		{Name: q.Kind(), Fields: whole},
		{Name: fmt.Sprintf("tin %d", i), Fields: ofTin},
		{Name: fmt.Sprintf("queue %d", f.number%queues), Law: "cobalt", Fields: append(own, f.vars.Explain(now, &t.par)...)},
	}
}

// lookup finds the queue p is in or would join, as classify does, and reserves
// nothing.
func (t *tin) lookup(q *Qdisc, p *pkt.Packet) *flow {
	if q.isolation.name == "flowblind" {
		return &t.flows[0]
	}
	h := q.hash(p)
	i, _ := t.reserved(h, h%queues)
	return &t.flows[i]
}

// hostFields are how many bulk flows the queue's hosts have.
func (q *Qdisc) hostFields(t *tin, f *flow) (fields []tc.Field) {
	if q.isolation.fairSrc {
		fields = append(fields, sched.Number("source_bulk_flows", int(t.src.bulk[f.src])))
	}
	if q.isolation.fairDst {
		fields = append(fields, sched.Number("destination_bulk_flows", int(t.dst.bulk[f.dst])))
	}
	return fields
}
