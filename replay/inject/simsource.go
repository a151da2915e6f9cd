package inject

import (
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// SimSource feeds a simulation with what a Feed gives: a sim.Source.
type SimSource struct {
	// Feed is where packets come from. Seed keys the flow hash.
	Feed *Feed
	Seed uint64
	// Keep, if not nil, says which packets to simulate. The others count in the
	// numbering all the same.
	Keep func(*traces.Record) bool

	flows map[pkt.FlowKey]*pkt.Flow
	rec   traces.Record
	n     uint64
}

// Next implements sim.Source.
func (s *SimSource) Next(p *pkt.Packet) (bool, error) {
	for {
		ok, err := s.Feed.Next(&s.rec)
		if !ok {
			return false, err
		}
		p.ID = s.n
		s.n++
		if s.Keep == nil || s.Keep(&s.rec) {
			break
		}
	}
	p.Arrival = s.rec.Time
	p.Flow = s.flow(&s.rec.Flow)
	s.rec.Fill(p, s.Feed.head.LinkHeader)
	return true, nil
}

// flow is the flow of a key, numbered as a traces.Source does.
func (s *SimSource) flow(k *pkt.FlowKey) *pkt.Flow {
	if f := s.flows[*k]; f != nil {
		return f
	}
	if s.flows == nil {
		s.flows = map[pkt.FlowKey]*pkt.Flow{}
	}
	if len(s.flows) >= traces.MaxFlows {
		return pkt.NewFlow(*k, pkt.OtherFlows, s.Seed)
	}
	f := pkt.NewFlow(*k, uint32(len(s.flows)), s.Seed)
	s.flows[*k] = f
	return f
}
