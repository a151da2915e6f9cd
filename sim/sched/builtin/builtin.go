// Package builtin is the one list of schedulers uq knows by name.
package builtin

import (
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/sched/cake"
	"github.com/uqtool/uq/sim/sched/cobalt"
	"github.com/uqtool/uq/sim/sched/codel"
	"github.com/uqtool/uq/sim/sched/drr"
	"github.com/uqtool/uq/sim/sched/dualpi2"
	"github.com/uqtool/uq/sim/sched/fifo"
	"github.com/uqtool/uq/sim/sched/fqcodel"
	"github.com/uqtool/uq/sim/sched/fqpie"
	"github.com/uqtool/uq/sim/sched/mac80211"
	"github.com/uqtool/uq/sim/sched/pfifofast"
	"github.com/uqtool/uq/sim/sched/pie"
	"github.com/uqtool/uq/sim/sched/prio"
	"github.com/uqtool/uq/sim/sched/red"
	"github.com/uqtool/uq/sim/sched/sfq"
	"github.com/uqtool/uq/sim/sched/tbf"
)

// Kinds lists the schedulers in the order help shows them. The list is the
// caller's: append to it what is to be known besides.
func Kinds() sched.Kinds {
	return sched.Kinds{
		{Name: "pfifo", Summary: "one queue, tail drop, limit in packets", New: fifo.NewPackets},
		{Name: "bfifo", Summary: "one queue, tail drop, limit in bytes", New: fifo.NewBytes},
		{Name: "pfifo_fast", Summary: "three bands by priority, tail drop", New: pfifofast.New},
		{Name: "prio", Summary: "up to 16 bands by priority, a qdisc in each", Children: prio.MaxBands, New: prio.New},
		{Name: "red", Summary: "Random Early Detection, adaptive too, before any qdisc", Children: 1, New: red.New},
		{Name: "sfq", Summary: "stochastic fairness queueing, with RED per flow", New: sfq.New},
		{Name: "drr", Summary: "deficit round robin over flow-hashed classes, a qdisc in each", Children: drr.MaxClasses, New: drr.New},
		{Name: "tbf", Summary: "token bucket shaper before any qdisc", Children: 1, New: tbf.New},
		{Name: "codel", Summary: "one queue under CoDel (RFC 8289)", New: codel.New},
		{Name: "cobalt", Summary: "one queue under COBALT, CoDel with BLUE (CAKE's control law)", New: cobalt.New},
		{Name: "fq_codel", Summary: "flow queueing with CoDel (RFC 8290)", New: fqcodel.New},
		{Name: "pie", Summary: "one queue under PIE (RFC 8033)", New: pie.New},
		{Name: "fq_pie", Summary: "flow queueing with PIE", New: fqpie.New},
		{Name: "dualpi2", Summary: "two coupled queues for L4S and classic traffic (RFC 9332)", New: dualpi2.New},
		{Name: "cake", Summary: "shaper, tins by DSCP, host and flow fairness, COBALT", New: cake.New},
		{Name: "mac80211", Summary: "WiFi access point: fq_codel per station, turns by airtime, AQL", New: mac80211.New},
	}
}

// New makes the built-in scheduler that a tc fragment describes.
func New(spec string, env sched.Env) (sched.Scheduler, error) { return Kinds().New(spec, env) }
