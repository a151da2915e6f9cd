package codel

import (
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/tc"
)

var _ sched.Explainer = (*Qdisc)(nil)

// Explain implements sched.Explainer.
func (c *Qdisc) Explain(now pkt.Time, _ *pkt.Packet) []sched.Layer {
	fields := append(sched.Backlog(c.Backlog()), sched.Number("limit_packets", c.Limit))
	return []sched.Layer{{Name: c.Kind(), Law: "codel", Fields: append(fields, c.vars.Explain(now, &c.par)...)}}
}

// Explain lists the state of the control law: for how long the delay has been
// above target, in the dropping state the drops of it, and when the next is due.
func (v *Vars) Explain(now pkt.Time, par *Params) []tc.Field {
	t := TicksAt(now)
	fields := []tc.Field{
		sched.Span("target", par.Target.Duration()), sched.Span("interval", par.Interval.Duration()),
		sched.Span("delay_judged_last", v.LDelay.Duration()), sched.Truth("above_target", v.above),
	}
	if v.above {
		fields = append(fields, sched.Span("above_for", ticksBetween(v.FirstAbove-par.Interval, t)))
	}
	fields = append(fields, sched.Truth("dropping", v.Dropping), sched.Number("count", int(v.Count)))
	if v.Dropping {
		fields = append(fields, sched.Span("next_drop_in", ticksBetween(t, v.DropNext)))
	}
	if par.CEThreshold < Disabled {
		fields = append(fields, sched.Span("ce_threshold", par.CEThreshold.Duration()))
	}
	return fields
}

// ticksBetween is the span from t to u, below 0 if u was before.
func ticksBetween(t, u Ticks) time.Duration { return time.Duration(int32(u-t)) << 10 }
