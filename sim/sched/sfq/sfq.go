// Package sfq is tc's sfq: Stochastic Fairness Queueing (McKenney, 1990) as Linux
// has it, which is deficit round robin (Shreedhar and Varghese, 1995) over hashed
// flows, with the longest flow cut when the queue is full, and optionally RED on
// each flow.
//
//	sfq [limit PACKETS] [perturb SECONDS] [quantum BYTES] [divisor NUMBER]
//	    [flows NUMBER] [depth PACKETS] [headdrop]
//	    [redflowlimit BYTES [min BYTES] [max BYTES] [avpkt BYTES]
//	    [burst PACKETS] [probability FRACTION] [ecn] [harddrop]]
//
// A packet is hashed into one of divisor buckets (1024); the bucket has one of
// flows queues (128) while it has packets. A queue holds at most depth packets
// (127), all of them at most limit (127); over limit the newest packet of the
// longest queue is dropped, or its oldest with headdrop. perturb changes the hash
// every so many seconds, at multiples of it in the run's time, and sorts what is
// queued anew; 0, the default, never.
//
// Any of the words from redflowlimit on turns RED on; redflowlimit itself only
// gives max (a quarter of it) and min (a third of that), as in Linux.
//
// # Differences from Linux
//
//   - The hash is the flow's, keyed by the run's seed; perturb multiplies it by an
//     odd number drawn from the seed before its upper bits are taken, and two
//     flows with the same 32 bits are never told apart. Perturbations that fall
//     due while nobody asks are one.
//   - Shares are counted in bytes; older kernels count in units of 8, each packet
//     rounded up.
//   - limit 127 is the default also where it is written: it leaves flows at 128,
//     where Linux lowers them to 127.
//   - tc does not print redflowlimit, avpkt and burst; here they are, so that the
//     line can be read back.
//   - No filters.
package sfq

import (
	"cmp"
	"errors"
	"fmt"
	"math/bits"
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/random"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/sched/red"
	"github.com/uqtool/uq/sim/tc"
)

// Linux's limits: packets per flow, flows, hash buckets.
const maxDepth, maxFlows, maxDivisor = 127, 65536 - maxDepth - 1, 65536

const defaultLimit, defaultFlows, defaultDivisor = 127, maxDepth + 1, 1024

// Qdisc is an sfq.
type Qdisc struct {
	limit, quantum, depth, flows, divisor int
	perturb                               int // seconds
	headdrop                              bool

	red    red.Config
	redSet bool // the words have some of RED's
	redPar red.Params

	table   []int32 // bucket to slot, or none
	slots   []slot
	byDepth [maxDepth + 1]int32 // first slot of each length, newest first; 0: the unused
	longest int
	tail    int32 // slot served before all others are; its next is served next

	packets, bytes int
	period         int64 // the perturbation's number
	multiplier     uint32
	key            uint64
	rng            *random.Rand
	drop           sched.DropFunc
	stats          redStats
	overlimits     uint64
}

// slot is the queue of one bucket.
type slot struct {
	q      queue
	bucket int32
	allot  int
	next   int32 // in the round
	up     int32 // in byDepth's lists
	down   int32
	vars   red.Vars
}

// none ends lists.
const none = -1

type redStats struct {
	probMark, probMarkHead, probDrop       uint64
	forcedMark, forcedMarkHead, forcedDrop uint64
}

var (
	_ sched.Scheduler = (*Qdisc)(nil)
	_ sched.Describer = (*Qdisc)(nil)
)

// New parses tc's words after "sfq". The MTU is the default quantum.
func New(words []string, env sched.Env) (sched.Scheduler, error) {
	q := &Qdisc{
		limit: defaultLimit, quantum: env.MTU, depth: maxDepth, flows: defaultFlows, divisor: defaultDivisor,
		red: red.Config{AvPkt: 1000, Probability: red.DefaultProbability}, drop: env.Drop, tail: none, multiplier: 1,
	}
	noRED := q.red
	if err := q.options().Parse("sfq", words); err != nil {
		return nil, err
	}
	q.quantum, q.depth = cmp.Or(q.quantum, env.MTU), cmp.Or(q.depth, maxDepth) // 0 is "the default", to tc
	q.flows, q.divisor = cmp.Or(q.flows, defaultFlows), cmp.Or(q.divisor, defaultDivisor)
	if q.divisor&(q.divisor-1) != 0 {
		return nil, fmt.Errorf("sfq: divisor %d is no power of two: write %d", q.divisor, 1<<bits.Len(uint(q.divisor)))
	}
	q.redSet = q.red != noRED
	if err := q.setRED(); err != nil {
		return nil, fmt.Errorf("sfq: %w", err)
	}
	q.flows = min(q.flows, q.divisor)
	if q.limit != defaultLimit { // which clips nothing where it is not given
		q.limit = min(q.limit, q.depth*q.flows)
		q.flows = min(q.flows, q.limit)
	}
	if q.limit < 2 {
		return nil, errors.New("sfq: depth 1 and flows 1 leave a limit of 1 packet: raise either")
	}
	q.rng = env.Random()
	q.key = q.rng.Uint64()
	q.build()
	return q, nil
}

