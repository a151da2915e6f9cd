// Package codel is CoDel, Controlled Delay (RFC 8289; Nichols and Jacobson,
// "Controlling Queue Delay", ACM Queue 2012), with the arithmetic and the rules
// of Linux, and tc's "codel" qdisc.
//
// The algorithm is one function, [Dequeue], over three structs with different
// owners: [Params] is what the operator sets, [Vars] is the state of one queue,
// [Stats] counts. In "codel" all belong to the qdisc; in fq_codel each flow has
// its own Vars; a WiFi access point keeps Params per station.
//
// # Parameters of the qdisc
//
//   - limit: packets queued before the newest is dropped, 1000.
//   - target: acceptable standing queue delay, 5 ms. interval: a worst-case
//     round-trip time, 100 ms.
//   - [no]ecn: mark ECN-capable packets instead of dropping them, off.
//   - ce_threshold: delay above which every packet is marked, off.
//
// # Differences from RFC 8289, as in Linux
//
//   - Time is in units of 1024 ns, 32 bits wide, so spans above 2199 s compare
//     wrongly.
//   - The interval must have passed strictly (the RFC: or be just reached).
//   - In the dropping state count is raised before the next packet is judged,
//     so it ends one higher than the RFC's.
//   - 1/sqrt(count) is one Newton step in Q0.16 per change of count: half a step
//     off at count 2 (0.5, not 0.707), under 1.5 % from count 5 on.
//
// # Differences from Linux
//
//   - "First above" is a flag and a time instead of a time with 0 for "not", so
//     that a trace may start at 0.
//   - An empty dequeue forgets "first above", as in kernels since the fix of
//     March 2026; older ones keep it.
//   - At most [MaxDrops] packets are dropped in one dequeue, after which the
//     schedule restarts from now, and a step of the control law is at least one
//     tick: as in the newest kernels, not in older ones.
//   - A queue that never was in the dropping state enters it at count 1. In
//     Linux one whose count an overflow had raised resumes at that count or not
//     depending on the machine's uptime modulo 73 minutes.
//   - Options may be finer than a microsecond.
//
// All else decided as Linux's own text did over a hundred thousand random scripts.
// That text cannot stand here, so what repeats in this repository are the vectors
// of the tests, and make oracle.
package codel

import (
	"time"

	"github.com/uqtool/uq/sim/pkt"
)

// Ticks is CoDel's clock in Linux: units of 1024 ns, wrapping after 73 minutes.
type Ticks uint32

// TicksAt converts an instant.
func TicksAt(t pkt.Time) Ticks { return Ticks(uint64(t) >> 10) }

// TicksOf converts a span, rounding down.
func TicksOf(d time.Duration) Ticks { return Ticks(uint64(d) >> 10) }

// Duration converts back.
func (t Ticks) Duration() time.Duration { return time.Duration(uint64(t) << 10) }

// before and after compare on the wrapping clock.
func (t Ticks) before(u Ticks) bool { return int32(t-u) < 0 }
func (t Ticks) after(u Ticks) bool  { return int32(t-u) > 0 }

// Disabled is the CEThreshold that no sojourn exceeds.
const Disabled Ticks = 1<<31 - 1

// MaxDrops bounds the drops of one Dequeue call: the work a late call can find
// depends on the idle gap and the backlog, both outside CoDel's control.
const MaxDrops = 256

// Params is what the operator sets. It is read only.
type Params struct {
	// Target is the acceptable standing queue delay.
	Target Ticks
	// Interval is the sliding window in which delay must once be below Target;
	// a worst-case round-trip time.
	Interval Ticks
	// MTU is the backlog in bytes up to which nothing is dropped.
	MTU int
	// ECN marks ECN-capable packets instead of dropping them.
	ECN bool
	// CEThreshold marks every packet delayed longer; Disabled for never.
	CEThreshold Ticks
	// CESelector and CEMask restrict CEThreshold to packets whose DSField masked
	// with CEMask equals CESelector; a zero mask means all.
	CESelector, CEMask uint8
}

// Vars is the state of one queue. The zero value is a queue at rest.
type Vars struct {
	// Count is the number of drops (or marks) since the dropping state began;
	// the control law's argument. LastCount is Count when it began.
	Count, LastCount uint32
	// RecInvSqrt is 1/sqrt(Count) in Q0.16.
	RecInvSqrt uint16
	// Dropping says the queue is in the dropping state.
	Dropping bool
	// above says the delay has been over Target since FirstAbove - Interval.
	above      bool
	FirstAbove Ticks
	// DropNext is when the next drop is due in the dropping state.
	DropNext Ticks
	// LDelay is the sojourn of the packet judged last.
	LDelay Ticks
}

// Stats counts over the life of a qdisc.
type Stats struct {
	// MaxPacket is the largest packet judged, in bytes.
	MaxPacket int
	// Drops and DropBytes count what the control law dropped.
	Drops, DropBytes uint64
	// Marks counts packets marked instead of dropped; CEMarks those marked for
	// CEThreshold.
	Marks, CEMarks uint64
}

