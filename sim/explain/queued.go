package explain

import (
	"sort"

	"github.com/uqtool/uq/sim/pkt"
)

// queued is the set of packets in the queue, in order of their numbers. It takes
// the room of at most twice as many as there are.
type queued struct {
	items []waiting
	live  int
}

// waiting is a packet in the queue, or one that left.
type waiting struct {
	id   uint64
	flow *pkt.Flow
	len  uint32
	gone bool
}

// add adds a packet whose number is above all others'.
func (q *queued) add(p *pkt.Packet) {
	q.items = append(q.items, waiting{id: p.ID, flow: p.Flow, len: p.Len})
	q.live++
}

// remove takes a packet out and says whether it was there.
func (q *queued) remove(id uint64) bool {
	i := sort.Search(len(q.items), func(i int) bool { return q.items[i].id >= id })
	if i == len(q.items) || q.items[i].id != id || q.items[i].gone {
		return false
	}
	q.items[i].gone = true
	if q.live--; len(q.items) > 2*q.live+64 {
		q.compact()
	}
	return true
}

func (q *queued) compact() {
	kept := q.items[:0]
	for _, w := range q.items {
		if !w.gone {
			kept = append(kept, w)
		}
	}
	clear(q.items[len(kept):])
	q.items = kept
}

// each calls f for every packet in the queue.
func (q *queued) each(f func(*waiting)) {
	for i := range q.items {
		if !q.items[i].gone {
			f(&q.items[i])
		}
	}
}
