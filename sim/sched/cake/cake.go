package cake

import (
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/random"
	"github.com/uqtool/uq/sim/sched"
)

// Qdisc is a cake.
type Qdisc struct {
	options
	mtu  int
	drop sched.DropFunc
	rng  *random.Rand

	tinOf          [64]uint8 // by DSCP
	srcKey, dstKey hashKey
	parts          parts

	tins     []*tin
	turn     int // tin, where there is no shaper
	shaper   shaper
	estimate estimator
	overflow heap
	wake     pkt.Time

	packets, bytes int
	overlimits     uint64 // calls the shaper put off
	memory         int
	memoryLimit    int
	memoryMost     int
	lengths        lengths
}

var (
	_ sched.Scheduler = (*Qdisc)(nil)
	_ sched.Describer = (*Qdisc)(nil)
	_ sched.Waiter    = (*Qdisc)(nil)
	_ sched.Tinned    = (*Qdisc)(nil)
	_ sched.Splitter  = (*Qdisc)(nil)
)

// New parses tc's words after "cake". The MTU is the packet that targets are
// made for.
func New(words []string, env sched.Env) (sched.Scheduler, error) { return newQdisc(words, env) }

func newQdisc(words []string, env sched.Env) (*Qdisc, error) {
	q := &Qdisc{options: defaults(), mtu: env.MTU, drop: env.Drop, rng: env.Random(), wake: pkt.Never}
	if err := q.parse(words); err != nil {
		return nil, err
	}
	q.srcKey, q.dstKey = newHashKey(q.rng), newHashKey(q.rng)
	q.tinOf, q.parts = q.mode.table(), newParts()
	for i := range q.mode.tins {
		t := &tin{}
		for j := range t.flows {
			t.flows[j].number = uint16(i*queues + j)
		}
		q.tins = append(q.tins, t)
	}
	q.overflow.tins = q.tins
	q.estimate.peak = q.bandwidth
	q.configure(q.bandwidth)
	return q, nil
}

// packetLimit times the MTU is the most memory there is without memlimit; the
// packets themselves are not counted.
const packetLimit = 10240

// memoryFor is the limit on memory under a shaper of the given rate: four times
// what it sends in an rtt, at least 4 MiB.
func (q *Qdisc) memoryFor(bytesPerSec uint64) int {
	most := packetLimit * q.mtu
	switch {
	case q.memlimit > 0:
		return q.memlimit
	case bytesPerSec == 0:
		return most
	}
	us := min(uint64(q.rtt/time.Microsecond), 1<<32)
	return int(min(max(min(bytesPerSec, 1<<31)*us/250000, 4<<20), uint64(most)))
}

// Enqueue implements sched.Scheduler.
func (q *Qdisc) Enqueue(now pkt.Time, p *pkt.Packet) {
	t := q.tins[q.tinOf[p.DSCP()]]
	if q.wash {
		p.DSField &= 3
	}
	f := q.classify(t, p)
	if t.packets == 0 {
		t.next = max(t.next, now)
	}
	if q.packets == 0 {
		q.shaper.wake(now)
	}
	n := int(p.Len)
	t.count.maxLen = max(t.count.maxLen, n)
	t.count.packets++
	t.count.bytes += uint64(n)
	q.lengths.note(p, &q.overhead)
	q.store(t, f, p)
	if q.ackFilter != noAckFilter {
		n -= q.filter(now, t, f)
	}
	if q.autorate && q.estimate.arrive(now, max(0, n)) {
		q.configure(q.estimate.peak * 15 / 16)
	}
	q.arrived(t, f)
	q.memoryMost = max(q.memoryMost, q.memory)
	for q.memory > q.memoryLimit {
		q.shorten(now)
	}
}

// store puts p into f and the accounts.
func (q *Qdisc) store(t *tin, f *flow, p *pkt.Packet) {
	f.push(p)
	n := int(p.Len)
	t.packets++
	t.bytes += n
	q.packets++
	q.bytes += n
	q.memory += p.TrueSize()
	q.overflow.changed(f)
}

// shorten drops the oldest packet of the longest queue.
func (q *Qdisc) shorten(now pkt.Time) {
	f := q.overflow.longest()
	t := q.tins[f.number/queues]
	if f.vars.Overflow(now, &t.par) {
		t.count.unresponsive++
	}
	p := q.remove(t, f)
	t.count.drops++
	if q.ingress {
		q.chargeClocks(now, t, q.overhead.charge(p), true)
	}
	q.drop(now, p, pkt.Overmemory)
}

// NextWake implements sched.Waiter.
func (q *Qdisc) NextWake() pkt.Time { return q.wake }

// Backlog implements sched.Scheduler.
func (q *Qdisc) Backlog() (packets, bytes int) { return q.packets, q.bytes }

// SplitsGSO implements sched.Splitter.
func (q *Qdisc) SplitsGSO() bool { return q.splitGSO }
