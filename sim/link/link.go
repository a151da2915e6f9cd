// Package link holds the models of what stands behind a scheduler: when it may
// send, how long that takes and what arrives.
//
// A link is passive like everything that decides: it is told that it is free
// and answers when it will be again.
//
//	scheduler ──► front ──► wire ──► behind ──► far end
//	              loss      rate     delay, loss, reorder, duplicate,
//	              slot …    schedule corrupt, slot
//
// The wire is one of [Rate], [RateFile], [Schedule] and [Unlimited]. Around it
// [Netem] puts the impairments of tc's netem, in its words. [New] reads them:
//
//	rate 20mbit delay 10ms
//	rate 20mbit overhead 22 atm delay 10ms 2ms 25% distribution normal
//	schedule lte.up loss gemodel 1% 10% front duplicate 0.1%
//
// What comes before the word "front" lies behind the wire: a packet that is lost
// there has used its airtime. What comes after it lies before the wire: a packet
// that is lost there costs no airtime, and the scheduler is asked for the next.
// Only what holds no packets can be in front, since what holds them there is the
// scheduler: loss, ecn, duplicate, corrupt, and slot, which withholds the
// opportunity to send.
//
// Links of other packages, such as sim/link/wifi's medium of an access point, are
// added to the list of [Kinds]; impairments can stand [Behind] them.
package link

import (
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/tc"
)

// Link turns transmission opportunities into outcomes.
//
// One opportunity may take no packet (a contention that fails), one (a wire) or
// several (an aggregate); what it takes leaves the scheduler at the
// opportunity's start and arrives when the link says.
type Link interface {
	// Transmit uses the opportunity that starts at now. It asks src at least
	// once, unless it is busy without a packet. It returns when the link is free
	// again, at or after now; busy is false if src had nothing left and the link
	// stays free.
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

// Holder is implemented by links that keep packets on their way for a time.
type Holder interface {
	// Holds is how many packets of at least so many bytes may be on their way at
	// once, as far as the link's rate bounds them.
	Holds(smallest int) uint64
}

// Rewriter is implemented by links that do to packets what cannot be done by
// somebody who only accepts or drops them, and sees their headers only.
type Rewriter interface {
	// Rewrites are the words for it: "corrupt", "duplicate". Empty for none.
	Rewrites() []string
}

// Rewrites is what l does to packets that needs all their bytes.
func Rewrites(l Link) []string {
	if r, ok := l.(Rewriter); ok {
		return r.Rewrites()
	}
	return nil
}

// wire is a link that New can put impairments around.
type wire interface {
	Link
	// words are the wire's own, its delay not among them.
	words() tc.Options
	// propagation is where the wire keeps a constant delay.
	propagation() *time.Duration
	// peak is the most bits a second it carries; 0 is unknown.
	peak() uint64
}

// fields are a wire's words and its delay, as they are printed.
func fields(w wire) []tc.Field {
	return append(w.words(), delayOption(w.propagation())).Fields()
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
func (l *Unlimited) Options() []tc.Field { return fields(l) }

func (l *Unlimited) words() tc.Options {
	return tc.Options{tc.Word("unlimited", "send at once: no queue builds", func() {})}
}
func (l *Unlimited) propagation() *time.Duration { return &l.Delay }
func (l *Unlimited) peak() uint64                { return 0 }
