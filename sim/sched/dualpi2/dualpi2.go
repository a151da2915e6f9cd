// Package dualpi2 is tc's dualpi2: the coupled dual queue with PI2 (RFC 9332),
// for scalable (L4S) and classic congestion control at one bottleneck, with the
// arithmetic and the rules of Linux.
//
//	          ECT(1), CE   ┌─ L ──► step or p_L = k·p': mark ──┐
//	packet ──► classify ───┤                                   ├─► byte credit ──►
//	          the others   └─ C ──► p_C = p'²: mark or drop ───┘
//	                                     ▲
//	                    PI controller, p' ┘ every tupdate, from the longer delay
//
// # Parameters
//
//   - limit: packets of both queues, 10000. memlimit: bytes of packet memory,
//     limit packets of two MTUs.
//   - target: delay aimed at, 15 ms. tupdate: span between updates, 16 ms. alpha,
//     beta: gains on the deviation from target and on the change of the delay, in
//     Hz, 0.16 and 3.2. max_rtt, typical_rtt: all four from round-trip times.
//   - coupling_factor: k, 2. step_thresh: L packets delayed longer are marked,
//     1 ms; or, "5p", that many behind them. min_qlen_step: but only those that
//     found as many packets in L, 0.
//   - drop_on_overload or overflow: what happens where k·p' passes 1. By default
//     both queues drop with p'² whatever the codepoint; overflow keeps p' at 1/k
//     and lets the queue fill.
//   - drop_dequeue or drop_enqueue: when p_C and p_L are applied.
//   - classic_protection: the share of bytes that C gets for certain, 10 %.
//   - l4s_ect or any_ect: what goes to L: ECT(1) and CE, or all but Not-ECT.
//   - split_gso or no_split_gso: take super-packets apart on arrival.
//
// A 0 stands for the default where tc takes it so.
//
// # When it updates
//
// First tupdate after the start, time 0, then every tupdate. An update that is
// due sees the queue as the calls before it left it, and the delay is that of
// the older head at the instant it is due: at equal times updates come before
// departures, these before arrivals.
//
// # Differences from RFC 9332, as in Linux
//
//   - beta is 3.2 Hz, not 3.
//   - L is marked with the coupled probability and then, as well, by a step. The
//     RFC marks once, with the larger of a ramp and the coupled probability.
//   - Nothing is marked or dropped by probability with less than two MTUs queued.
//   - A probability of 0 still hits once in 2^32 draws.
//
// # Differences from Linux
//
//   - The change of p' is clamped. Linux keeps 32 bits of it, so that a delay that
//     changes by more than 312 ms in one update moves p' anywhere.
//   - Updates come on time: Linux's timer restarts when it has run.
//   - split_gso has an effect where super-packets can be taken apart, in a
//     simulation. A live queue keeps them whole, and so decides once for all
//     segments.
//   - Memory is pkt.Packet.TrueSize, an estimate of skb->truesize; memlimit is at
//     most 2 GiB.
//   - No filters, no classes: only the codepoint classifies.
package dualpi2

import (
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/random"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/tc"
)

// Qdisc is a dualpi2.
type Qdisc struct {
	config
	pi      controller
	c, l    pkt.FIFO
	stepped flags // of L's packets: may the step mark it?
	memory  int
	mtu     int
	credit  int // byte credit: C is next while above 0
	rng     *random.Rand
	drop    sched.DropFunc
	now     pkt.Time // of the last call

	packetsInC, packetsInL uint64
	maxq                   int
	marks, stepMarks       uint64
	overlimits             uint64
	maxMemory              int
}

var (
	_ sched.Scheduler = (*Qdisc)(nil)
	_ sched.Describer = (*Qdisc)(nil)
	_ sched.Splitter  = (*Qdisc)(nil)
)

// New parses tc's words after "dualpi2".
func New(words []string, env sched.Env) (sched.Scheduler, error) { return newQdisc(words, env) }

func newQdisc(words []string, env sched.Env) (*Qdisc, error) {
	d := &Qdisc{config: defaultConfig(), mtu: env.MTU, rng: env.Random(), drop: env.Drop}
	if err := d.parse(words, env.MTU); err != nil {
		return nil, err
	}
	d.pi = newController(&d.config)
	d.resetCredit()
	return d, nil
}

// update makes the updates due until now.
func (d *Qdisc) update(now pkt.Time) {
	d.now = now
	if now >= d.pi.next {
		d.pi.update(now, d.oldest())
	}
}

// oldest is when the older of both heads arrived; pkt.Never with nothing queued.
func (d *Qdisc) oldest() pkt.Time {
	at := pkt.Never
	if p := d.c.Peek(); p != nil {
		at = p.Arrival
	}
	if p := d.l.Peek(); p != nil {
		at = min(at, p.Arrival)
	}
	return at
}

// Enqueue implements sched.Scheduler.
func (d *Qdisc) Enqueue(now pkt.Time, p *pkt.Packet) {
	d.update(now)
	packets, _ := d.Backlog()
	size := p.TrueSize()
	switch {
	case packets >= d.limit:
		d.overlimits++
		d.drop(now, p, pkt.Overlimit)
		return
	case d.memory+size > d.memoryLimit:
		d.overlimits++
		d.drop(now, p, pkt.Overmemory)
		return
	}
	low := d.isL(p)
	if d.dropEnqueue && d.mustDrop(p, low) {
		d.drop(now, p, pkt.AQM)
		return
	}
	d.memory += size
	d.maxMemory = max(d.maxMemory, d.memory)
	d.maxq = max(d.maxq, packets)
	if !low {
		d.packetsInC++
		d.c.Push(p)
		return
	}
	d.packetsInL++
	if d.minQlenStep > 0 {
		d.stepped.push(d.l.Len() >= d.minQlenStep)
	}
	d.l.Push(p)
}

