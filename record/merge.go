package record

import (
	"slices"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// merge brings what several captures hand over into order of time; equal times
// are in the order of the queues. It belongs to the writer.
//
// What a capture has handed over may be written up to the time that nothing the
// others still hold can be before. A capture says so in two ways: each of its
// blocks has a time that all that follows is not before; and while it holds
// none it is idle, which it takes back before it reads the clock for a packet. So
// if it is idle after the writer read the clock, its next packet is later.
// A capture holds a block for some 50 ms, and that long the others wait.
type merge struct {
	queues []mergeQueue
	clock  Clock
	to     sink
}

// sink is what a merge needs of a writer.
type sink interface {
	packet(b *block, e *entry)
	Event(e traces.Event)
}

// mergeQueue is a capture as the writer sees it.
type mergeQueue struct {
	ring   *ring
	blocks []*block // handed over and not written, oldest first
	entry  int      // the next of the first block to write
	event  int      // likewise
	// bound is what all not in blocks is not before.
	bound pkt.Time
	idle  bool // as last looked at
}

func newMerge(rings []*ring, clock Clock, to sink) *merge {
	m := &merge{queues: make([]mergeQueue, len(rings)), clock: clock, to: to}
	for i, r := range rings {
		m.queues[i] = mergeQueue{ring: r, bound: -pkt.Never}
	}
	return m
}

// add takes a block.
func (m *merge) add(b *block) {
	q := &m.queues[b.ring.queue]
	q.bound = b.until
	if b.empty() {
		q.ring.free <- b
		return
	}
	q.blocks = append(q.blocks, b)
}

// write writes what is in order for certain.
func (m *merge) write() {
	if len(m.queues) > 1 {
		m.look()
	}
	for m.run(false) {
	}
}

// rest writes everything: the captures have ended.
func (m *merge) rest() {
	for m.run(true) {
	}
}

// look takes note of captures that hold nothing. What they handed over before
// is in the channel, and comes first.
func (m *merge) look() {
	now := m.clock.Now()
	for i := range m.queues {
		q := &m.queues[i]
		q.idle = q.ring.idle.Load()
	}
	for more := true; more; {
		select {
		case b, ok := <-m.queues[0].ring.full:
			if more = ok; ok {
				m.add(b)
			}
		default:
			more = false
		}
	}
	for i := range m.queues {
		if q := &m.queues[i]; q.idle {
			q.bound = max(q.bound, now)
		}
	}
}

// key is a place in the order.
type key struct {
	time  pkt.Time
	queue int
}

func (k key) before(l key) bool { return k.time < l.time || k.time == l.time && k.queue < l.queue }

// run writes from the queue whose turn it is for as long as it is, and reports
// whether there was anything. Where all captures have ended, those that have
// nothing left need not be waited for.
func (m *merge) run(ended bool) bool {
	turn, after := key{pkt.Never, len(m.queues)}, key{pkt.Never, len(m.queues)}
	for i := range m.queues {
		q := &m.queues[i]
		k := key{q.bound, i}
		switch {
		case len(q.blocks) > 0:
			k.time = q.next()
		case ended:
			continue
		}
		if k.before(turn) {
			turn, after = k, turn
		} else if k.before(after) {
			after = k
		}
	}
	if turn.queue == len(m.queues) || len(m.queues[turn.queue].blocks) == 0 {
		return false
	}
	q := &m.queues[turn.queue]
	for len(q.blocks) > 0 && (key{q.next(), turn.queue}).before(after) {
		q.write(m.to)
	}
	return true
}

// eventNext says that an event comes before the next entry.
func (q *mergeQueue) eventNext() bool {
	b := q.blocks[0]
	return q.event < len(b.events) && b.events[q.event].at <= q.entry
}

// next is the time of the next entry or event. There must be one.
func (q *mergeQueue) next() pkt.Time {
	if q.eventNext() {
		return q.blocks[0].events[q.event].Time
	}
	return q.blocks[0].entries[q.entry].time
}

// write writes the next entry or event, and gives a block back after its last.
func (q *mergeQueue) write(to sink) {
	b := q.blocks[0]
	if q.eventNext() {
		to.Event(b.events[q.event].Event)
		q.event++
	} else {
		to.packet(b, &b.entries[q.entry])
		q.entry++
	}
	if q.entry == len(b.entries) && q.event == len(b.events) {
		q.blocks = slices.Delete(q.blocks, 0, 1)
		q.entry, q.event = 0, 0
		q.ring.free <- b
	}
}
