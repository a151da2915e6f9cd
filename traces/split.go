package traces

import "github.com/uqtool/uq/sim/pkt"

// TCP flags that segmentation treats apart.
const (
	flagFIN = 0x01
	flagPSH = 0x08
	flagCWR = 0x80
)

// splitter hands out the segments of one super-packet.
type splitter struct {
	p    pkt.Packet // the super-packet, its Seq that of the next segment
	link uint32
	mss  uint32 // payload of a full segment, bytes
	rest uint32 // payload left
	left int    // segments left
}

// start takes over p. Segments are as large as the recording's MTU allowed, if
// that explains their number; else the payload is shared out evenly. Either way
// only the last one may be shorter.
func (s *splitter) start(p *pkt.Packet, link, mtu uint32) {
	n := uint32(p.Segs)
	*s = splitter{p: *p, link: link, left: int(n), rest: payload(p.L3Len, p.HdrLen)}
	s.mss = (s.rest + n - 1) / n
	if mtu > uint32(p.HdrLen) {
		if full := mtu - uint32(p.HdrLen); (uint64(s.rest)+uint64(full)-1)/uint64(full) == uint64(n) {
			s.mss = full
		}
	}
}

// next fills p with the next segment, but for its ID.
func (s *splitter) next(p *pkt.Packet) {
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
	if p.Flow.Proto == pkt.ProtoTCP {
		s.p.Seq += size
	}
}
