package egress

import "github.com/uqtool/uq/sim/pkt"

// flight holds what is on the link, ordered by arrival at the far end and, for
// equal times, by departure.
//
// Packets that arrive after all those in the ring, as on most links they do, are
// appended to it; what overtakes them goes into a heap. The first to arrive is
// the first of either.
type flight struct {
	next pkt.Time // arrival of the first; pkt.Never if there is none

	ring []inFlight // length a power of two
	head int
	n    int
	heap []inFlight // the least first

	departed uint64 // seq of the last packet pushed
	latest   uint64 // seq of the last to depart of those that arrived
}

// inFlight is 24 bytes; the departures of 2^63 packets are enough.
type inFlight struct {
	at  pkt.Time
	seq uint64 // departure, from 1, doubled; odd for what is lost
	p   *pkt.Packet
}

func (e *inFlight) lost() bool { return e.seq&1 != 0 }

func (e *inFlight) before(f *inFlight) bool {
	return e.at < f.at || e.at == f.at && e.seq < f.seq
}

func (f *flight) at(i int) *inFlight { return &f.ring[(f.head+i)&(len(f.ring)-1)] }

func newFlight() flight { return flight{next: pkt.Never} }

// least is the first to arrive while the heap has any.
func (f *flight) least() *inFlight {
	if f.n > 0 && f.ring[f.head].before(&f.heap[0]) {
		return &f.ring[f.head]
	}
	return &f.heap[0]
}

// push adds a packet; lost is 0, or 1 for one that will not arrive.
func (f *flight) push(at pkt.Time, p *pkt.Packet, lost uint64) {
	f.departed += 2
	e := inFlight{at: at, seq: f.departed | lost, p: p}
	f.next = min(f.next, at)
	if f.n > 0 && at < f.at(f.n-1).at {
		f.up(e)
		return
	}
	if f.n == len(f.ring) {
		f.grow()
	}
	*f.at(f.n) = e
	f.n++
}

// pop takes the first to arrive out.
func (f *flight) pop() (e inFlight) {
	if len(f.heap) > 0 {
		return f.popLeast()
	}
	e, f.next = f.shift(), pkt.Never
	if f.n > 0 {
		f.next = f.ring[f.head].at
	}
	return e
}

// popLeast is pop while the heap has any.
func (f *flight) popLeast() (e inFlight) {
	if f.least() == &f.heap[0] {
		e = f.down()
	} else {
		e = f.shift()
	}
	f.next = pkt.Never
	if len(f.heap) > 0 {
		f.next = f.least().at
	} else if f.n > 0 {
		f.next = f.ring[f.head].at
	}
	return e
}

// shift takes the first of the ring out.
func (f *flight) shift() inFlight {
	e := f.ring[f.head]
	f.head = (f.head + 1) & (len(f.ring) - 1)
	f.n--
	return e
}

// overtaken notes the arrival of e and reports whether one that departed later
// arrived before.
func (f *flight) overtaken(e inFlight) bool {
	if e.seq < f.latest {
		return true
	}
	f.latest = e.seq
	return false
}

func (f *flight) grow() {
	ring := make([]inFlight, max(2*len(f.ring), 64))
	for i := range f.n {
		ring[i] = *f.at(i)
	}
	f.ring, f.head = ring, 0
}

// up adds e to the heap.
func (f *flight) up(e inFlight) {
	f.heap = append(f.heap, e)
	i := len(f.heap) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !e.before(&f.heap[parent]) {
			break
		}
		f.heap[i] = f.heap[parent]
		i = parent
	}
	f.heap[i] = e
}

// down removes the heap's least and returns it.
func (f *flight) down() inFlight {
	top, n := f.heap[0], len(f.heap)-1
	e := f.heap[n]
	f.heap[n].p = nil
	f.heap = f.heap[:n]
	i := 0
	for {
		child := 2*i + 1
		if child >= n {
			break
		}
		if child+1 < n && f.heap[child+1].before(&f.heap[child]) {
			child++
		}
		if !f.heap[child].before(&e) {
			break
		}
		f.heap[i] = f.heap[child]
		i = child
	}
	if n > 0 {
		f.heap[i] = e
	}
	return top
}
