// Package cobalt is COBALT, CoDel and BLUE Alternate: the control law CAKE has
// on each of its queues (Høiland-Jørgensen, Täht and Morton, "Piece of CAKE",
// LANMAN 2018; Palmei et al., "Design and Evaluation of COBALT Queue
// Discipline", LANMAN 2019), with the arithmetic and the rules of Linux, and a
// plain "cobalt" qdisc of one queue, which tc does not have but ns-3 does.
//
// CoDel answers flows that slow down when they are told to, BLUE those that do
// not:
//
//	delay over target ──► CoDel: mark, else drop, ever faster ─┐
//	                                                           ├─► drop?
//	queue overflowed  ──► BLUE: drop at random, ECT or not ────┘
//
// As in package codel three structs have different owners: [Params] is what the
// operator sets, [Vars] is the state of one queue, [Stats] counts.
//
// # Parameters of the qdisc
//
//	limit NUMBER        packets queued before the newest is dropped (1000)
//	target TIME         acceptable standing queue delay (5ms)
//	interval TIME       worst-case round-trip time (100ms)
//	[no]ecn             mark ECN-capable packets instead of dropping them (noecn)
//	ce_threshold TIME   mark every packet delayed longer (off)
//
// # Differences from CoDel, as in Linux
//
//   - The clock is in nanoseconds and 64 bits wide.
//   - The delay must exceed target (CoDel: reach it) and four packets' time on
//     the wire; the backlog does not matter, but the last packet of a queue is
//     never dropped.
//   - "One interval above target" and "the next signal" are one deadline,
//     DropNext.
//   - Out of the dropping state Count falls by one per step of the control law
//     instead of being forgotten after 16 intervals.
//   - 1/sqrt(count) is exact below 16 and one Newton step in Q0.32 from there.
//   - A queue that never signalled has 0 for 1/sqrt(count), not 1: its first
//     excursion above target is signalled at the very next packet, not after an
//     interval. The kernel's comments intend the interval, its code does this;
//     so does this package.
//
// # Differences from Linux
//
//   - An interval above 4.29 s counts in full. Linux cuts it to 32 bits, so that
//     the rtt of 1000 s acts as 3.57 s, and 8 kbit/s as 18 kbit/s would.
//   - BLUE raises its probability at the first overflow of a queue's life at
//     whatever time that is. Linux does not in the first moments after boot.
//   - The table of 1/sqrt(count) is that of kernels since 6.13. Older ones
//     computed it with fewer steps: up to 0.06 % less.
//
// # Differences of the qdisc from ns-3
//
//   - A fresh queue's first signal as above, where ns-3 waits for an interval.
//   - The last packet is not dropped.
//   - No BLUE by delay (ns-3's BlueThreshold), which no kernel has.
package cobalt

import (
	"math/bits"
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/random"
)

// Params is what the operator sets. It is read only.
type Params struct {
	// Target is the acceptable standing queue delay, and BLUE's pace.
	Target time.Duration
	// Interval is a worst-case round-trip time.
	Interval time.Duration
	// MTUTime is a packet of maximum size on the wire, 0 where the rate is
	// unknown.
	MTUTime time.Duration
	// NoECN drops where ECN-capable packets would be marked.
	NoECN bool
}

// BLUE's steps, in 1/2^32: up by 1/256 when the queue overflows, down by 1/4096
// when it is found empty.
const (
	blueUp   = 1 << 24
	blueDown = 1 << 20
)

// Vars is the state of one queue. The zero value is a queue that never signalled.
type Vars struct {
	// DropNext is when the next signal is due, or Count is to fall; while Count
	// is 0, until when the queue counts as recently active.
	DropNext pkt.Time
	// BlueTimer is when PDrop last changed.
	BlueTimer pkt.Time
	// Count is the control law's argument: the signals given and not yet decayed.
	Count uint32
	// RecInvSqrt is 1/sqrt(Count) in Q0.32, 0 before the first signal.
	RecInvSqrt uint32
	// PDrop is BLUE's drop probability in Q0.32.
	PDrop uint32
	// Dropping says the delay was above Target at the last packet.
	Dropping bool
	// Marked says the last packet judged was marked.
	Marked bool
	// blue says BlueTimer was set once.
	blue bool
}

// Stats counts over the life of a qdisc.
type Stats struct {
	// Drops counts what the control law dropped, Marks what it marked instead;
	// CEMarks counts marks for ce_threshold.
	Drops, Marks, CEMarks uint64
	// MaxPacket is the largest packet judged, in bytes.
	MaxPacket int
}

