package cake

import (
	"fmt"
	"strings"
	"time"

	"github.com/uqtool/uq/sim/tc"
)

// tinCounters counts over the life of a tin.
type tinCounters struct {
	packets, bytes            uint64 // arrived
	drops, marks, ackDrops    uint64
	wayHits, wayMisses        uint64
	wayCollisions             uint64
	unresponsive              int // flows BLUE is active on
	maxLen                    int
	peakDelay, avgDelay, base uint64 // ns
}

// delay notes how long a packet waited, in ns. The averages move by 1/256 of the
// way, the peak up and the base down by 1/4.
func (c *tinCounters) delay(ns uint64) {
	up, down := uint(8), uint(8)
	if ns > c.peakDelay {
		up = 2
	}
	if ns < c.base {
		down = 2
	}
	c.avgDelay = ewma(c.avgDelay, ns, 8)
	c.peakDelay = ewma(c.peakDelay, ns, up)
	c.base = ewma(c.base, ns, down)
}

// Kind implements sched.Describer.
func (q *Qdisc) Kind() string { return "cake" }

// Stats implements sched.Describer. As in tc, memory_used is the most there was.
func (q *Qdisc) Stats() []tc.Field {
	l := q.lengths
	if !l.met {
		l.minNet, l.minAdj = 65535, 65535 // tc's "none yet"
	}
	return []tc.Field{
		count("overlimits", q.overlimits),
		size("memory_used", q.memoryMost),
		size("memory_limit", q.memoryLimit),
		rateField("capacity_estimate", q.estimate.peak),
		number("min_network_size", l.minNet),
		number("max_network_size", l.maxNet),
		number("min_adj_size", l.minAdj),
		number("max_adj_size", l.maxAdj),
		count("avg_hdr_offset", (l.avgOffset+1<<15)>>16),
	}
}

// Tins implements sched.Tinned. They are in tc's order, bulk first.
func (q *Qdisc) Tins() [][]tc.Field {
	all := make([][]tc.Field, 0, len(q.tins))
	for _, i := range q.mode.shown {
		all = append(all, q.tins[i].fields())
	}
	return all
}

func (t *tin) fields() []tc.Field {
	c := &t.count
	return []tc.Field{
		rateField("threshold_rate", t.clock.bytesPerSec),
		count("sent_bytes", c.bytes),
		number("backlog_bytes", t.bytes),
		us("target_us", t.par.Target),
		us("interval_us", t.par.Interval),
		us("peak_delay_us", time.Duration(c.peakDelay)),
		us("avg_delay_us", time.Duration(c.avgDelay)),
		us("base_delay_us", time.Duration(c.base)),
		count("sent_packets", c.packets),
		count("way_indirect_hits", c.wayHits),
		count("way_misses", c.wayMisses),
		count("way_collisions", c.wayCollisions),
		count("drops", c.drops),
		count("ecn_mark", c.marks),
		count("ack_drops", c.ackDrops),
		number("sparse_flows", t.sparse+t.decay),
		number("bulk_flows", t.bulk),
		number("unresponsive_flows", c.unresponsive),
		number("max_pkt_len", c.maxLen),
		number("flow_quantum", t.flowQuantum),
	}
}

func number(key string, n int) tc.Field { return tc.Field{Key: key, Num: int64(n)} }

func count(key string, n uint64) tc.Field { return tc.Field{Key: key, Num: int64(n)} }

func size(key string, n int) tc.Field {
	return tc.Field{Key: key, Num: int64(n), Text: tc.FormatSize(uint64(n))}
}

func us(key string, d time.Duration) tc.Field {
	return tc.Field{Key: key, Num: int64(d / time.Microsecond), Text: tc.FormatTime(d)}
}

// rateField is a rate: in bytes a second for machines, as in tc's JSON.
func rateField(key string, bytesPerSec uint64) tc.Field {
	return tc.Field{Key: key, Num: int64(bytesPerSec), Text: tc.FormatRate(8 * bytesPerSec)}
}

// DebugFlows prints each listed flow's deficit and backlog in the order they
// would be served: the state scripted tests look at.
func (q *Qdisc) DebugFlows() string {
	var b strings.Builder
	names := [...]string{"idle", "sparse", "waiting", "bulk", "decaying"}
	for i, t := range q.tins {
		for _, l := range []list{t.fresh, t.old, t.decaying} {
			for f := l.head; f != nil; f = f.next {
				fmt.Fprintf(&b, "tin %d queue %d: %s deficit %d bytes %d count %d\n",
					i, f.number%queues, names[f.set], f.deficit, f.bytes, f.vars.Count)
			}
		}
	}
	return b.String()
}
