package replay

import (
	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/sched/builtin"
	"github.com/uqtool/uq/traces"
)

// NewPort makes the port that a trace's header describes. Live and Verify both
// make theirs here.
func NewPort(c traces.Scheduler, sink egress.Sink, pool *pkt.Pool) (*egress.Port, error) {
	l, err := link.New(c.Link)
	if err != nil {
		return nil, err
	}
	return egress.New(func(d sched.DropFunc) (sched.Scheduler, error) {
		return builtin.New(c.Qdisc, d)
	}, l, sink, pool)
}
