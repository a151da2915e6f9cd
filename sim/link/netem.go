package link

import (
	"math"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/tc"
)

// Netem is a wire with the impairments of tc's netem behind it, in front of it,
// or both. See the package for what that means and [New] for the words.
//
// Behind the wire a packet is first duplicated or lost, then corrupted, delayed
// and put into a slot. A copy goes the same way by itself, but is not duplicated
// again; a packet that is both duplicated and lost arrives once. With ecn a
// packet that can be marked is marked with CE instead of lost. All as in netem.
//
// What differs from netem:
//
//   - It stands behind the scheduler. In Linux netem is a queue of its own, and a
//     qdisc inside it sees packets after their delay.
//   - No limit of 1000 packets unless one is given, or a slot: a delay is a path,
//     which holds what is on it. What exceeds a limit is lost.
//   - Correlation works for delays: netem takes the low bits of its correlated
//     numbers to look a delay up, and those are as good as independent.
//   - Tables of distributions are uq's own, exact in mean and deviation and with
//     longer tails.
//   - A copy arrives after its original where both are due at once.
//   - Slots are handed out in the order in which packets left, and a slot is
//     acquired when a packet is ready, not when it came.
//   - corrupt says that a packet arrives damaged. Simulated there are no bits to
//     flip, and the receiver's checksum would drop it; live one bit behind the IP
//     header is flipped, where netem may hit any of a frame.
//   - Delays below zero, which much jitter makes, are zero.
//
// What is the same and often surprises: jitter reorders packets, since each is
// delayed by itself; a rate alone does not. reorder lets a share of packets skip
// the delay altogether, and needs one. Correlated numbers crowd around the middle,
// so that "loss 1% 25%" loses a few packets of a million: for losses in bursts
// take the models gemodel or state.
type Netem struct {
	wire wire
	// front and behind are what happens before and after the wire.
	front, behind stage

	changed bool // something is in front

	src  Source
	out  Outcome
	copy *pkt.Packet // made in front, to be sent next
}

// stage are the impairments on one side of the wire.
type stage struct {
	delay              spread
	loss               loss
	ecn                bool
	dup, corrupt, swap chance // swap is reorder
	gap                int
	slot               slot
	limit              int // packets behind the wire at once; 0 has none

	count int      // packets since the last that skipped the delay
	held  landings // of what is behind the wire, if there is a limit
}

// Transmit implements Link.
func (n *Netem) Transmit(now pkt.Time, src Source, out Outcome) (pkt.Time, bool) {
	s := &n.front.slot
	if s.on && !s.held {
		s.acquire(now)
		if s.held = true; s.open > now {
			return s.open, true
		}
	}
	n.src, n.out = src, out
	if n.changed {
		src = (*before)(n)
	}
	free, busy := n.wire.Transmit(now, src, (*after)(n))
	n.src, n.out = nil, nil
	if !busy || s.packetsLeft <= 0 || s.bytesLeft <= 0 {
		s.held = false
	}
	return free, busy
}

// before is a Netem as the wire's Source.
type before Netem

// Take implements Source.
func (n *before) Take(now pkt.Time) *pkt.Packet {
	if p := n.copy; p != nil {
		n.copy = nil
		return n.sent(p)
	}
	f := &n.front
	for {
		p := n.src.Take(now)
		if p == nil {
			return nil
		}
		lost := f.loses(p)
		switch dup := f.dup.hit(); {
		case lost && !dup:
			n.out.Lose(now, p)
			continue
		case dup && !lost:
			n.copy = n.out.Duplicate(p)
		}
		return n.sent(p)
	}
}

// sent is p on its way to the wire.
func (n *before) sent(p *pkt.Packet) *pkt.Packet {
	if n.front.corrupt.hit() {
		p.Flaws |= pkt.Corrupted
	}
	if n.front.slot.on {
		n.front.slot.use(p)
	}
	return p
}

// after is a Netem as the wire's Outcome.
type after Netem

