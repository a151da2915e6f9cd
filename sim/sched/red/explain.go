package red

import (
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/tc"
)

var _ sched.Explainer = (*Qdisc)(nil)

// Explain implements sched.Explainer.
func (q *Qdisc) Explain(now pkt.Time, p *pkt.Packet) []sched.Layer {
	l := sched.Layer{Name: q.Kind(), Law: "red", Fields: append(sched.Backlog(q.Backlog()), q.vars.Explain(&q.par)...)}
	return append([]sched.Layer{l}, q.child.Explain(now, p)...)
}

// Explain lists the state of the control law.
func (v *Vars) Explain(par *Params) []tc.Field {
	return []tc.Field{
		sched.Number("average_bytes", int(v.Average(par))),
		sched.Number("min_bytes", int(par.Min)),
		sched.Number("max_bytes", int(par.Max)),
		{Key: "probability_at_max", Num: int64(par.MaxP), Text: tc.FormatFraction(par.MaxP)},
		sched.Number("passed_since_last", int(max(v.count, 0))),
	}
}
