package replay

import (
	"slices"
	"sort"
	"time"

	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

const (
	// maxWaiting is how many records of finished packets may wait for an older
	// packet that is not: some 25 MB.
	maxWaiting = 100_000
	// maxWait is for how long they may, which is what a crash can cost.
	maxWait = time.Minute
)

// entry is a packet between its arrival and its place in the trace.
type entry struct {
	rec traces.Record
	// flow is the packet's if the table of flows had no room for it, from held's
	// store.
	flow *pkt.Flow
	// packet names it to the kernel.
	packet nfq.Ref
	// decided is set once the port let go of the packet; round is the loop's
	// round in which the verdict was sent, from 1, or 0. An entry is over when
	// its verdict was sent and its copies are gone.
	decided, over bool
	round         uint64
	// bytes are the packet's, where the link may need them, and copies how many
	// copies of it the link has.
	bytes  []byte
	copies int
}

// held keeps entries in order of arrival, which is the trace's, from the oldest
// that may not be written yet. Entry number n is packet n of the port. Those
// that are not over are bounded by the kernel's queue and the copies on the
// link; those that are, and wait for an older one, by overdue.
type held struct {
	ring []entry // length a power of two
	base uint64  // number of the oldest
	n    int
	open int // entries of the ring that are not over
	// late are entries whose records have left before they were over.
	late  map[uint64]*entry
	flows []*pkt.Flow // to use again
	// several says that packets came from more than the queue first.
	several, any bool
	first        uint16
}

// at returns the entry of a packet that is not over or whose record has not
// left.
func (h *held) at(id uint64) *entry {
	if id < h.base {
		return h.late[id]
	}
	return &h.ring[id&uint64(len(h.ring)-1)]
}

// push returns the entry of the next packet, cleared but for its times.
func (h *held) push() (uint64, *entry) {
	if h.n == len(h.ring) {
		h.grow()
	}
	id := h.base + uint64(h.n)
	h.n++
	h.open++
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

// identify says which packet of the kernel's e is.
func (h *held) identify(e *entry, r nfq.Ref) {
	e.packet = r
	if !h.any {
		h.any, h.first = true, r.Queue
	}
	h.several = h.several || r.Queue != h.first
}

// flow returns a flow for e alone, as long as e is held.
func (h *held) flow(e *entry) *pkt.Flow {
	if n := len(h.flows); n > 0 {
		e.flow, h.flows = h.flows[n-1], h.flows[:n-1]
	} else {
		e.flow = &pkt.Flow{}
	}
	return e.flow
}

// waiting is how many entries are over and yet here.
func (h *held) waiting() int { return h.n - h.open }

// finish notes that e may be over, and reports whether it just became so.
func (h *held) finish(id uint64, e *entry) bool {
	if e == nil || e.over || e.round == 0 || e.copies > 0 {
		return false
	}
	e.over = true
	if id >= h.base {
		h.open--
	} else {
		h.release(e)
		delete(h.late, id)
	}
	return true
}

// settled returns the oldest entry if it is over and its verdict was sent before
// the given round, so that the kernel has had its say.
func (h *held) settled(round uint64) *entry {
	if h.n == 0 {
		return nil
	}
	if e := h.at(h.base); e.over && e.round < round {
		return e
	}
	return nil
}

// overdue returns the oldest entry if it is not over and the others have waited
// for it too long or are too many.
func (h *held) overdue(now pkt.Time) *entry {
	if h.waiting() == 0 {
		return nil
	}
	e := h.at(h.base)
	if e.over || h.waiting() <= maxWaiting && now.Sub(e.rec.Time) <= maxWait {
		return nil
	}
	return e
}

// pop drops the oldest entry.
func (h *held) pop() {
	e := h.at(h.base)
	h.release(e)
	if !e.over {
		h.open--
	}
	h.base++
	h.n--
}

// keep moves the oldest entry to the late ones.
func (h *held) keep() {
	if h.late == nil {
		h.late = map[uint64]*entry{}
	}
	e := h.at(h.base)
	late := *e
	h.late[h.base] = &late
	e.flow = nil // has moved
	h.pop()
}

func (h *held) release(e *entry) {
	if e.flow != nil {
		h.flows, e.flow = append(h.flows, e.flow), nil
	}
}

// undecided calls f for every entry the port still has, oldest first, and
// returns how many of them are late.
func (h *held) undecided(f func(*entry)) (late int) {
	ids := make([]uint64, 0, len(h.late))
	for id := range h.late {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for id := h.base; id < h.base+uint64(h.n); id++ {
		ids = append(ids, id)
	}
	for _, id := range ids {
		if e := h.at(id); !e.decided {
			f(e)
			if id < h.base {
				late++
			}
		}
	}
	return late
}

// gone marks the entry of a packet whose verdict came too late and reports
// whether it was found; a late one cannot be marked any more.
func (h *held) gone(r nfq.Ref) bool {
	i := h.find(r)
	if i < 0 {
		return false
	}
	h.at(h.base + uint64(i)).rec.Info |= traces.Gone
	return true
}

// find is the place of a packet behind the oldest, or -1. A queue numbers its
// packets in the order in which they come, but for 32 bits; where there are
// several, each has numbers of its own, and all entries are looked at, the newest
// first: verdicts go out in the order of decisions.
func (h *held) find(r nfq.Ref) int {
	packet := func(i int) nfq.Ref { return h.at(h.base + uint64(i)).packet }
	if !h.several {
		i := sort.Search(h.n, func(i int) bool { return int32(packet(i).ID-r.ID) >= 0 })
		if i < h.n && packet(i) == r {
			return i
		}
		return -1
	}
	for i := h.n - 1; i >= 0; i-- {
		if packet(i) == r {
			return i
		}
	}
	return -1
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
