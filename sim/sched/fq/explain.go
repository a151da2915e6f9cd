package fq

import (
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/tc"
)

// Explain lists a flow's place in the rounds: its list, how many flows are
// before it, and its deficit.
func (r *Rounds) Explain(f *Flow, quantum int) []tc.Field {
	name, before := "none", 0
	if f.listed {
		name = "new"
		if before = r.New.before(f); before < 0 {
			name, before = "old", r.New.len+r.Old.before(f)
		}
	}
	return []tc.Field{
		sched.Word("list", name), sched.Number("queues_before", before),
		sched.Number("deficit_bytes", f.Deficit), sched.Number("quantum_bytes", quantum),
	}
}

// before is how many flows are before f on the list, -1 if it is on another.
func (l *List) before(f *Flow) int {
	n := 0
	for at := l.head; at != nil; at = at.next {
		if at == f {
			return n
		}
		n++
	}
	return -1
}