func (q *Qdisc) setRED() (err error) {
	if !q.redSet {
		return nil
	}
	if q.red.Limit == 0 {
		return errors.New("required parameter (redflowlimit) is missing")
	}
	if q.red.Max == 0 {
		q.red.Max = q.red.Limit / 4
	}
	q.red.Fill()
	switch {
	case q.red.Max > q.red.Limit:
		return fmt.Errorf("\"max\" %d is larger than \"redflowlimit\" %d", q.red.Max, q.red.Limit)
	case q.red.Min >= q.red.Max:
		return fmt.Errorf("\"min\" %d is not smaller than \"max\" %d", q.red.Min, q.red.Max)
	}
	q.redPar, err = q.red.Params()
	return err
}

func (q *Qdisc) build() {
	q.table = make([]int32, q.divisor)
	for i := range q.table {
		q.table[i] = none
	}
	for i := range q.byDepth {
		q.byDepth[i] = none
	}
	q.slots = make([]slot, q.flows)
	for i := range q.slots {
		q.link(int32(i))
	}
}

func (q *Qdisc) options() tc.Options {
	const most = 1<<31 - 1
	noRED := func(o tc.Option) tc.Option { return o.HiddenIf(func() bool { return !q.redSet }) }
	return tc.Options{
		tc.Count("limit", &q.limit, 2, most, "p", "packets queued before the longest flow is cut (127)"),
		tc.Size("quantum", &q.quantum, 0, most, "bytes a flow may send per round (device MTU, 1514)"),
		tc.Count("depth", &q.depth, 0, maxDepth, "", "packets queued per flow (127)"),
		tc.Flag("headdrop", &q.headdrop, "drop the oldest packet of a flow instead of the newest"),
		tc.Count("flows", &q.flows, 0, maxFlows, "", "flows queued at once (128)"),
		tc.Count("divisor", &q.divisor, 0, maxDivisor, "", "hash buckets, a power of two (1024)"),
		tc.Seconds("perturb", &q.perturb, 1<<31/1000, "change the hash so often (0: never)"),
		noRED(tc.Count("redflowlimit", &q.red.Limit, 0, most, "", "RED on each flow; gives max, in bytes")),
		noRED(tc.Size("min", &q.red.Min, 0, most, "average queue from which packets are marked or dropped by chance (max/3)")),
		noRED(tc.Size("max", &q.red.Max, 0, most, "average queue from which every packet is (redflowlimit/4)")),
		noRED(tc.Size("avpkt", &q.red.AvPkt, 1, 1<<20, "average packet in bytes (1000)")),
		noRED(tc.Count("burst", &q.red.Burst, 0, 1<<24, "", "packets a burst may have before it counts ((2*min+max)/(3*avpkt))")),
		noRED(tc.Fraction("probability", &q.red.Probability, "chance at max (0.02)")),
		tc.Flag("ecn", &q.red.ECN, "RED marks ECN-capable packets instead of dropping them"),
		tc.Flag("harddrop", &q.red.HardDrop, "RED drops above max even what could be marked"),
	}
}

// Enqueue implements sched.Scheduler.
func (q *Qdisc) Enqueue(now pkt.Time, p *pkt.Packet) {
	q.rehashIfDue(now)
	b := q.bucket(p)
	i := q.table[b]
	if i == none {
		if i = q.claim(b); i == none {
			q.drop(now, p, pkt.Overlimit)
			return
		}
	} else {
		s := &q.slots[i]
		if q.redSet && !q.judge(s, p) {
			q.congestion(now, s, p, pkt.AQM)
			return
		}
		if s.q.len >= q.depth {
			q.congestion(now, s, p, pkt.Overlimit)
			return
		}
	}
	q.push(i, p)
	q.packets++
	q.bytes += int(p.Len)
	if q.packets > q.limit {
		q.cutLongest(now)
	}
}