// Overflow tells the control law that a packet was dropped for lack of room. It
// reports whether that made BLUE active.
func (v *Vars) Overflow(now pkt.Time, par *Params) (up bool) {
	if v.blueDue(now, par) {
		up = v.PDrop == 0
		sum, carry := bits.Add32(v.PDrop, blueUp, 0)
		v.PDrop = sum | -carry // saturating
		v.BlueTimer, v.blue = now, true
	}
	v.Dropping = true
	v.DropNext = now
	v.Count = max(v.Count, 1)
	return up
}

// Empty tells the control law that the queue was served and found empty. It
// reports whether that brought BLUE to rest.
func (v *Vars) Empty(now pkt.Time, par *Params) (down bool) {
	if v.PDrop > 0 && v.blueDue(now, par) {
		v.PDrop -= min(v.PDrop, blueDown)
		v.BlueTimer = now
		down = v.PDrop == 0
	}
	v.Dropping = false
	if v.Count > 0 && now >= v.DropNext {
		v.Count--
		v.advance(par)
	}
	return down
}

// blueDue says that PDrop has not changed for longer than Target.
func (v *Vars) blueDue(now pkt.Time, par *Params) bool {
	return !v.blue || now.Sub(v.BlueTimer) > par.Target
}

// Rests reports whether the state has decayed to that of an idle queue.
func (v *Vars) Rests(now pkt.Time) bool {
	return v.PDrop == 0 && v.Count == 0 && now >= v.DropNext
}

// Judge decides about p, just taken from the head of its queue: it may mark it
// and reports whether to drop it. bulk is the number of flows the delay is
// shared with where the bottleneck is upstream (CAKE's ingress mode), else 0.
// BLUE draws from rng.
func (v *Vars) Judge(now pkt.Time, p *pkt.Packet, par *Params, bulk int, rng *random.Rand) (drop bool) {
	late := now.Sub(v.DropNext) // past DropNext by that much
	due := v.Count > 0 && late >= 0
	v.Marked = false
	v.watch(now, p.Sojourn(now), par, bulk)
	switch {
	case due && v.Dropping:
		v.Marked = !par.NoECN && p.SetCE(pkt.AQM)
		drop = !v.Marked
		if v.Count++; v.Count == 0 {
			v.Count--
		}
		v.advance(par)
		late = now.Sub(v.DropNext)
	case due:
		for due {
			v.Count--
			v.advance(par)
			late = now.Sub(v.DropNext)
			due = v.Count > 0 && late >= 0
		}
	}
	if v.PDrop > 0 && !drop && rng.Uint32() < v.PDrop {
		drop = true
	}
	switch {
	case v.Count == 0:
		v.DropNext = now.Add(par.Interval)
	case late > 0 && !drop:
		v.DropNext = now
	}
	return drop
}

// watch enters or leaves the dropping state. Entering sets the deadline of the
// first signal.
func (v *Vars) watch(now pkt.Time, sojourn time.Duration, par *Params, bulk int) {
	over := sojourn > par.Target && sojourn > par.MTUTime*4 && sojourn > par.MTUTime*2*time.Duration(bulk)
	if over && !v.Dropping {
		v.DropNext = now.Add(v.step(par))
	}
	v.Dropping = over
	if over {
		v.Count = max(v.Count, 1)
	}
}

// advance follows a change of Count: the root, then the next deadline.
func (v *Vars) advance(par *Params) {
	if v.Count < uint32(len(roots)) {
		v.RecInvSqrt = roots[v.Count]
	} else {
		v.newton()
	}
	v.DropNext = v.DropNext.Add(v.step(par))
}

// step is Interval/sqrt(Count).
func (v *Vars) step(par *Params) time.Duration {
	hi, lo := bits.Mul64(uint64(par.Interval), uint64(v.RecInvSqrt))
	return time.Duration(hi<<32 | lo>>32)
}

// newton makes one Newton step towards 1/sqrt(Count), x' = x/2·(3 − Count·x²).
func (v *Vars) newton() {
	x := uint64(v.RecInvSqrt)
	x2 := x * x >> 32
	d := uint64(3)<<32 - uint64(v.Count)*x2
	v.RecInvSqrt = uint32(d >> 2 * x >> 31)
}

// roots is 1/sqrt(n) in Q0.32, where a single Newton step would be far off; 0
// stands for 1, since the deadline at count 0 is an interval too.
var roots = [16]uint32{
	1<<32 - 1, 1<<32 - 1, 3037000500, 2479700525, 2147483647, 1920767767, 1753413056, 1623345051,
	1518500250, 1431655765, 1358187914, 1294981364, 1239850263, 1191209601, 1147878294, 1108955788,
}
