package pfifofast

import (
	"fmt"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/sched/prio"
)

var _ sched.Explainer = (*Qdisc)(nil)

// Explain implements sched.Explainer.
func (q *Qdisc) Explain(_ pkt.Time, p *pkt.Packet) []sched.Layer {
	i := q.priomap[prio.Priority(p)]
	before := 0
	for j := range i {
		before += q.bands[j].Len()
	}
	band := sched.Backlog(q.bands[i].Len(), q.bands[i].Bytes())
	return []sched.Layer{
		{Name: q.Kind(), Fields: sched.Backlog(q.Backlog())},
		{Name: fmt.Sprintf("band %d", i), Fields: append(band, sched.Number("limit_packets", txqueuelen), sched.Number("packets_in_bands_before", before))},
	}
}
