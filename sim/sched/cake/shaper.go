package cake

import (
	"math/bits"
	"time"

	"github.com/uqtool/uq/sim/pkt"
)

// rate is a rate as time per byte, in fixed point with shift fractional bits,
// so that charging a packet needs no division. The zero value is no limit.
type rate struct {
	bytesPerSec uint64
	ns          uint64
	shift       uint
}

// minRate keeps a clock from running so far ahead that it never comes back, in
// bytes per second.
const minRate = 64

func newRate(bytesPerSec uint64) rate {
	if bytesPerSec == 0 {
		return rate{}
	}
	r := rate{bytesPerSec: bytesPerSec, shift: 34}
	hi, lo := bits.Mul64(1e9, 1<<34)
	r.ns, _ = bits.Div64(hi, lo, max(minRate, bytesPerSec))
	for r.ns>>34 != 0 {
		r.ns >>= 1
		r.shift--
	}
	return r
}

// unlimited says the rate does not hold anything back.
func (r *rate) unlimited() bool { return r.ns == 0 }

// span is how long n bytes take, rounded down to a nanosecond as in Linux.
func (r *rate) span(n int) time.Duration {
	hi, lo := bits.Mul64(uint64(n), r.ns)
	return time.Duration(hi<<(64-r.shift) | lo>>r.shift)
}

// shaper is a virtual clock that each packet moves on by the time it takes: the
// next one may go when the clock is not ahead of now. There is no bucket, so
// there is no burst, but a late caller may catch up.
type shaper struct {
	rate
	next pkt.Time
	// failsafe runs at 2/3 of the rate and is not moved by drops: however much
	// was charged for drops, packets go when it allows.
	failsafe pkt.Time
}

// wait returns when the next packet may go, if that is not now.
func (s *shaper) wait(now pkt.Time) (at pkt.Time, must bool) {
	if s.next > now && s.failsafe > now {
		return min(s.next, s.failsafe), true
	}
	return 0, false
}

// wake starts the clock anew for a packet that finds the queue empty: time
// without traffic is no credit.
func (s *shaper) wake(now pkt.Time) {
	if s.next < now {
		s.next, s.failsafe = now, now
	}
}

// charge moves the clock on by n bytes, sent or dropped.
func (s *shaper) charge(n int, dropped bool) {
	d := s.span(n)
	s.next = s.next.Add(d)
	if !dropped {
		s.failsafe = s.failsafe.Add(d + d/2)
	}
}

// clock is a tin's: it does not hold packets back but says whether the tin is
// under its threshold.
type clock struct {
	rate
	next pkt.Time
}

// charge moves the clock on by n bytes. One that lags may catch up; one ahead
// stays within a packet of now.
func (c *clock) charge(now pkt.Time, n int) {
	d := c.span(n)
	if c.next < now {
		c.next = c.next.Add(d)
	} else {
		c.next = max(c.next, now.Add(d))
	}
}

// estimator measures the capacity upstream from what arrives (autorate-ingress).
type estimator struct {
	begun        bool
	last         pkt.Time // packet
	windowBegin  pkt.Time
	windowBytes  uint64
	avgGap       uint64 // ns
	peak         uint64 // bytes per second
	reconfigured pkt.Time
}

// reconfigureGap is the least time between changes of the shaper's rate.
const reconfigureGap = 250 * time.Millisecond

// arrive counts bytes arriving at now and reports whether the rate is to be set
// anew. A gap longer than usual ends a window, so that bursts, such as WiFi's
// aggregates, are measured with the pause after them. Before the first packet
// there was nothing for ever.
func (e *estimator) arrive(now pkt.Time, bytes int) (anew bool) {
	e.windowBytes += uint64(bytes)
	gap := uint64(time.Second)
	if e.begun {
		gap = min(gap, uint64(now.Sub(e.last)))
	}
	shift := uint(8)
	if gap > e.avgGap {
		shift = 2
	}
	e.avgGap = ewma(e.avgGap, gap, shift)
	e.last = now
	if gap <= e.avgGap {
		return false
	}
	e.measure(now)
	if e.begun && now.Sub(e.reconfigured) <= reconfigureGap {
		return false
	}
	e.begun, e.reconfigured = true, now
	return true
}

// measure ends the window at now.
func (e *estimator) measure(now pkt.Time) {
	seen := uint64(0)
	if e.begun {
		hi, lo := bits.Mul64(e.windowBytes, uint64(time.Second))
		if span := uint64(now.Sub(e.windowBegin)); span > hi {
			seen, _ = bits.Div64(hi, lo, span)
		} else {
			seen = e.peak // more than fits: no information
		}
	}
	shift := uint(8)
	if seen > e.peak {
		shift = 2
	}
	e.peak = ewma(e.peak, seen, shift)
	e.windowBytes, e.windowBegin = 0, now
}
