package fifo

import (
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
)

var _ sched.Explainer = (*FIFO)(nil)

// Explain implements sched.Explainer.
func (f *FIFO) Explain(pkt.Time, *pkt.Packet) []sched.Layer {
	limit := sched.Number("limit_packets", f.Limit)
	if f.Bytes {
		limit = sched.Number("limit_bytes", f.Limit)
	}
	return []sched.Layer{{Name: f.Kind(), Fields: append(sched.Backlog(f.Backlog()), limit)}}
}
