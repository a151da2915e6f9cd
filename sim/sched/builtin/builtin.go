// Package builtin is the one list of schedulers uq knows by name.
package builtin

import (
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/sched/cobalt"
	"github.com/uqtool/uq/sim/sched/codel"
	"github.com/uqtool/uq/sim/sched/fifo"
	"github.com/uqtool/uq/sim/sched/fqcodel"
)

// Kinds lists the schedulers in the order help shows them. The list is the
// caller's: append to it what is to be known besides.
func Kinds() sched.Kinds {
	return sched.Kinds{
		{Name: "pfifo", Summary: "one queue, tail drop, limit in packets", New: fifo.NewPackets},
		{Name: "bfifo", Summary: "one queue, tail drop, limit in bytes", New: fifo.NewBytes},
		{Name: "codel", Summary: "one queue under CoDel (RFC 8289)", New: codel.New},
		{Name: "cobalt", Summary: "one queue under COBALT, CoDel with BLUE (CAKE's control law)", New: cobalt.New},
		{Name: "fq_codel", Summary: "flow queueing with CoDel (RFC 8290)", New: fqcodel.New},
	}
}

// New makes the built-in scheduler that a tc fragment describes.
func New(spec string, env sched.Env) (sched.Scheduler, error) { return Kinds().New(spec, env) }
