package pie

import (
	"math/bits"
	"time"

	"github.com/uqtool/uq/sim/pkt"
)

// tuning is RFC 8033's table of gains: below a probability both are shifted
// right, so that the controller stays stable where a little does much.
var tuning = [...]struct {
	below uint64
	shift uint
}{
	{MaxProb / 1000000, 11}, {MaxProb / 100000, 9}, {MaxProb / 10000, 7},
	{MaxProb / 1000, 5}, {MaxProb / 100, 3}, {MaxProb / 10, 1}, {MaxProb + 1, 0},
}

// maxStep caps what an update adds while the probability is capAbove or more.
// What lies above highDelay adds fastStep.
const (
	maxStep   = MaxProb / 100 * 2
	fastStep  = MaxProb / 50
	capAbove  = MaxProb / 10
	highDelay = Ticks(uint64(250*time.Millisecond) >> tickShift)
)

// band is the row of tuning for prob, and the probabilities it covers.
func band(prob uint64) (shift uint, low, high uint64) {
	for _, t := range tuning {
		if prob < t.below {
			return t.shift, low, t.below - 1
		}
		low = t.below
	}
	return 0, low, MaxProb // not reached: probabilities end at MaxProb
}

// gain converts sixteenths per second to probability per tick.
func gain(sixteenths int) uint64 {
	return uint64(sixteenths) * (MaxProb / ticksPerSecond) >> 4
}

// EndPI is the largest step, on either side.
const EndPI = 1 << 60

// PI is the proportional-integral step: alpha for the deviation of the delay from
// target, beta for its change since old. It ends at EndPI, and no intermediate
// result wraps.
func PI(qdelay, target, old int64, alpha, beta uint64) int64 {
	hi, lo := product(qdelay-target, alpha)
	hi2, lo2 := product(qdelay-old, beta)
	lo, carry := bits.Add64(lo, lo2, 0)
	hi, _ = bits.Add64(hi, hi2, carry)
	switch {
	case int64(hi) > 0 || hi == 0 && lo > EndPI:
		return EndPI
	case int64(hi) < -1 || int64(hi) == -1 && lo < 1<<64-EndPI:
		return -EndPI
	}
	return int64(lo)
}

// product is the 128-bit two's complement of span times gain.
func product(span int64, gain uint64) (hi, lo uint64) {
	if span >= 0 {
		return bits.Mul64(uint64(span), gain)
	}
	hi, lo = bits.Mul64(uint64(-span), gain)
	lo, borrow := bits.Sub64(0, lo, 0)
	hi, _ = bits.Sub64(0, hi, borrow)
	return hi, lo
}

// delta is what an update adds to prob.
func (par *Params) delta(prob uint64, qdelay, old Ticks) int64 {
	shift, _, _ := band(prob)
	d := PI(int64(qdelay), int64(par.Target), int64(old), par.Alpha>>shift, par.Beta>>shift)
	if d > fastStep && prob >= capAbove {
		d = maxStep
	}
	if qdelay > highDelay {
		d += fastStep
	}
	return d
}

// add keeps a probability between 0 and 1.
func add(prob uint64, delta int64) uint64 {
	if delta < 0 {
		return prob - min(prob, uint64(-delta))
	}
	return min(prob+uint64(delta), MaxProb)
}

// delays are the delay an update now would see, and the one it compares with.
func (v *Vars) delays(backlog int, par *Params) (now, old Ticks) {
	if !par.DequeueRate {
		return v.QDelay, v.QDelayOld
	}
	if v.AvgRate > 0 {
		now = Ticks(uint64(backlog) << rateScale / v.AvgRate)
	}
	return now, v.QDelay
}

// update is what happens every tupdate.
func (v *Vars) update(backlog int, par *Params) {
	qdelay, old := v.delays(backlog, par)
	v.QDelayOld = old
	v.Prob = add(v.Prob, par.delta(v.Prob, qdelay, old))
	if qdelay == 0 && old == 0 && backlog == 0 {
		v.Prob -= v.Prob / 64
	}
	v.QDelay = qdelay
	if low := par.Target / 2; qdelay < low && old < low && v.Prob == 0 && (!par.DequeueRate || v.AvgRate > 0) {
		v.rest()
	}
	if !par.DequeueRate {
		v.QDelayOld = qdelay
	}
}

// Update makes n updates of a queue of backlog bytes that nothing else touches
// meanwhile. Its work is bounded however large n is.
func (v *Vars) Update(n int64, backlog int, par *Params) {
	for n > 0 {
		before := *v
		v.update(backlog, par)
		if n--; n == 0 || *v == before {
			return
		}
		n -= v.skip(n, backlog, par)
	}
}

// skip makes those of the next n updates at once that only add the same step
// to the probability, and says how many: the delay does not change, and the
// gains are those of one band. An idle queue's decay is no such step, but ends
// within some thousand updates.
func (v *Vars) skip(n int64, backlog int, par *Params) int64 {
	qdelay, old := v.delays(backlog, par)
	if qdelay != old || qdelay == 0 && backlog == 0 {
		return 0
	}
	_, low, high := band(v.Prob)
	switch d := par.delta(v.Prob, qdelay, old); {
	case d > 0:
		n = min(n, int64(high-v.Prob)/d)
		v.Prob += uint64(n * d)
	case d < 0 && v.Prob > low:
		n = min(n, int64(v.Prob-low-1)/-d)
		v.Prob -= uint64(n * -d)
	default:
		return 0
	}
	if n > 0 {
		v.QDelayOld = old
	}
	return n
}

// FirstUpdate is when a qdisc made at 0 updates first.
const FirstUpdate = pkt.Time(500 * time.Millisecond)

// Due says how many times a timer that is next due at *next has fired until
// now, now included, and moves *next on.
func Due(next *pkt.Time, now pkt.Time, every time.Duration) int64 {
	if now < *next {
		return 0
	}
	n := int64(now-*next)/int64(every) + 1
	*next += pkt.Time(n * int64(every))
	return n
}
