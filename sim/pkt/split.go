package pkt

// TCP flags that segmentation treats apart.
const (
	flagFIN = 0x01
	flagPSH = 0x08
	flagCWR = 0x80
)

// Splitter hands out the packets that a GSO super-packet becomes on the wire.
// The zero value has none left.
type Splitter struct {
	p    Packet // the super-packet, its Seq that of the next segment
	link uint32 // link-layer header, bytes
	mss  uint32 // payload of a full segment, bytes
	rest uint32 // payload left
	left int    // segments left
}

// Start takes a copy of p. Segments are as large as the given MTU (layer 3,
// bytes; 0 if unknown) allows, if that explains their number; else the payload
// is shared out evenly. Either way only the last one may be shorter.
func (s *Splitter) Start(p *Packet, mtu uint32) {
	n := uint32(p.Segs)
	headers := (n - 1) * uint32(p.HdrLen)
	*s = Splitter{p: *p, left: int(n), link: (p.Len - p.L3Len - headers) / n}
	if p.L3Len > uint32(p.HdrLen) {
		s.rest = p.L3Len - uint32(p.HdrLen)
	}
	s.mss = (s.rest + n - 1) / n
	if mtu > uint32(p.HdrLen) {
		if full := mtu - uint32(p.HdrLen); (uint64(s.rest)+uint64(full)-1)/uint64(full) == uint64(n) {
			s.mss = full
		}
	}
}

// Left is how many segments are still to be had.
func (s *Splitter) Left() int { return s.left }

// Next fills p with the next segment, but for its ID.
func (s *Splitter) Next(p *Packet) {
	size := min(s.mss, s.rest)
	id, next := p.ID, p.Next
	*p = s.p
	p.ID, p.Next = id, next
	p.Segs = 1
	p.L3Len = uint32(s.p.HdrLen) + size
	p.Len = p.L3Len + s.link
	s.rest -= size
	s.left--
	s.p.TCPFlags &^= flagCWR
	if s.left > 0 {
		p.TCPFlags &^= flagFIN | flagPSH
	}
	if p.Flow.Proto == ProtoTCP {
		s.p.Seq += size
	}
}
