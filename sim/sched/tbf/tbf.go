// Package tbf is tc's tbf: the Token Bucket Filter, a shaper in front of any
// scheduler.
//
//	              tokens: rate, at most burst ──┐
//	packet ──► the scheduler inside ──► head ──►├──► when both buckets allow
//	          tokens: peakrate, at most mtu ────┘
//
//	tbf rate RATE burst BYTES (latency TIME | limit BYTES) [mpu BYTES]
//	    [peakrate RATE mtu BYTES] [overhead BYTES] [linklayer TYPE] [QDISC]
//
// A packet costs its length plus overhead, at least mpu, in whole ATM cells with
// linklayer atm. It leaves as soon as the bucket holds that much. burst is also
// spelled buffer or maxburst, mtu minburst. The qdisc in brackets is a bfifo of
// limit bytes unless given; limit then has no effect. latency sets limit to what
// the rate sends in that time, and the burst. A packet longer than burst, or than
// mtu with peakrate, is dropped on arrival ("too_long").
//
// Source: tc-tbf(8).
//
// # Differences from Linux
//
//   - Time is kept exactly: Linux rounds every packet's cost down to a nanosecond
//     and so sends too fast, by 0.02 % at 10 Gbit/s with full-sized packets.
//   - Linux takes a GSO super-packet apart only if it is longer than the bucket.
//     Here, in a simulation, all are taken apart if any may be longer; a live
//     queue cannot do it, and drops those that are.
//   - A latency is printed as it was given and a limit as a limit, so that the
//     line can be read back; tc prints the latency that follows from the limit.
//   - tc prints burst and mtu with overhead added, and its JSON lacks peakrate.
//   - What package sched's Head lists of the packet peeked at.
package tbf

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/tc"
)

// Qdisc is a tbf.
type Qdisc struct {
	rate, peakrate uint64 // bit/s
	burst, mtu     int
	mpu, overhead  int
	limit          int
	latency        time.Duration // 0: limit was given
	atm            bool

	full   bucket // rate and burst
	peak   bucket // peakrate and mtu
	child  sched.Head
	given  bool // the child is in the words
	due    pkt.Time
	drop   sched.DropFunc
	longer int // bytes that are too many

	overlimits uint64
}

// bucket holds tokens in units of a byte per 10^9, so that a nanosecond adds a
// whole number of them: the rate in bytes per second.
type bucket struct {
	rate, size, tokens int64
	at                 pkt.Time // when it held so many
}

const perByte = 1e9

// level is what the bucket holds at now. If now is the instant that wait gave,
// rounded up to a nanosecond, it may hold what came since the packet could have
// left: that belongs to the next one.
func (b *bucket) level(now pkt.Time, waited bool) int64 {
	since, room := int64(now-b.at), b.size-b.tokens
	if since <= room/b.rate {
		return b.tokens + since*b.rate
	}
	if over := (room/b.rate+1)*b.rate - room; waited && since == room/b.rate+1 {
		return b.size + over
	}
	return b.size
}

// wait is how long until the bucket holds cost, given that it now holds level.
func (b *bucket) wait(cost, level int64) pkt.Time {
	if level >= cost {
		return 0
	}
	return pkt.Time((cost - level + b.rate - 1) / b.rate)
}

var (
	_ sched.Scheduler = (*Qdisc)(nil)
	_ sched.Waiter    = (*Qdisc)(nil)
	_ sched.Classful  = (*Qdisc)(nil)
	_ sched.Splitter  = (*Qdisc)(nil)
	_ sched.Describer = (*Qdisc)(nil)
)

// New parses tc's words after "tbf".
func New(words []string, env sched.Env) (sched.Scheduler, error) {
	q := &Qdisc{given: env.Children() > 0, drop: env.Drop, due: pkt.Never}
	if err := q.options().Parse("tbf", words); err != nil {
		return nil, err
	}
	if err := q.check(); err != nil {
		return nil, fmt.Errorf("tbf: %w", err)
	}
	if q.limit == 0 {
		q.limit = q.limitFor(q.latency)
	}
	q.longer = q.burst + 1
	q.full = newBucket(q.rate, q.cost(q.burst))
	if q.peakrate > 0 {
		q.longer = min(q.longer, q.mtu+1)
		q.peak = newBucket(q.peakrate, q.cost(q.mtu))
	}
	child, err := env.Child(0, "bfifo limit "+strconv.Itoa(q.limit), nil)
	if err != nil {
		return nil, fmt.Errorf("tbf: %w", err)
	}
	q.child = sched.NewHead(child)
	return q, nil
}

func newBucket(rate uint64, size int64) bucket {
	return bucket{rate: int64(rate / 8), size: size, tokens: size}
}

