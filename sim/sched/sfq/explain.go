package sfq

import (
	"fmt"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
)

var _ sched.Explainer = (*Qdisc)(nil)

// Explain implements sched.Explainer.
func (q *Qdisc) Explain(_ pkt.Time, p *pkt.Packet) []sched.Layer {
	b := q.bucket(p)
	whole := append(sched.Backlog(q.packets, q.bytes),
		sched.Number("limit_packets", q.limit), sched.Number("longest_queue_packets", q.longest))
	l := sched.Layer{Name: fmt.Sprintf("queue %d", b), Fields: sched.Backlog(0, 0)}
	if i := q.table[b]; i != none {
		s := &q.slots[i]
		l.Fields = append(sched.Backlog(s.q.len, s.q.bytes), sched.Number("deficit_bytes", s.allot), sched.Number("queues_before", q.before(i)))
		if q.redSet {
			l.Law, l.Fields = "red", append(l.Fields, s.vars.Explain(&q.redPar)...)
		}
	}
	l.Fields = append(l.Fields, sched.Number("limit_packets", q.depth), sched.Number("quantum_bytes", q.quantum))
	return []sched.Layer{{Name: q.Kind(), Fields: whole}, l}
}

// before is how many queues have their turn before slot i.
func (q *Qdisc) before(i int32) (n int) {
	if q.tail == none {
		return 0
	}
	for at := q.slots[q.tail].next; at != i && n < len(q.slots); at = q.slots[at].next {
		n++
	}
	return n
}
