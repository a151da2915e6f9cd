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
	// NoTransport spares the decoding of what TCPFlags, Seq and Ack hold, for those
	// who do not look at them: what they are then is not specified.
	NoTransport bool
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
	// base and ready bound the records whose columns are all decoded; these lie
	// where base is the first.
	base, ready int
	id          uint64

	byKey map[pkt.FlowKey]*pkt.Flow
	flows []*pkt.Flow

	seg pkt.Splitter
	err error // why there is no more to fill with: sticky

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
	if tr, ok := r.(*Reader); ok {
		s.block.byWindows, s.block.noTransport = true, opts.NoTransport
		if opts.From > 0 {
			tr.SkipTo(opts.From)
		}
	}
	return s, nil
}

// Flows lists the flows met so far in the order of their IDs, without those
// past MaxFlows. The caller must not change it.
func (s *Source) Flows() []*pkt.Flow { return s.flows }

// Next fills p with the next packet. ok is false at the end; err is then the
// *Damage of a trace that could not be read to its end. Fill costs less.
func (s *Source) Next(p *pkt.Packet) (ok bool, err error) {
	one := [1]*pkt.Packet{p}
	n, err := s.Fill(one[:])
	return n > 0, err
}

// Fill fills as many of ps with the next packets as can be had at once, and
// returns how many. It is 0 at the end only; err is then what Next says.
func (s *Source) Fill(ps []*pkt.Packet) (n int, err error) {
	if n = s.fill(ps); n == 0 && len(ps) > 0 {
		err = s.end()
	}
	return n, err
}

// end is what Next says when there is nothing to fill with.
func (s *Source) end() error {
	if s.err == io.EOF {
		return nil
	}
	return s.err
}

// fill makes the next packets and returns how many: none only if s.err says why.
// It reads a block only if it has made none, so that whoever gives the blocks is
// not asked for one before it must be.
func (s *Source) fill(ps []*pkt.Packet) (n int) {
	for n < len(ps) && s.err == nil {
		switch {
		case s.id >= s.opts.Limit:
			s.err = io.EOF
		case s.seg.Left() > 0:
			p := ps[n]
			s.seg.Next(p)
			if s.err = s.check(p); s.err == nil {
				p.ID = s.id
				s.id++
				n++
			}
		case s.at < s.ready:
			n += s.convert(ps[n:])
		case s.at < len(s.block.Time):
			s.decode()
		case n > 0:
			return n
		default:
			s.load()
		}
	}
	return n
}

// decode decodes the rest of the block up to the next record's window.
func (s *Source) decode() {
	for s.at >= s.ready && s.err == nil {
		s.base, s.ready = s.block.decodeWindow()
		s.checkLengths()
	}
}

// checkLengths refuses what could overflow on any queue, before Source computes
// with it.
func (s *Source) checkLengths() {
	if longest(s.block.Len[:s.ready-s.base]) > math.MaxInt32-math.MaxUint16 {
		s.err = fmt.Errorf("records from %d on: %w: a packet is longer than any queue can hold", s.block.First+uint64(s.base), ErrUnusable)
	}
}

// convert makes packets of the block's next records, until one ends the source or
// is split, and returns how many.
func (s *Source) convert(ps []*pkt.Packet) int {
	b, at, from := &s.block, s.at, s.at-s.base
	ps = ps[:min(uint64(len(ps)), uint64(s.ready-at), s.opts.Limit-s.id)]
	n := len(ps)
	times, flows, segs := b.Time[at:][:n], b.Flow[at:][:n], b.Segs[at:][:n]
	lens, hdrs, ds := b.Len[from:][:n], b.HdrLen[from:][:n], b.DSField[from:][:n]
	flags, seqs, acks := b.L4Flags[from:][:n], b.Seq[from:][:n], b.Ack[from:][:n]
	id, to, link, resolved := s.id, s.opts.To, s.link, s.resolved
	for i, p := range ps {
		if times[i] >= to {
			s.err = io.EOF
			return s.made(i)
		}
		flow := resolved[flows[i]]
		if flow == nil {
			flow = s.resolve(flows[i])
		}
		p.ID, p.Arrival, p.Flow = id+uint64(i), times[i], flow
		p.L3Len, p.Segs, p.HdrLen, p.DSField = lens[i], segs[i], hdrs[i], ds[i]
		p.TCPFlags, p.Seq, p.Ack = flags[i], seqs[i], acks[i]
		p.Len = lens[i] + link
		if segs[i] > 1 || p.Len == 0 {
			s.at = at + i + 1 // that an error names
			if s.err = s.odd(p); s.err != nil {
				return i
			}
			s.at = at
			if s.seg.Left() > 0 {
				return s.made(i + 1)
			}
		}
	}
	return s.made(n)
}

// made accounts for n packets made of a record each.
func (s *Source) made(n int) int {
	s.at += n
	s.id += uint64(n)
	return n
}

// odd completes a packet of several segments, and refuses what is no packet.
func (s *Source) odd(p *pkt.Packet) error {
	if p.Segs > 1 {
		return s.super(p)
	}
	return s.check(p)
}

// check refuses a packet that would take no time on any link and no room in any
// queue.
func (s *Source) check(p *pkt.Packet) error {
	if p.Len == 0 {
		return s.unusable("len is 0, and so is the link-layer header: a packet has a length")
	}
	return nil
}

// unusable is the error of the record made last.
func (s *Source) unusable(why string) error {
	return fmt.Errorf("record %d: %w: %s", s.block.First+uint64(s.at-1), ErrUnusable, why)
}

// super completes a super-packet: its accounted length, or its segments.
func (s *Source) super(p *pkt.Packet) error {
	n := uint64(p.Segs)
	all := uint64(p.L3Len) + (n-1)*uint64(p.HdrLen) + n*uint64(s.link)
	if all > math.MaxInt32 {
		return s.unusable(fmt.Sprintf("its %d segments account for %d bytes, which no queue can hold", n, all))
	}
	p.Len = uint32(all)
	if s.opts.Split {
		s.seg.Start(p, s.mtu)
		s.seg.Next(p)
	}
	return s.check(p)
}

// load reads the next block with a record in the time bounds, and goes to that
// record. s.err says why there is none.
func (s *Source) load() {
	for s.err == nil {
		if s.err = s.r.NextBlock(&s.block); s.err != nil {
			break
		}
		s.resolved = grow(s.resolved, len(s.block.Flows))
		clear(s.resolved)
		s.base, s.ready = 0, 0
		if s.block.rest == nil {
			s.ready = len(s.block.Time)
			if s.checkLengths(); s.err != nil {
				break
			}
		}
		for i, t := range s.block.Time {
			if t >= s.opts.From && t >= 0 {
				s.at = i
				return
			}
			if t < 0 && s.opts.From <= 0 {
				s.err = fmt.Errorf("record %d: %w: its time %s is before the trace's time zero, where a simulation begins",
					s.block.First+uint64(i), ErrUnusable, t)
				break
			}
		}
	}
	s.block.resize(0)
	s.at, s.base, s.ready = 0, 0, 0
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
