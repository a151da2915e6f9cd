package drr

import (
	"fmt"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
)

var _ sched.Explainer = (*Qdisc)(nil)

// Explain implements sched.Explainer.
func (q *Qdisc) Explain(now pkt.Time, p *pkt.Packet) []sched.Layer {
	i := uint64(p.Flow.Hash) * uint64(q.nclasses) >> 32
	c := &q.classes[i]
	ls := []sched.Layer{{Name: q.Kind(), Fields: sched.Backlog(q.packets, q.bytes)}}
	class := sched.Layer{Name: fmt.Sprintf("class 1:%x", i+1), Fields: sched.Backlog(0, 0)}
	if c.child.Scheduler == nil {
		return append(ls, class)
	}
	class.Fields = sched.Backlog(c.child.Backlog())
	if c.active {
		before := 0
		for at := q.head; at != nil && at != c; at = at.next {
			before++
		}
		class.Fields = append(class.Fields, sched.Number("deficit_bytes", c.deficit), sched.Number("queues_before", before))
	}
	class.Fields = append(class.Fields, sched.Number("quantum_bytes", q.quantum))
	return append(append(ls, class), c.child.Explain(now, p)...)
}
