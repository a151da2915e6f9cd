package dualpi2

import (
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched/pie"
)

// maxProb is probability 1: probabilities are fractions of 32 bits.
const maxProb = 1<<32 - 1

// Gains come in units of 1/256 Hz and are kept as probability per 64 ns of
// delay.
const (
	gainUnit  = 256
	gainShift = 6
)

// gain converts 1/256 Hz to probability per 64 ns, rounding down.
func gain(parts int) uint64 { return uint64(parts) * maxProb >> 2 / uint64(time.Second) }

// parts converts back, as Linux prints it: 41 reads 40.
func parts(gain uint64) uint64 { return gain * uint64(time.Second) << 2 / maxProb }

// controller is the PI controller of the base probability p'.
type controller struct {
	prob, top   uint32
	alpha, beta uint64
	target      time.Duration
	every       time.Duration
	next        pkt.Time // update
	last        time.Duration
}

func newController(c *config) controller {
	top := uint32(maxProb)
	if !c.dropOverload {
		top = maxProb / uint32(c.coupling)
	}
	return controller{
		top: top, alpha: gain(c.alpha), beta: gain(c.beta), target: c.target,
		every: c.tupdate, next: pkt.Time(c.tupdate),
	}
}

// delta is what an update adds to the probability; it rounds towards 0.
func (c *controller) delta(qdelay, last time.Duration) int64 {
	return pie.PI(int64(qdelay), int64(c.target), int64(last), c.alpha, c.beta) / (1 << gainShift)
}

func (c *controller) step(qdelay time.Duration) {
	sum := int64(c.prob) + c.delta(qdelay, c.last)
	c.prob = uint32(min(max(sum, 0), int64(c.top)))
	c.last = qdelay
}

// update makes all updates due until now of queues that nothing has touched
// since, and whose older head arrived at oldest. Its work is bounded however
// many they are: what would not change the probability is skipped.
func (c *controller) update(now, oldest pkt.Time) {
	for c.next <= now {
		c.step(c.age(oldest))
		c.next = c.next.Add(c.every)
		if n := int64(now-c.next)/int64(c.every) + 1; now >= c.next {
			c.skip(n, oldest)
		}
	}
}

// age is how old the head is when the next update is due.
func (c *controller) age(oldest pkt.Time) time.Duration {
	if oldest == pkt.Never {
		return 0
	}
	return c.next.Sub(oldest)
}

// skip passes over those of the next n updates whose result is known: an empty
// queue's probability falls by the same step each, and at either end it stays
// there while the delay, which grows by a step of its own, does not turn it.
func (c *controller) skip(n int64, oldest pkt.Time) {
	qdelay := c.age(oldest)
	d := c.delta(qdelay, c.last)
	switch {
	case oldest == pkt.Never && c.last > 0:
		return
	case oldest == pkt.Never && d < 0 && c.prob > 0:
		n = min(n, int64(c.prob)/-d+1)
		c.prob -= uint32(min(int64(c.prob), n*-d))
	case oldest == pkt.Never:
	case c.prob == c.top && d >= 0:
	case c.prob == 0 && d <= 0:
		n = min(n, c.untilRise(qdelay))
	default:
		return
	}
	c.next += pkt.Time(n * int64(c.every))
	c.last = max(0, c.age(oldest)-c.every)
}

// untilRise is how many updates from now on leave a probability of 0 as it is:
// while the growing delay is below target by more than its growth makes up for.
func (c *controller) untilRise(qdelay time.Duration) int64 {
	growth := pie.PI(int64(c.every), 0, 0, 0, c.beta)
	if growth == pie.EndPI {
		return 0
	}
	lack := int64(c.target-qdelay) - growth/int64(c.alpha)
	return max(0, lack/int64(c.every))
}

// flags is a queue of bits.
type flags struct {
	ring    []bool // length a power of two
	head, n int
}

func (f *flags) push(b bool) {
	if f.n == len(f.ring) {
		ring := make([]bool, max(2*len(f.ring), 64))
		for i := range f.n {
			ring[i] = f.ring[(f.head+i)&(len(f.ring)-1)]
		}
		f.ring, f.head = ring, 0
	}
	f.ring[(f.head+f.n)&(len(f.ring)-1)] = b
	f.n++
}

func (f *flags) pop() bool {
	b := f.ring[f.head]
	f.head = (f.head + 1) & (len(f.ring) - 1)
	f.n--
	return b
}
