// Package link holds the models of what stands behind a scheduler: when it may
// send, how long that takes and what arrives.
//
// A link is passive like everything that decides: it is told that it is free
// and answers when it will be again.
package link

import (
	"fmt"
	"math/bits"
	"strings"
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/random"
	"github.com/uqtool/uq/sim/tc"
)

// Link turns transmission opportunities into outcomes.
//
// One opportunity may take no packet (a contention that fails), one (a wire) or
// several (an aggregate); what it takes leaves the scheduler at the
// opportunity's start and arrives when the link says.
type Link interface {
	// Transmit uses the opportunity that starts at now. It asks src at least
	// once. It returns when the link is free again, at or after now; busy is
	// false if src had nothing and the link stays free.
	Transmit(now pkt.Time, src Source, out Outcome) (free pkt.Time, busy bool)

	// Kind and Options describe the link in tc's words.
	Kind() string
	Options() []tc.Field
}

// Source is the scheduler as a link sees it.
type Source interface {
	// Take removes and returns the packet to send at now, or nil. The link owns
	// it until it hands it to the Outcome.
	Take(now pkt.Time) *pkt.Packet
}

// Outcome is where a link says what became of the packets it took. Every packet
// taken, and every copy made, goes to exactly one of Deliver and Lose.
type Outcome interface {
	// Deliver says p reaches the far end at the instant at, not before now.
	Deliver(at pkt.Time, p *pkt.Packet)
	// Lose says p is lost on the link at the instant at, not before now.
	Lose(at pkt.Time, p *pkt.Packet)
	// Duplicate returns a copy of p, which the link owns as it owns p.
	Duplicate(p *pkt.Packet) *pkt.Packet
}

// Unlimited sends at once: the queue never builds. Delay is added to every
// packet.
type Unlimited struct {
	Delay time.Duration
}

// Transmit implements Link.
func (l *Unlimited) Transmit(now pkt.Time, src Source, out Outcome) (pkt.Time, bool) {
	p := src.Take(now)
	if p == nil {
		return now, false
	}
	out.Deliver(now.Add(l.Delay), p)
	return now, true
}

// Kind implements Link.
func (l *Unlimited) Kind() string { return "unlimited" }

// Options implements Link.
func (l *Unlimited) Options() []tc.Field { return tc.Options{delayOption(&l.Delay)}.Fields() }

// Rate is a wire: one packet at a time, each for its length at the rate, then a
// propagation delay.
//
// A packet of n bytes occupies the link for (n + Overhead·segments)·8/BitsPerSec
// seconds. The division's remainder is carried to the next packet of the same
// busy period, so a long burst takes exactly its bytes' time, to the nanosecond.
type Rate struct {
	// BitsPerSec is the rate; more than 0.
	BitsPerSec uint64
	// Delay is the propagation delay.
	Delay time.Duration
	// Overhead is added to every packet on the wire, in bytes; negative where
	// the link's framing is shorter than the Ethernet header that pkt.Packet.Len
	// contains.
	Overhead int

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
	n := max(int64(p.Len)+int64(l.Overhead)*int64(p.Segs), 0)
	hi, lo := bits.Mul64(uint64(n)*8, 1e9)
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
func (l *Rate) Options() []tc.Field { return l.options().Fields() }

func (l *Rate) options() tc.Options {
	return tc.Options{
		tc.Rate("rate", &l.BitsPerSec, "bits per second"),
		delayOption(&l.Delay),
		tc.Int("overhead", &l.Overhead, -64, 256, "bytes added to each packet on the wire (0)"),
	}
}

// maxDelay bounds propagation: Earth to Mars and back fits.
const maxDelay = time.Hour

func delayOption(d *time.Duration) tc.Option {
	o := tc.Time("delay", d, maxDelay, "propagation delay (0)")
	return o.HiddenIf(func() bool { return *d == 0 })
}

// Env is what a run gives the link it makes.
type Env struct {
	// Seed is the run's.
	Seed uint64
	// ReadFile reads a file that the words name; nil allows none.
	ReadFile func(name string) ([]byte, error)
}

// Random is the random stream of a part of the link.
func (e *Env) Random(part string) *random.Rand { return random.Stream(e.Seed, "link/"+part) }

// New makes the link a fragment describes: "rate 20mbit delay 10ms overhead 18"
// or "unlimited [delay 10ms]".
func New(spec string, env Env) (Link, error) {
	words := strings.Fields(spec)
	if len(words) > 0 && words[0] == "unlimited" {
		l := &Unlimited{}
		return l, tc.Options{delayOption(&l.Delay)}.Parse("unlimited", words[1:])
	}
	l := &Rate{}
	if err := l.options().Parse("link", words); err != nil {
		return nil, err
	}
	if l.BitsPerSec == 0 {
		return nil, fmt.Errorf("link %q has no rate: write \"rate 20mbit\" or \"unlimited\"", spec)
	}
	return l, nil
}

// Line prints a link as New reads it.
func Line(l Link) string {
	line := tc.Line(l.Kind(), l.Options())
	return strings.TrimPrefix(line, "rate ")
}
