package pie

import (
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/tc"
)

var _ sched.Explainer = (*Qdisc)(nil)

// Explain implements sched.Explainer.
func (q *Qdisc) Explain(pkt.Time, *pkt.Packet) []sched.Layer {
	fields := append(sched.Backlog(q.Backlog()), sched.Number("limit_packets", q.Limit))
	return []sched.Layer{{Name: q.Kind(), Law: "pie", Fields: append(fields, q.vars.Explain(&q.par)...)}}
}

// Explain lists the state of the control law, as the last update left it.
func (v *Vars) Explain(par *Params) []tc.Field {
	return []tc.Field{
		tc.Ratio("probability", "%.6f", v.Prob, MaxProb),
		tc.Ratio("accumulated_probability", "%.6f", v.AccuProb, MaxProb),
		sched.Span("delay", v.QDelay.Duration()), sched.Span("target", par.Target.Duration()),
		sched.Span("burst_allowance", v.BurstTime.Duration()),
	}
}