// isL says whether p belongs to the low-latency queue.
func (d *Qdisc) isL(p *pkt.Packet) bool { return uint8(p.ECN())&d.ecnMask != 0 }

// Dequeue implements sched.Scheduler.
func (d *Qdisc) Dequeue(now pkt.Time) *pkt.Packet {
	d.update(now)
	for {
		p, low, credit := d.next()
		if p == nil {
			d.resetCredit()
			return nil
		}
		step := low && (d.minQlenStep == 0 || d.stepped.pop())
		if !d.dropEnqueue && d.mustDrop(p, low) {
			d.drop(now, p, pkt.AQM)
			continue
		}
		if step && d.beyondStep(now, p) && d.mark(p, pkt.Threshold) {
			d.stepMarks++
		}
		d.credit += credit
		return p
	}
}

// next takes the head of L or C as the byte credit says, and returns what
// sending it would change the credit by: a queue pays for what it sends while
// the other waits.
func (d *Qdisc) next() (p *pkt.Packet, low bool, credit int) {
	low = d.l.Len() > 0 && (d.c.Len() == 0 || d.credit <= 0)
	q, other, weight := &d.c, &d.l, d.protection-100
	if low {
		q, other, weight = &d.l, &d.c, d.protection
	}
	if p = q.Pop(); p == nil {
		return nil, false, 0
	}
	d.memory -= p.TrueSize()
	if other.Len() > 0 {
		credit = weight * int(p.Len)
	}
	return p, low, credit
}

func (d *Qdisc) resetCredit() { d.credit = d.mtu * (2*d.protection - 100) }

// mustDrop draws whether p is to be dropped, or marks it. p is not part of the
// backlog.
func (d *Qdisc) mustDrop(p *pkt.Packet, low bool) bool {
	if _, bytes := d.Backlog(); bytes < 2*d.mtu {
		return false
	}
	prob := d.pi.prob
	coupled := uint64(prob) * uint64(d.coupling)
	overload := coupled > maxProb
	switch {
	case !low:
		if !d.squared(prob) {
			return false
		}
		return overload || !d.mark(p, pkt.AQM)
	case overload:
		if d.dropOverload && d.squared(prob) {
			return true
		}
		d.mark(p, pkt.AQM)
	case d.roll(uint32(coupled)):
		return !d.mark(p, pkt.AQM)
	}
	return false
}

// squared hits with prob²: two draws must.
func (d *Qdisc) squared(prob uint32) bool {
	first := d.roll(prob)
	return first && d.roll(prob)
}

func (d *Qdisc) roll(prob uint32) bool { return d.rng.Uint32() <= prob }

// mark sets CE and says whether it could. The first reason stands.
func (d *Qdisc) mark(p *pkt.Packet, why pkt.Reason) bool {
	if p.Mark != pkt.NoReason {
		why = p.Mark
	}
	if !p.SetCE(why) {
		return false
	}
	d.marks++
	return true
}

// beyondStep says whether p, just taken from L, waited too long or leaves too
// many packets behind.
func (d *Qdisc) beyondStep(now pkt.Time, p *pkt.Packet) bool {
	if d.stepInPackets {
		return d.l.Len() > d.stepPackets
	}
	return p.Sojourn(now) > d.stepTime
}

// Backlog implements sched.Scheduler.
func (d *Qdisc) Backlog() (packets, bytes int) {
	return d.c.Len() + d.l.Len(), d.c.Bytes() + d.l.Bytes()
}

// SplitsGSO implements sched.Splitter.
func (d *Qdisc) SplitsGSO() bool { return d.splitGSO }

// Kind implements sched.Describer.
func (d *Qdisc) Kind() string { return "dualpi2" }

// Options implements sched.Describer.
func (d *Qdisc) Options() []tc.Field { return d.options().Fields() }

// Stats implements sched.Describer. ecn_mark counts a packet twice that the
// step marks too, and maxq is the longest queue that a packet was added to, as
// in Linux.
func (d *Qdisc) Stats() []tc.Field {
	return []tc.Field{
		{Key: "overlimits", Num: int64(d.overlimits)},
		tc.Ratio("prob", "%f", uint64(d.pi.prob), maxProb),
		delay("delay_c", "delay-c", &d.c, d.now),
		delay("delay_l", "delay-l", &d.l, d.now),
		{Key: "pkts_in_c", JSON: "pkts-in-c", Num: int64(d.packetsInC)},
		{Key: "pkts_in_l", JSON: "pkts-in-l", Num: int64(d.packetsInL)},
		{Key: "maxq", Num: int64(d.maxq)},
		{Key: "ecn_mark", JSON: "ecn-mark", Num: int64(d.marks)},
		{Key: "step_mark", JSON: "step-mark", Num: int64(d.stepMarks)},
		{Key: "credit", Num: int64(d.credit)},
		{Key: "memory_used", JSON: "memory-used", Num: int64(d.memory)},
		{Key: "max_memory_used", JSON: "max-memory-used", Num: int64(d.maxMemory)},
		{Key: "memory_limit", JSON: "memory-limit", Num: int64(d.memoryLimit)},
	}
}

// delay is how long the head of q has waited.
func delay(key, json string, q *pkt.FIFO, now pkt.Time) tc.Field {
	d := time.Duration(0)
	if p := q.Peek(); p != nil {
		d = p.Sojourn(now)
	}
	return tc.Field{Key: key, JSON: json, Num: int64(d / time.Microsecond), Text: tc.FormatTime(d / time.Microsecond * time.Microsecond)}
}
