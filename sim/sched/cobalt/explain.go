package cobalt

import (
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/tc"
)

var _ sched.Explainer = (*Qdisc)(nil)

// Explain implements sched.Explainer.
func (c *Qdisc) Explain(now pkt.Time, _ *pkt.Packet) []sched.Layer {
	fields := append(sched.Backlog(c.Backlog()), sched.Number("limit_packets", c.limit))
	fields = append(fields, c.vars.Explain(now, &c.par)...)
	if c.ceThreshold >= 0 {
		fields = append(fields, sched.Span("ce_threshold", c.ceThreshold))
	}
	return []sched.Layer{{Name: c.Kind(), Law: "cobalt", Fields: fields}}
}

// Explain lists the state of the control law: CoDel's count and when its next
// signal is due, and BLUE's probability.
func (v *Vars) Explain(now pkt.Time, par *Params) []tc.Field {
	fields := []tc.Field{
		sched.Span("target", par.Target), sched.Span("interval", par.Interval),
		sched.Truth("dropping", v.Dropping), sched.Number("count", int(v.Count)),
	}
	if v.Count > 0 {
		fields = append(fields, sched.Span("next_drop_in", v.DropNext.Sub(now)))
	}
	return append(fields, tc.Ratio("blue_probability", "%.6f", uint64(v.PDrop), 1<<32))
}