// Queue is the queue under control.
type Queue interface {
	// Pop removes and returns the head, or nil.
	Pop() *pkt.Packet
	// Bytes is the backlog Params.MTU is compared with, after the Pop.
	Bytes() int
	// Drop takes over a packet the control law gave up.
	Drop(now pkt.Time, p *pkt.Packet)
}

// Dequeue takes packets from q until one may be sent, which it returns, or q is
// empty. At most one packet is marked by the control law in a call, and none is
// dropped after the mark.
func Dequeue(now pkt.Time, q Queue, par *Params, v *Vars, st *Stats) *pkt.Packet {
	p := q.Pop()
	if p == nil {
		v.above, v.Dropping = false, false
		return nil
	}
	t := TicksAt(now)
	over := v.overdue(t, p, q, par, st)
	switch {
	case v.Dropping && !over:
		v.Dropping = false
	case v.Dropping:
		p = v.keepDropping(now, t, p, q, par, st)
	case over:
		p = v.startDropping(now, t, p, q, par, st)
	}
	if p != nil {
		v.applyThreshold(p, par, st)
	}
	return p
}

// overdue is the "ok to drop" test: has the delay been above Target for more
// than an Interval without a break?
func (v *Vars) overdue(t Ticks, p *pkt.Packet, q Queue, par *Params, st *Stats) bool {
	if p == nil {
		v.above = false
		return false
	}
	v.LDelay = t - TicksAt(p.Arrival)
	if int(p.Len) > st.MaxPacket {
		st.MaxPacket = int(p.Len)
	}
	if v.LDelay.before(par.Target) || q.Bytes() <= par.MTU {
		v.above = false
		return false
	}
	if !v.above {
		v.above = true
		v.FirstAbove = t + par.Interval
		return false
	}
	return t.after(v.FirstAbove)
}

// keepDropping acts once for every step of the control law that is due, so a
// late call catches up.
func (v *Vars) keepDropping(now pkt.Time, t Ticks, p *pkt.Packet, q Queue, par *Params, st *Stats) *pkt.Packet {
	for n := 0; v.Dropping && !t.before(v.DropNext); n++ {
		if n == MaxDrops {
			v.DropNext = t + v.step(par)
			break
		}
		v.Count++
		v.newton()
		if mark(p, par, st) {
			v.DropNext += v.step(par)
			break
		}
		drop(now, p, q, st)
		p = q.Pop()
		if v.overdue(t, p, q, par, st) {
			v.DropNext += v.step(par)
		} else {
			v.Dropping = false
		}
	}
	return p
}

// startDropping acts on p and enters the dropping state. Having been in it a
// short while ago, it resumes near the rate that controlled the queue then.
func (v *Vars) startDropping(now pkt.Time, t Ticks, p *pkt.Packet, q Queue, par *Params, st *Stats) *pkt.Packet {
	if !mark(p, par, st) {
		drop(now, p, q, st)
		p = q.Pop()
		v.overdue(t, p, q, par, st)
	}
	v.Dropping = true
	fresh := v.RecInvSqrt == 0
	if delta := v.Count - v.LastCount; !fresh && delta > 1 && (t - v.DropNext).before(16*par.Interval) {
		v.Count = delta
		v.newton()
	} else {
		v.Count, v.RecInvSqrt = 1, 1<<16-1
	}
	v.LastCount = v.Count
	v.DropNext = t + v.step(par)
	return p
}

// newton makes one Newton step towards 1/sqrt(Count), x' = x/2·(3 − Count·x²).
// It computes in Q0.32 and keeps Q0.16; the product wraps modulo 2^64 when a
// stale x is far too large, as Linux's does.
func (v *Vars) newton() {
	x := uint64(v.RecInvSqrt) << 16
	x2 := x * x >> 32
	d := uint64(3)<<32 - uint64(v.Count)*x2
	v.RecInvSqrt = uint16(uint32(d>>2*x>>31) >> 16)
}

// step is Interval/sqrt(Count), at least a tick: an overflow can raise Count so
// far past the root that Newton's method answers 0.
func (v *Vars) step(par *Params) Ticks {
	return max(1, Ticks(uint64(par.Interval)*(uint64(v.RecInvSqrt)<<16)>>32))
}

func mark(p *pkt.Packet, par *Params, st *Stats) bool {
	if !par.ECN || !p.SetCE(pkt.AQM) {
		return false
	}
	st.Marks++
	return true
}

func drop(now pkt.Time, p *pkt.Packet, q Queue, st *Stats) {
	st.Drops++
	st.DropBytes += uint64(p.Len)
	q.Drop(now, p)
}

// applyThreshold marks p when its delay is above CEThreshold. A packet that is
// not ECN-capable passes as it is.
func (v *Vars) applyThreshold(p *pkt.Packet, par *Params, st *Stats) {
	if !v.LDelay.after(par.CEThreshold) {
		return
	}
	if par.CEMask != 0 && p.DSField&par.CEMask != par.CESelector {
		return
	}
	why := pkt.Threshold
	if p.Mark != pkt.NoReason {
		why = p.Mark
	}
	if p.SetCE(why) {
		st.CEMarks++
	}
}
