package cake

import "github.com/uqtool/uq/sim/pkt"

// framing is what the link makes of a packet's bytes.
type framing uint8

const (
	plain framing = iota
	atm           // cells of 53 bytes carrying 48
	ptm           // 64b/65b coding: a byte more for every 64
)

// overhead turns the length of a packet into what it costs on the link.
type overhead struct {
	// raw counts from the length Linux reports, link header and all, instead of
	// from the IP packet.
	raw bool
	// bytes are added to each packet (may be negative); less than mpu counts as
	// mpu.
	bytes, mpu int
	framing    framing
}

// adjust is what one packet on the wire costs, given its length from the network
// layer up or, if raw, in full.
func (o *overhead) adjust(n int) int {
	n = max(n+o.bytes, o.mpu)
	switch o.framing {
	case atm:
		return (n + 47) / 48 * 53
	case ptm:
		return n + (n+63)/64
	}
	return n
}

// wire is how a packet, or the segments of a super-packet, appear on the wire:
// n-1 packets of length full, and one of length last, each behind offset bytes
// of link header that are counted in.
type wire struct {
	n, full, last, offset int
}

// wireOf takes a super-packet apart as GSO does: its payload shared out evenly,
// only the last segment shorter.
func wireOf(p *pkt.Packet) wire {
	n := int(p.Segs)
	if n <= 1 {
		return wire{n: 1, last: int(p.Len), offset: max(0, int(p.Len)-int(p.L3Len))}
	}
	hdr := int(p.HdrLen)
	payload := max(0, int(p.L3Len)-hdr)
	offset := max(0, (int(p.Len)-int(p.L3Len)-(n-1)*hdr)/n)
	mss := (payload + n - 1) / n
	hdr += offset
	return wire{n: n, full: mss + hdr, last: max(0, payload-mss*(n-1)) + hdr, offset: offset}
}

// charge is what p costs on the link, in bytes.
func (o *overhead) charge(p *pkt.Packet) int {
	if p.Segs <= 1 {
		n := int(p.Len)
		if !o.raw {
			n = min(n, int(p.L3Len))
		}
		return o.adjust(n)
	}
	w := wireOf(p)
	skip := w.offset
	if o.raw {
		skip = 0
	}
	return o.adjust(w.full-skip)*(w.n-1) + o.adjust(w.last-skip)
}

// lengths are the sizes met, for the statistics.
type lengths struct {
	minNet, maxNet, minAdj, maxAdj int
	met                            bool
	// avgOffset is the mean link header in Q16.16.
	avgOffset uint64
}

// note counts p, which costs what o says.
func (l *lengths) note(p *pkt.Packet, o *overhead) {
	w := wireOf(p)
	l.avgOffset = ewma(l.avgOffset, uint64(w.offset)<<16, 8)
	skip := w.offset
	if o.raw {
		skip = 0
	}
	l.size(w.last-skip, o)
	if w.n > 1 {
		l.size(w.full-skip, o)
	}
}

func (l *lengths) size(n int, o *overhead) {
	adj := o.adjust(n)
	if !l.met {
		*l = lengths{minNet: n, minAdj: adj, avgOffset: l.avgOffset, met: true}
	}
	l.minNet, l.maxNet = min(l.minNet, n), max(l.maxNet, n)
	l.minAdj, l.maxAdj = min(l.minAdj, adj), max(l.maxAdj, adj)
}

// ewma moves avg towards sample by 1/2^shift of the way.
func ewma(avg, sample uint64, shift uint) uint64 { return avg - avg>>shift + sample>>shift }
