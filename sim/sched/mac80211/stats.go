package mac80211

import (
	"fmt"
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched/fq"
	"github.com/uqtool/uq/sim/tc"
)

// counters count over the life of a queue.
type counters struct {
	packets, bytes uint64 // sent
	overlimit      uint64
	collisions     uint64
	newFlows       uint64
}

// Kind implements sched.Describer.
func (q *Qdisc) Kind() string { return "mac80211" }

// Options implements sched.Describer.
func (q *Qdisc) Options() []tc.Field { return q.options().Fields() }

// Stats implements sched.Describer: the names of fq_codel and of mac80211's
// debugfs.
func (q *Qdisc) Stats() []tc.Field {
	marks := uint64(0)
	for i := range q.queues {
		marks += q.queues[i].codel.Marks
	}
	return []tc.Field{
		number("drop_overlimit", q.dropOverlimit),
		number("collisions", q.pool.collisions),
		number("new_flow_count", q.pool.newFlows),
		number("ecn_mark", marks),
		{Key: "memory_used", Num: int64(q.memory)},
		number("drop_overmemory", q.dropOvermemory),
		micros("aql_pending_us", q.pending),
	}
}

// Tins implements sched.Tinned: a station each, the group-addressed packets last.
// A link without stations has one, and no group.
func (q *Qdisc) Tins() [][]tc.Field {
	all := make([][]tc.Field, len(q.stations))
	if q.stationOf == nil {
		all = all[:1]
	}
	for i := range all {
		all[i] = q.stationFields(&q.stations[i], q.queues[i*numTIDs:min((i+1)*numTIDs, len(q.queues))])
	}
	return all
}

func (q *Qdisc) stationFields(s *station, queues []txq) []tc.Field {
	var c counters
	var drops, marks uint64
	var packets, bytes int
	for i := range queues {
		t := &queues[i]
		packets, bytes = packets+t.packets, bytes+t.bytes
		drops, marks = drops+t.codel.Drops, marks+t.codel.Marks
		c.packets, c.bytes = c.packets+t.count.packets, c.bytes+t.count.bytes
		c.overlimit, c.collisions = c.overlimit+t.count.overlimit, c.collisions+t.count.collisions
		c.newFlows += t.count.newFlows
	}
	var sum account
	for ac := range s.ac {
		sum.down, sum.up = sum.down+s.ac[ac].down, sum.up+s.ac[ac].up
		sum.pending += s.ac[ac].pending
	}
	return []tc.Field{
		{Key: "station", Num: int64(s.number)},
		micros("weight_us", s.weight),
		{Key: "backlog_bytes", Num: int64(bytes)},
		{Key: "backlog_packets", Num: int64(packets)},
		number("sent_bytes", c.bytes),
		number("sent_packets", c.packets),
		number("drops", drops),
		number("ecn_mark", marks),
		number("overlimit", c.overlimit),
		number("collisions", c.collisions),
		number("new_flow_count", c.newFlows),
		micros("tx_airtime_us", sum.down),
		micros("rx_airtime_us", sum.up),
		micros("aql_pending_us", sum.pending),
	}
}

func number(key string, n uint64) tc.Field { return tc.Field{Key: key, Num: int64(n)} }

func micros(key string, d time.Duration) tc.Field {
	return tc.Field{Key: key, Num: int64(d / time.Microsecond)}
}

// DebugFlows prints the queues in the rounds, highest category first, with each
// listed flow's deficit and backlog, new ones first: the state scripted tests look
// at.
func (q *Qdisc) DebugFlows() string {
	s := ""
	for ac := pkt.NumACs - 1; ac >= 0; ac-- {
		for t := q.rounds[ac].head; t != nil; t = t.next {
			s += fmt.Sprintf("%s: station %d tid %d packets %d deficit %dus\n",
				pkt.AC(ac), t.sta.number, t.index%numTIDs, t.packets, t.acc.deficit/time.Microsecond)
			s += q.debug("new", &t.rounds.New) + q.debug("old", &t.rounds.Old)
		}
	}
	return s
}

func (q *Qdisc) debug(name string, l *fq.List) string {
	s := ""
	l.Each(func(fl *fq.Flow) {
		what := fmt.Sprintf("hash %d", fl.Index)
		if fl.Index >= q.nflows {
			what = "default"
		}
		s += fmt.Sprintf("  %s: %s deficit %d packets %d\n", name, what, fl.Deficit, q.flows[fl.Index].q.Len())
	})
	return s
}
