package fqpie

import (
	"fmt"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
)

var _ sched.Explainer = (*Qdisc)(nil)

// Explain implements sched.Explainer.
func (f *Qdisc) Explain(_ pkt.Time, p *pkt.Packet) []sched.Layer {
	fl := &f.flows[uint64(p.Flow.Hash)*uint64(f.nflows)>>32]
	whole := append(sched.Backlog(f.packets, f.bytes), sched.Number("limit_packets", f.limit),
		sched.Number("new_flows", f.rounds.New.Len()), sched.Number("old_flows", f.rounds.Old.Len()))
	own := append(sched.Backlog(fl.q.Len(), fl.q.Bytes()), f.rounds.Explain(&fl.Flow, f.quantum)...)
	return []sched.Layer{
		{Name: f.Kind(), Fields: whole},
		{Name: fmt.Sprintf("queue %d", fl.Index), Law: "pie", Fields: append(own, fl.vars.Explain(&f.par)...)},
	}
}
