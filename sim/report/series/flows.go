package series

import (
	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/uqtool/uq/sim/pkt"
)

// flow is the place of a flow; nil for the others.
func (s *Series) flow(k *pkt.Flow) *slot {
	if int64(k.ID) >= int64(len(s.ids)) {
		return nil
	}
	if n := s.ids[k.ID].slot; n > 0 {
		return &s.slots[n-1]
	}
	return nil
}

// arrived weighs the packet's flow, which may get a place of its own by it: a
// free one, or that of a flow that brought less than half as much. Which flows
// have places depends on arrivals only, so qdiscs agree about it.
func (s *Series) arrived(p *pkt.Packet, now pkt.Time) *slot {
	k := p.Flow
	if k.ID >= maxIDs {
		return nil
	}
	for int64(k.ID) >= int64(len(s.ids)) {
		s.ids = append(s.ids, id{})
	}
	f := &s.ids[k.ID]
	f.arrived += uint64(p.Len)
	switch {
	case f.slot > 0:
	case s.used < MaxFlows:
		s.slots[s.used] = slot{flow: k, since: now, bins: make([]share, Bins), sojourn: hdrhistogram.New(1, highest, 2)}
		s.used++
		f.slot = int32(s.used)
	default:
		small := s.smallest()
		if f.arrived <= 2*s.ids[s.slots[small].flow.ID].arrived {
			return nil
		}
		s.replace(small, k, now)
	}
	return &s.slots[f.slot-1]
}

func (s *Series) smallest() int {
	least := 0
	for i := range s.slots {
		if s.ids[s.slots[i].flow.ID].arrived < s.ids[s.slots[least].flow.ID].arrived {
			least = i
		}
	}
	return least
}

// replace gives a place to another flow. What the old one did there joins the
// others.
func (s *Series) replace(at int, k *pkt.Flow, now pkt.Time) {
	l := &s.slots[at]
	for i := range l.bins {
		s.others[i].merge(&l.bins[i])
	}
	clear(l.bins)
	l.sojourn.Reset()
	s.ids[l.flow.ID].slot = 0
	l.flow, l.since = k, now
	s.ids[k.ID].slot = int32(at) + 1
}
