package replay

import (
	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// entry is a packet between its arrival and its place in the trace.
type entry struct {
	rec traces.Record
	// flow is the packet's if the table of flows had no room for it. Packets may
	// point here, and after the ring has grown into the old one.
	flow pkt.Flow
	// packet names it to the kernel.
	packet nfq.Ref
	// decided is set once the port let go of the packet; round is the loop's
	// round in which the verdict was sent, from 1, or 0.
	decided bool
	round   uint64
	// bytes are the packet's, where the link may need them, and copies how many
	// copies of it the link has.
	bytes  []byte
	copies int
}

// held keeps entries in order of arrival, which is the trace's, from the oldest
// that may not be written yet. Entry number n is packet n of the port. Its size
// is bounded by the kernel's queue and the copies on the link.
type held struct {
	ring []entry // length a power of two
	base uint64  // number of the oldest
	n    int
}

func (h *held) at(id uint64) *entry { return &h.ring[id&uint64(len(h.ring)-1)] }

// push returns the entry of the next packet, cleared but for its times.
func (h *held) push() (uint64, *entry) {
	if h.n == len(h.ring) {
		h.grow()
	}
	id := h.base + uint64(h.n)
	h.n++
	e := h.at(id)
	*e = entry{}
	e.rec.VerdictTime, e.rec.Dequeued, e.rec.Due = traces.NoTime, traces.NoTime, traces.NoTime
	return id, e
}

func (h *held) grow() {
	ring := make([]entry, max(2*len(h.ring), 256))
	for id := h.base; id < h.base+uint64(h.n); id++ {
		ring[id&uint64(len(ring)-1)] = *h.at(id)
	}
	h.ring = ring
}

// settled returns the oldest entry if it is decided, its copies too, and its
// verdict was sent before the given round, so that the kernel has had its say.
func (h *held) settled(round uint64) *entry {
	if h.n == 0 {
		return nil
	}
	if e := h.at(h.base); e.round > 0 && e.round < round && e.copies == 0 {
		return e
	}
	return nil
}

func (h *held) pop() {
	h.base++
	h.n--
}

// undecided calls f for every entry the port still has, oldest first.
func (h *held) undecided(f func(*entry)) {
	for id := h.base; id < h.base+uint64(h.n); id++ {
		if e := h.at(id); !e.decided {
			f(e)
		}
	}
}

// gone marks the entry of a packet whose verdict came too late and reports
// whether it was found. Verdicts go out in the order of decisions, so the search
// is over all that is held, from the newest.
func (h *held) gone(r nfq.Ref) bool {
	for i := h.n; i > 0; i-- {
		if e := h.at(h.base + uint64(i-1)); e.packet == r {
			e.rec.Info |= traces.Gone
			return true
		}
	}
	return false
}

// decide notes a decision of the port on the entry: e.rec's verdict, reason and
// times.
func (e *entry) decide(v traces.Verdict, why pkt.Reason, at pkt.Time) {
	e.decided = true
	e.rec.Verdict, e.rec.Due = v, at
	if why != pkt.NoReason {
		e.rec.Reason = why
	}
	if e.rec.Dequeued == traces.NoTime {
		e.rec.Dequeued = at
	}
}