func (q *Qdisc) check() error {
	switch {
	case q.rate < 8 || q.burst == 0:
		return errors.New("both \"rate\" and \"burst\" are required: for example \"tbf rate 20mbit burst 10kb latency 50ms\"")
	case q.peakrate > 0 && q.mtu == 0:
		return errors.New("\"mtu\" is required, if \"peakrate\" is requested: 1540 for single packets")
	case q.peakrate > 0 && q.peakrate/8 <= q.rate/8:
		return fmt.Errorf("peakrate %s is not above rate %s: raise it", tc.FormatRate(q.peakrate), tc.FormatRate(q.rate))
	case q.limit > 0 && q.latency > 0:
		return errors.New("double \"limit/latency\" spec: leave out one")
	case q.limit == 0 && q.latency == 0:
		return errors.New("either \"limit\" or \"latency\" is required")
	}
	return nil
}

// limitFor is the backlog in bytes that drains within latency, as tc computes it.
func (q *Qdisc) limitFor(latency time.Duration) int {
	us := uint64(latency / time.Microsecond)
	n := sent(q.rate, us) + q.burst
	if q.peakrate > 0 {
		n = min(n, sent(q.peakrate, us)+q.mtu)
	}
	return min(n, maxBytes)
}

// sent is the bytes that rate sends in so many µs, cut off at maxBytes.
func sent(rate, us uint64) int {
	hi, lo := bits.Mul64(rate/8, us)
	if hi > 0 {
		return maxBytes
	}
	return int(min(lo/1e6, maxBytes))
}

// maxLatency as tc knows it, in µs: that with which limit takes so long to send.
func (q *Qdisc) maxLatency() int64 {
	lat := q.full.drain(q.limit)
	if q.peakrate > 0 {
		lat = max(lat, q.peak.drain(q.limit))
	}
	return lat
}

// drain is the µs by which limit bytes outlast a full bucket.
func (b *bucket) drain(limit int) int64 { return (int64(limit)*perByte - b.size) / b.rate / 1000 }

// cost is what a packet of n bytes takes out of a bucket.
func (q *Qdisc) cost(n int) int64 {
	n = max(n+q.overhead, q.mpu)
	if q.atm {
		n = (n + 47) / 48 * 53
	}
	return int64(n) * perByte
}

// Enqueue implements sched.Scheduler.
func (q *Qdisc) Enqueue(now pkt.Time, p *pkt.Packet) {
	if int64(p.Len) >= int64(q.longer) {
		q.drop(now, p, pkt.TooLong)
		return
	}
	q.child.Enqueue(now, p)
}

// Dequeue implements sched.Scheduler.
func (q *Qdisc) Dequeue(now pkt.Time) *pkt.Packet {
	p := q.child.Peek(now)
	if p == nil {
		q.due = q.child.NextWake()
		return nil
	}
	cost := q.cost(int(p.Len))
	level := q.full.level(now, now == q.due)
	wait := q.full.wait(cost, level)
	peak := int64(0)
	if q.peakrate > 0 {
		peak = q.peak.level(now, now == q.due)
		wait = max(wait, q.peak.wait(cost, peak))
	}
	if wait > 0 {
		q.overlimits++
		q.due = now + wait
		return nil
	}
	q.full.tokens, q.full.at = level-cost, now
	if q.peakrate > 0 {
		q.peak.tokens, q.peak.at = peak-cost, now
	}
	return q.child.Dequeue(now)
}

// NextWake implements sched.Waiter: when the packet at the head has its tokens.
func (q *Qdisc) NextWake() pkt.Time { return q.due }

// maxGSO is the length of the longest super-packet: 64 KiB in segments of an
// Ethernet's MTU.
const maxGSO = 45 * sched.EthernetMTU

// SplitsGSO implements sched.Splitter.
func (q *Qdisc) SplitsGSO() bool { return q.longer <= maxGSO }

// Backlog implements sched.Scheduler.
func (q *Qdisc) Backlog() (packets, bytes int) { return q.child.Backlog() }

// Room implements sched.Roomy: the scheduler's inside.
func (q *Qdisc) Room(smallest int) int { return q.child.Room(smallest) }

// Kind implements sched.Describer.
func (q *Qdisc) Kind() string { return "tbf" }

// Stats implements sched.Describer.
func (q *Qdisc) Stats() []tc.Field {
	return []tc.Field{{Key: "overlimits", Num: int64(q.overlimits)}}
}

// Inside implements sched.Classful.
func (q *Qdisc) Inside() []sched.Inner {
	return []sched.Inner{{ID: "1:1", Scheduler: q.child.Scheduler, Stats: q.child.Sent(), Implied: !q.given}}
}