// judge applies RED to the flow and reports whether p may be queued: passed, or
// it or, with headdrop, the flow's oldest packet marked.
func (q *Qdisc) judge(s *slot, p *pkt.Packet) bool {
	s.vars.Sample(&q.redPar, s.q.bytes)
	action := s.vars.Act(&q.redPar, q.rng)
	st := &q.stats
	mark, head, drop, can := &st.probMark, &st.probMarkHead, &st.probDrop, q.red.ECN
	switch action {
	case red.Pass:
		return true
	case red.Hard:
		mark, head, drop, can = &st.forcedMark, &st.forcedMarkHead, &st.forcedDrop, q.red.ECN && !q.red.HardDrop
	}
	q.overlimits++
	switch {
	case can && q.headdrop && s.q.head.SetCE(pkt.AQM):
		*head++
	case can && p.SetCE(pkt.AQM):
		*mark++
	default:
		*drop++
		return false
	}
	return true
}

// congestion drops p or, with headdrop, the oldest packet of its flow in its
// stead.
func (q *Qdisc) congestion(now pkt.Time, s *slot, p *pkt.Packet, why pkt.Reason) {
	if !q.headdrop {
		q.drop(now, p, why)
		return
	}
	old := s.q.popHead()
	s.q.push(p)
	q.bytes += int(p.Len) - int(old.Len)
	q.drop(now, old, why)
}

// cutLongest drops a packet of the longest flow; among equals that which last
// became so long, or if all have one packet, the flow to be served next.
func (q *Qdisc) cutLongest(now pkt.Time) {
	i := q.byDepth[q.longest]
	if q.longest == 1 {
		i = q.slots[q.tail].next
	}
	s := &q.slots[i]
	var p *pkt.Packet
	if q.headdrop {
		p = s.q.popHead()
	} else {
		p = s.q.popTail()
	}
	q.shrunk(i)
	if s.q.len == 0 {
		q.release(i)
	}
	q.packets--
	q.bytes -= int(p.Len)
	q.drop(now, p, pkt.Overlimit)
}

// Dequeue implements sched.Scheduler.
func (q *Qdisc) Dequeue(now pkt.Time) *pkt.Packet {
	q.rehashIfDue(now)
	if q.tail == none {
		return nil
	}
	i := q.slots[q.tail].next
	for q.slots[i].allot <= 0 {
		q.slots[i].allot += q.quantum
		q.tail = i
		i = q.slots[i].next
	}
	s := &q.slots[i]
	p := s.q.popHead()
	q.shrunk(i)
	q.packets--
	q.bytes -= int(p.Len)
	if s.q.len == 0 {
		q.release(i)
	} else {
		s.allot -= int(p.Len)
	}
	return p
}

// bucket hashes a flow: a multiplication by an odd number and the upper bits, by
// which two flows collide with a chance of at most 2/divisor.
func (q *Qdisc) bucket(p *pkt.Packet) int {
	return int(uint64(p.Flow.Hash*q.multiplier) * uint64(q.divisor) >> 32)
}

// rehashIfDue changes the hash once a period of perturb has ended.
func (q *Qdisc) rehashIfDue(now pkt.Time) {
	if q.perturb == 0 {
		return
	}
	period := int64(now) / (int64(q.perturb) * int64(time.Second))
	if period == q.period {
		return
	}
	q.period = period
	// A function of the period alone, so that skipped ones need not be drawn.
	h := (q.key ^ uint64(period)) * 0x9e3779b97f4a7c15
	q.multiplier = uint32(h>>32) | 1
	if q.tail != none {
		q.rehash(now)
	}
}

// rehash takes every packet out, flow by flow so that none are reordered, and
// queues it anew; what finds no room is dropped.
func (q *Qdisc) rehash(now pkt.Time) {
	var all queue
	for i := range q.slots {
		s := &q.slots[i]
		if s.q.len == 0 {
			continue
		}
		for s.q.len > 0 {
			all.push(s.q.popHead())
			q.shrunk(int32(i))
		}
		q.table[s.bucket] = none
	}
	q.tail = none
	for all.len > 0 {
		p := all.popHead()
		b := q.bucket(p)
		i := q.table[b]
		if i == none {
			i = q.claim(b)
		}
		if i == none || q.slots[i].q.len >= q.depth {
			q.packets--
			q.bytes -= int(p.Len)
			q.drop(now, p, pkt.Overlimit)
			continue
		}
		if q.redSet {
			q.slots[i].vars.Sample(&q.redPar, q.slots[i].q.bytes)
		}
		q.push(i, p)
	}
}