// Deliver implements Outcome: p comes off the wire at the instant at.
func (n *after) Deliver(at pkt.Time, p *pkt.Packet) {
	b := &n.behind
	lost := b.loses(p)
	switch dup := b.dup.hit(); {
	case lost && !dup:
		n.out.Lose(at, p)
		return
	case dup && !lost:
		c := n.out.Duplicate(p)
		n.pass(at, p)
		if b.loses(c) {
			n.out.Lose(at, c)
		} else {
			n.pass(at, c)
		}
		return
	}
	n.pass(at, p)
}

// pass lets a packet through that was not lost.
func (n *after) pass(at pkt.Time, p *pkt.Packet) {
	b := &n.behind
	if b.limit > 0 {
		if b.held.until(at); len(b.held) >= b.limit {
			n.out.Lose(at, p)
			return
		}
	}
	if b.corrupt.hit() {
		p.Flaws |= pkt.Corrupted
	}
	if !b.skips() {
		at = at.Add(b.delay.draw())
	}
	if b.slot.on {
		at = b.slot.behind(at, p)
	}
	if b.limit > 0 {
		b.held.push(at)
	}
	n.out.Deliver(at, p)
}

// Lose implements Outcome.
func (n *after) Lose(at pkt.Time, p *pkt.Packet) { n.out.Lose(at, p) }

// Duplicate implements Outcome.
func (n *after) Duplicate(p *pkt.Packet) *pkt.Packet { return n.out.Duplicate(p) }

// loses says whether the stage loses p; where it may, it marks p instead.
func (s *stage) loses(p *pkt.Packet) bool {
	if !s.loss.hit() {
		return false
	}
	if s.ecn && p.ECN() != pkt.NotECT {
		if p.ECN() != pkt.CE {
			p.SetCE(pkt.LinkLoss)
		}
		return false
	}
	return true
}

// skips says whether the next packet overtakes those before it: of each gap
// packets the last is asked by chance.
func (s *stage) skips() bool {
	if s.gap == 0 {
		return false
	}
	if s.count < s.gap-1 || !s.swap.hit() {
		s.count++
		return false
	}
	s.count = 0
	return true
}

// Kind implements Link.
func (n *Netem) Kind() string { return n.wire.Kind() }

// Options implements Link.
func (n *Netem) Options() []tc.Field {
	f := append(n.wire.Options(), n.behind.options().Fields()...)
	return append(f, frontOption(&n.front).Fields()...)
}

// Holds implements Holder.
func (n *Netem) Holds(smallest int) uint64 {
	inside := uint64(0)
	if f, ok := n.wire.(*foreign); ok {
		inside = f.Holds(smallest)
	}
	b := &n.behind
	if b.limit > 0 {
		return uint64(b.limit) + inside
	}
	return held(n.wire.peak(), smallest, b.delay.longest()) + inside
}

// Rewrites implements Rewriter.
func (n *Netem) Rewrites() []string {
	var words []string
	if n.front.corrupt.p > 0 || n.behind.corrupt.p > 0 {
		words = append(words, "corrupt")
	}
	if n.front.dup.p > 0 || n.behind.dup.p > 0 {
		words = append(words, "duplicate")
	}
	return words
}

// landings are the times at which packets arrive, a heap with the least first.
type landings []pkt.Time

// until takes those out that are not after t.
func (h *landings) until(t pkt.Time) {
	for len(*h) > 0 && (*h)[0] <= t {
		h.pop()
	}
}

func (h *landings) push(t pkt.Time) {
	*h = append(*h, t)
	a := *h
	i := len(a) - 1
	for ; i > 0 && a[(i-1)/2] > t; i = (i - 1) / 2 {
		a[i] = a[(i-1)/2]
	}
	a[i] = t
}

func (h *landings) pop() {
	a := *h
	n := len(a) - 1
	t := a[n]
	*h = a[:n]
	i := 0
	for {
		c := 2*i + 1
		if c+1 < n && a[c+1] < a[c] {
			c++
		}
		if c >= n || a[c] >= t {
			break
		}
		a[i] = a[c]
		i = c
	}
	if n > 0 {
		a[i] = t
	}
}

// maxLimit bounds a stage's limit.
const maxLimit = math.MaxInt32

// slotLimit is the limit where a slot makes packets wait, netem's own.
const slotLimit = 1000
