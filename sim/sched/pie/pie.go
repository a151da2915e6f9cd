// Package pie is PIE, Proportional Integral controller Enhanced (RFC 8033; Pan
// et al., "PIE: A lightweight control scheme to address the bufferbloat
// problem", HPSR 2013), with the arithmetic and the rules of Linux, and tc's
// "pie" qdisc.
//
//	arrival ──► drop early? ──► queue ──► departure
//	                ▲                         │ delay
//	                │ probability             ▼
//	                └──────── update, every tupdate
//
// The decision falls on arrival, with a probability that a timer updates from
// the delay of the packet that left last. [Params] is what the operator sets,
// [Vars] the state of one queue, [Stats] counts: "pie" has one of each, fq_pie
// Vars per flow.
//
// # Parameters
//
//   - limit: packets, 1000. target: the delay aimed at, 15 ms. tupdate: span
//     between updates, 15 ms.
//   - alpha, beta: gains on the deviation from target and on the change of the
//     delay, in sixteenths per second, 0 to 32: 2 and 20.
//   - ecn: mark instead of dropping up to a probability of 10 %. bytemode: small
//     packets are dropped less. dq_rate_estimator: the delay is backlog over
//     measured rate instead of a packet's sojourn.
//
// A 0 stands for the default, as it does to tc.
//
// # When it updates
//
// First half a second after the start, time 0, then every tupdate. An update
// that is due sees the queue as the calls before it left it: at equal times
// updates come before departures, these before arrivals.
//
// # Differences from RFC 8033, as in Linux
//
//   - The burst allowance is used up by the time between departures, not by
//     updates; without departures it lasts.
//   - Over 250 ms of delay each update adds 2 %, on top of the capped step.
//   - With no delay and nothing queued the probability shrinks by 1/64, not 2 %.
//   - The accumulated probability that spaces drops apart is not cleared by a
//     mark that it forced at 8.5: with ecn, packets are then marked in a row
//     until one is dropped or the probability is 0.
//   - A queue is too short to drop from with less than two MTUs, not two packets
//     of mean size, and the delay that excuses a packet is the current one, not
//     that of the last update.
//   - There is no threshold below which PIE is inactive.
//
// # Differences from Linux
//
//   - Probabilities end at 1. Linux compares with 2^64 what it keeps in units
//     of 2^-56, so there it winds up beyond 1 in a long flood, and takes the
//     longer to come down.
//   - No sum wraps: delays beyond 90 s (30 s at the largest gains), a backlog
//     beyond 16 MiB under dq_rate_estimator, 275 s without a departure.
//   - Updates come on time. Linux rounds tupdate up to its timer tick: 15 ms
//     are 16 ms at HZ=250.
//   - Lengths are Packet.Len; Linux leaves the repeated headers of a
//     super-packet out in bytemode and in the measured rate.
package pie

import (
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/random"
)

// Ticks is PIE's clock in Linux: units of 64 ns.
type Ticks uint64

const tickShift = 6

// TicksAt converts an instant.
func TicksAt(t pkt.Time) Ticks { return Ticks(uint64(t) >> tickShift) }

// TicksOf converts a span, rounding down.
func TicksOf(d time.Duration) Ticks { return Ticks(uint64(d) >> tickShift) }

// Duration converts back.
func (t Ticks) Duration() time.Duration { return time.Duration(uint64(t) << tickShift) }

const ticksPerSecond = uint64(time.Second) >> tickShift

// MaxProb is probability 1: probabilities are fractions of 56 bits.
const MaxProb = 1<<56 - 1

// Between these accumulated probabilities a draw decides: no drop comes sooner,
// none later.
const accuLow, accuHigh = MaxProb / 100 * 85, MaxProb / 2 * 17

// maxBurst is for how long a queue that was at rest may grow without drops.
const maxBurst = 150 * time.Millisecond

// rateThreshold is how many bytes make a measurement of the departure rate, and
// the backlog needed to begin one.
const rateThreshold = 16384

// rateScale keeps eight bits of the rate below a byte per tick.
const rateScale = 8

// Params is what the operator sets. It is read only.
type Params struct {
	// Target is the delay aimed at.
	Target Ticks
	// Alpha and Beta are the gains: probability per tick of delay.
	Alpha, Beta uint64
	// MTU in bytes: nothing is dropped while less than two are queued.
	MTU int
	// ECN marks ECN-capable packets instead of dropping them, while the
	// probability is at most ECNProb.
	ECN     bool
	ECNProb uint64
	// ByteMode scales the probability by a packet's share of the MTU.
	ByteMode bool
	// DequeueRate takes the delay from backlog and departure rate.
	DequeueRate bool
}

