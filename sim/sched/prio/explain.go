package prio

import (
	"fmt"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
)

var _ sched.Explainer = (*Qdisc)(nil)

// Explain implements sched.Explainer.
func (q *Qdisc) Explain(now pkt.Time, p *pkt.Packet) []sched.Layer {
	i, before := q.priomap[Priority(p)], 0
	for j := range i {
		n, _ := q.children[j].Backlog()
		before += n
	}
	ls := []sched.Layer{
		{Name: q.Kind(), Fields: sched.Backlog(q.Backlog())},
		{Name: fmt.Sprintf("band 1:%x", i+1), Fields: append(sched.Backlog(q.children[i].Backlog()), sched.Number("packets_in_bands_before", before))},
	}
	return append(ls, q.children[i].Explain(now, p)...)
}
