package dualpi2

import (
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/tc"
)

var _ sched.Explainer = (*Qdisc)(nil)

// Explain implements sched.Explainer.
func (d *Qdisc) Explain(_ pkt.Time, p *pkt.Packet) []sched.Layer {
	name, q := "classic queue", &d.c
	if d.isL(p) {
		name, q = "L4S queue", &d.l
	}
	whole := append(sched.Backlog(d.Backlog()),
		sched.Number("limit_packets", d.limit), sched.Number("memory_bytes", d.memory), sched.Number("limit_memory_bytes", d.memoryLimit),
		sched.Span("target", d.pi.target), tc.Ratio("base_probability", "%.6f", uint64(d.pi.prob), maxProb),
		sched.Span("delay", d.pi.last), sched.Number("credit_bytes", d.credit))
	own := append(sched.Backlog(q.Len(), q.Bytes()), d.probability(q == &d.l))
	if q == &d.l && !d.stepInPackets {
		own = append(own, sched.Span("ce_threshold", d.stepTime))
	}
	return []sched.Layer{{Name: d.Kind(), Fields: whole}, {Name: name, Law: "pi2", Fields: own}}
}

// probability is that of a signal to a packet: coupled in L, squared in C.
func (d *Qdisc) probability(low bool) tc.Field {
	prob := uint64(d.pi.prob)
	if low {
		return tc.Ratio("probability", "%.6f", min(prob*uint64(d.coupling), maxProb), maxProb)
	}
	return tc.Ratio("probability", "%.6f", prob*prob>>32, maxProb)
}
