package tbf

import (
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/tc"
)

var _ sched.Explainer = (*Qdisc)(nil)

// Explain implements sched.Explainer.
func (q *Qdisc) Explain(now pkt.Time, p *pkt.Packet) []sched.Layer {
	cost := q.cost(int(p.Len))
	level := q.full.level(now, now == q.due)
	wait := q.full.wait(cost, level)
	fields := append(sched.Backlog(q.Backlog()),
		tc.Field{Key: "tokens_bytes", Num: level / perByte},
		tc.Field{Key: "bucket_bytes", Num: q.full.size / perByte},
		tc.Field{Key: "cost_bytes", Num: cost / perByte},
		sched.Number("longest_packet_bytes", q.longer-1),
	)
	if q.peakrate > 0 {
		peak := q.peak.level(now, now == q.due)
		wait = max(wait, q.peak.wait(cost, peak))
		fields = append(fields, tc.Field{Key: "peak_tokens_bytes", Num: peak / perByte})
	}
	l := sched.Layer{Name: q.Kind(), Fields: append(fields, sched.Span("wait_for_tokens", time.Duration(wait)))}
	return append([]sched.Layer{l}, q.child.Explain(now, p)...)
}
