package traces

import (
	"fmt"
	"io"
	"math"

	"github.com/uqtool/uq/sim/pkt"
)

// MaxFlows is how many flows a Source tells apart by ID; the packets of any
// more carry pkt.OtherFlows.
const MaxFlows = 1 << 16

// SourceOptions change what a Source makes of a trace. The zero value gives
// the whole trace as it was recorded.
type SourceOptions struct {
	// Seed keys the flow hash.
	Seed uint64
	// Split makes every super-packet into the packets it becomes on the wire,
	// all with its arrival time (--gso=split).
	Split bool
	// LinkHeader, if not nil, is the link-layer header in bytes instead of the
	// trace's own.
	LinkHeader *int
	// From and To bound the arrival times, From <= t < To; 0 is no bound. Times
	// are not shifted, and none is negative: a record before time zero is passed
	// over if From is set, and an error else.
	From, To pkt.Time
	// Limit is how many packets to give at most; 0 is no bound.
	Limit uint64
}

// BlockReader gives a trace block by block; a Reader is one.
type BlockReader interface {
	Header() Header
	NextBlock(*Block) error
}

// Source feeds a simulation with the packets of a trace. It is not safe for
// concurrent use.
type Source struct {
	r    BlockReader
	opts SourceOptions
	link uint32 // link-layer header, bytes
	mtu  uint32 // that GSO segments were cut to, 0 if unknown

	block Block
	// resolved are the flows of the block's dictionary, looked up when a packet
	// first needs them; other flows stay nil until then.
	resolved []*pkt.Flow
	at       int // of the next record in block
	id       uint64

	byKey map[pkt.FlowKey]*pkt.Flow
	flows []*pkt.Flow

	seg pkt.Splitter
	err error
}

// NewSource returns a source of the packets that r has still to give.
func NewSource(r BlockReader, opts SourceOptions) (*Source, error) {
	h := r.Header()
	link := h.LinkHeader
	if opts.LinkHeader != nil {
		link = *opts.LinkHeader
	}
	if err := checkLinkHeader(link); err != nil {
		return nil, err
	}
	s := &Source{r: r, opts: opts, link: uint32(link), byKey: make(map[pkt.FlowKey]*pkt.Flow)}
	s.block.HeadersOnly = true
	if c := h.Capture; c != nil && c.SegmentMTU > 0 && c.SegmentMTU <= math.MaxUint16 {
		s.mtu = uint32(c.SegmentMTU)
	}
	if s.opts.To == 0 {
		s.opts.To = pkt.Never
	}
	if s.opts.Limit == 0 {
		s.opts.Limit = math.MaxUint64
	}
	if tr, ok := r.(*Reader); ok && opts.From > 0 {
		tr.SkipTo(opts.From)
	}
	return s, nil
}

// Flows lists the flows met so far in the order of their IDs, without those
// past MaxFlows. The caller must not change it.
func (s *Source) Flows() []*pkt.Flow { return s.flows }

// Next fills p with the next packet. ok is false at the end; err is then the
// *Damage of a trace that could not be read to its end.
func (s *Source) Next(p *pkt.Packet) (ok bool, err error) {
	if s.id >= s.opts.Limit {
		return false, nil
	}
	if s.seg.Left() > 0 {
		s.seg.Next(p)
		p.ID = s.id
		s.id++
		return s.check(p)
	}
	i := s.at
	if i >= len(s.block.Time) {
		if i, err = s.load(); i < 0 {
			return false, err
		}
	}
	b := &s.block
	if b.Time[i] >= s.opts.To {
		s.opts.Limit = s.id
		return false, nil
	}
	s.at = i + 1
	flow := s.resolved[b.Flow[i]]
	if flow == nil {
		flow = s.resolve(b.Flow[i])
	}
	p.ID = s.id
	s.id++
	p.Arrival = b.Time[i]
	p.Flow = flow
	p.L3Len, p.Segs, p.HdrLen = b.Len[i], b.Segs[i], b.HdrLen[i]
	p.DSField = b.DSField[i]
	p.TCPFlags, p.Seq, p.Ack = 0, 0, 0
	if flow.Proto == pkt.ProtoTCP {
		p.TCPFlags, p.Seq, p.Ack = b.L4Flags[i], b.Seq[i], b.Ack[i]
	}
	p.Len = p.L3Len + s.link
	if p.Segs > 1 {
		return s.super(p)
	}
	return s.check(p)
}

// check refuses a packet that would take no time on any link and no room in any
// queue.
func (s *Source) check(p *pkt.Packet) (bool, error) {
	if p.Len == 0 {
		return false, s.unusable("len is 0, and so is the link-layer header: a packet has a length")
	}
	return true, nil
}

// unusable is the error of the record given last.
func (s *Source) unusable(why string) error {
	return fmt.Errorf("record %d: %w: %s", s.block.First+uint64(s.at-1), ErrUnusable, why)
}

// super completes a super-packet: its accounted length, or its segments.
func (s *Source) super(p *pkt.Packet) (bool, error) {
	n := uint64(p.Segs)
	all := uint64(p.L3Len) + (n-1)*uint64(p.HdrLen) + n*uint64(s.link)
	if all > math.MaxInt32 {
		return false, s.unusable(fmt.Sprintf("its %d segments account for %d bytes, which no queue can hold", n, all))
	}
	p.Len = uint32(all)
	if s.opts.Split {
		s.seg.Start(p, s.mtu)
		s.seg.Next(p)
	}
	return s.check(p)
}

// load reads the next block with a record in the time bounds, and returns the
// index of that record or -1.
func (s *Source) load() (int, error) {
	for s.err == nil {
		if s.err = s.r.NextBlock(&s.block); s.err != nil {
			break
		}
		s.resolved = grow(s.resolved, len(s.block.Flows))
		clear(s.resolved)
		if longest(s.block.Len) > math.MaxInt32-math.MaxUint16 {
			s.err = fmt.Errorf("records from %d on: %w: a packet is longer than any queue can hold", s.block.First, ErrUnusable)
			break
		}
		for i, t := range s.block.Time {
			if t >= s.opts.From && t >= 0 {
				return i, nil
			}
			if t < 0 && s.opts.From <= 0 {
				s.err = fmt.Errorf("record %d: %w: its time %s is before the trace's time zero, where a simulation begins",
					s.block.First+uint64(i), ErrUnusable, t)
				break
			}
		}
	}
	s.block.resize(0)
	if s.err == io.EOF {
		return -1, nil
	}
	return -1, s.err
}

func longest(lengths []uint32) uint32 {
	top := uint32(0)
	for _, l := range lengths {
		top = max(top, l)
	}
	return top
}

// resolve finds or makes the flow of a dictionary entry. Past MaxFlows a flow
// lives as long as its packets do, so that memory stays bounded.
func (s *Source) resolve(index uint16) *pkt.Flow {
	k := s.block.Flows[index]
	f := s.byKey[k]
	switch {
	case f != nil:
	case len(s.flows) < MaxFlows:
		f = pkt.NewFlow(k, uint32(len(s.flows)), s.opts.Seed)
		s.byKey[k] = f
		s.flows = append(s.flows, f)
	default:
		f = pkt.NewFlow(k, pkt.OtherFlows, s.opts.Seed)
	}
	s.resolved[index] = f
	return f
}
