package link

import (
	"math"
	"math/bits"
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/tc"
)

// Rate is a wire: one packet at a time, each for its length at the rate, then a
// propagation delay.
//
// A packet of n bytes, as Framing has it, occupies the link for n·8/BitsPerSec
// seconds. The division's remainder is carried to the next packet of the same
// busy period, so a long burst takes exactly its bytes' time, to the nanosecond.
type Rate struct {
	// BitsPerSec is the rate; more than 0.
	BitsPerSec uint64
	// Delay is the propagation delay.
	Delay time.Duration
	Framing

	carry uint64 // remainder in bit·ns, less than BitsPerSec
	idle  pkt.Time
}

// Transmit implements Link.
func (l *Rate) Transmit(now pkt.Time, src Source, out Outcome) (pkt.Time, bool) {
	p := src.Take(now)
	if p == nil {
		return now, false
	}
	if now != l.idle {
		l.carry = 0 // a new busy period
	}
	free := pkt.Horizon
	if took := l.airtime(p); took < uint64(pkt.Horizon-now) {
		free = now + pkt.Time(took)
	}
	l.idle = free
	out.Deliver(free.Add(l.Delay), p)
	return free, true
}

// airtime is how long p occupies the link, in nanoseconds.
func (l *Rate) airtime(p *pkt.Packet) uint64 {
	n := l.add(p)
	if !l.plain() {
		n = l.cut(p)
	}
	hi, lo := bits.Mul64(n*8, 1e9)
	lo, c := bits.Add64(lo, l.carry, 0)
	hi += c
	if hi >= l.BitsPerSec { // centuries
		return 1 << 63
	}
	q, r := bits.Div64(hi, lo, l.BitsPerSec)
	l.carry = r
	return q
}

// Kind implements Link.
func (l *Rate) Kind() string { return "rate" }

// Options implements Link.
func (l *Rate) Options() []tc.Field {
	w := l.words()
	return append(tc.Options{w[0], delayOption(&l.Delay)}, w[1:]...).Fields()
}

func (l *Rate) words() tc.Options {
	rate := tc.Rate("rate", &l.BitsPerSec, "bits per second").Shown(func(f tc.Field) tc.Field {
		f.Text = exactRate(l.BitsPerSec)
		return f
	})
	return append(tc.Options{rate}, l.Framing.options()...)
}

func (l *Rate) propagation() *time.Duration { return &l.Delay }
func (l *Rate) peak() uint64                { return l.BitsPerSec }

// Holds implements Holder.
func (l *Rate) Holds(smallest int) uint64 { return held(l.BitsPerSec, smallest, l.Delay) }

// held is how many packets fit into a delay at a rate; at most MaxInt32.
func held(bps uint64, smallest int, delay time.Duration) uint64 {
	hi, lo := bits.Mul64(bps/8/uint64(smallest), uint64(delay))
	if hi >= uint64(time.Second) {
		return math.MaxInt32
	}
	q, _ := bits.Div64(hi, lo, uint64(time.Second))
	return min(q, math.MaxInt32)
}