// Vars is the state of one queue. Start with [NewVars].
type Vars struct {
	// QDelay is the delay the next update sees, QDelayOld the one the last saw.
	QDelay, QDelayOld Ticks
	// Prob is the probability of a drop.
	Prob uint64
	// AccuProb sums Prob over the packets since the last drop.
	AccuProb uint64
	// BurstTime is what is left of the burst allowance.
	BurstTime Ticks
	// clocked says LastOut is set: the last departure, or the beginning of a
	// measurement.
	clocked bool
	lastOut Ticks
	// measuring says the departure rate is being measured over dqCount bytes.
	measuring bool
	dqCount   uint64
	// AvgRate is the departure rate, bytes per tick times 256; 0 is unknown.
	AvgRate uint64
}

// NewVars is a queue at rest.
func NewVars() (v Vars) {
	v.rest()
	return v
}

// rest gives the queue its burst allowance back and forgets what was measured.
func (v *Vars) rest() {
	v.BurstTime = TicksOf(maxBurst)
	v.clocked, v.lastOut = false, 0
	v.measuring, v.dqCount, v.AvgRate = false, 0, 0
	v.AccuProb = 0
}

// Stats counts over the life of a qdisc.
type Stats struct {
	// PacketsIn were queued, Marks of them marked.
	PacketsIn, Marks uint64
	// Dropped counts all drops, Overlimit those for want of room.
	Dropped, Overlimit uint64
}

// Arrive decides whether p may join its queue, which holds backlog bytes. It
// marks p where that serves instead of a drop.
func (v *Vars) Arrive(p *pkt.Packet, backlog int, par *Params, st *Stats, rng *random.Rand) bool {
	if v.dropEarly(int(p.Len), backlog, par, rng) {
		if !par.ECN || v.Prob > par.ECNProb || !p.SetCE(pkt.AQM) {
			st.Dropped++
			v.AccuProb = 0
			return false
		}
		st.Marks++
	}
	st.PacketsIn++
	return true
}

// Refuse counts a packet dropped for want of room.
func (v *Vars) Refuse(st *Stats) {
	st.Overlimit++
	st.Dropped++
	v.AccuProb = 0
}

// dropEarly draws whether a packet of size bytes is to be dropped or marked.
func (v *Vars) dropEarly(size, backlog int, par *Params, rng *random.Rand) bool {
	switch {
	case v.BurstTime > 0,
		v.QDelay < par.Target/2 && v.Prob < MaxProb/5,
		backlog < 2*par.MTU:
		return false
	}
	prob := v.Prob
	if par.ByteMode && size <= par.MTU {
		prob = uint64(size) * (prob / uint64(par.MTU))
	}
	if prob == 0 {
		v.AccuProb = 0
	}
	v.AccuProb += prob
	switch {
	case v.AccuProb < accuLow:
		return false
	case v.AccuProb >= accuHigh:
		return true
	case rng.Uint64()>>8 < prob:
		v.AccuProb = 0
		return true
	}
	return false
}

// Depart learns from p, which leaves backlog bytes behind.
func (v *Vars) Depart(now pkt.Time, p *pkt.Packet, backlog int, par *Params) {
	t := TicksAt(now)
	if par.DequeueRate {
		v.measure(t, uint64(p.Len), backlog)
		return
	}
	v.QDelay = t - TicksAt(p.Arrival)
	if backlog == 0 {
		v.QDelay = 0
	}
	if v.clocked {
		v.spendBurst(t - v.lastOut)
	}
	v.clocked, v.lastOut = true, t
}

// measure averages the departure rate over rateThreshold bytes at a time, while
// the queue is long enough to keep the link busy.
func (v *Vars) measure(t Ticks, size uint64, backlog int) {
	if backlog >= rateThreshold && !v.measuring {
		v.measuring, v.dqCount, v.lastOut = true, 0, t
	}
	if !v.measuring {
		return
	}
	v.dqCount += size
	span := t - v.lastOut
	if v.dqCount < rateThreshold || span == 0 {
		return
	}
	rate := v.dqCount << rateScale / uint64(span)
	if v.AvgRate == 0 {
		v.AvgRate = rate
	} else {
		v.AvgRate += rate>>3 - v.AvgRate>>3
	}
	v.measuring, v.dqCount, v.lastOut = backlog >= rateThreshold, 0, t
	v.spendBurst(span)
}

func (v *Vars) spendBurst(span Ticks) { v.BurstTime -= min(v.BurstTime, span) }
