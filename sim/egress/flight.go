package egress

import "github.com/uqtool/uq/sim/pkt"

// flight holds what is on the link, ordered by arrival at the far end and, for
// equal times, by departure. It is a ring, since most links deliver in order;
// one that does not pays an insertion from the back.
type flight struct {
	ring []inFlight // length a power of two
	head int
	n    int
}

type inFlight struct {
	at   pkt.Time
	p    *pkt.Packet
	lost bool
}

func (f *flight) at(i int) *inFlight { return &f.ring[(f.head+i)&(len(f.ring)-1)] }

func (f *flight) first() (pkt.Time, bool) {
	if f.n == 0 {
		return pkt.Never, false
	}
	return f.ring[f.head].at, true
}

func (f *flight) push(at pkt.Time, p *pkt.Packet, lost bool) {
	if f.n == len(f.ring) {
		f.grow()
	}
	i := f.n
	f.n++
	for ; i > 0 && f.at(i-1).at > at; i-- {
		*f.at(i) = *f.at(i - 1)
	}
	*f.at(i) = inFlight{at, p, lost}
}

func (f *flight) pop() (p *pkt.Packet, lost bool) {
	e := &f.ring[f.head]
	p, lost = e.p, e.lost
	e.p = nil
	f.head = (f.head + 1) & (len(f.ring) - 1)
	f.n--
	return p, lost
}

func (f *flight) grow() {
	ring := make([]inFlight, max(2*len(f.ring), 64))
	for i := range f.n {
		ring[i] = *f.at(i)
	}
	f.ring, f.head = ring, 0
}
