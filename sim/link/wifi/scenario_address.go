package wifi

import (
	"net/netip"

	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
)

// nobody is the number of no station.
const nobody = -2

// locate is the station that has an address, or whose longest prefix it is in.
func (c *Config) locate(a netip.Addr) int {
	station, bits := nobody, -1
	for i := range c.Stations {
		s := &c.Stations[i]
		if s.Addr == a {
			return i
		}
		for _, p := range s.Prefixes {
			if p.Contains(a) && p.Bits() > bits {
				station, bits = i, p.Bits()
			}
		}
	}
	return station
}

// route says whom p is for, and which station sends it; nobody if it is not a
// station's to send. What comes from one station and is for another, or for all,
// has come up already: a trace has it once.
func (c *Config) route(p *pkt.Packet) (receiver, sender int) {
	src, dst := p.Flow.Addrs()
	if dst.IsMulticast() || dst == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return link.Group, nobody
	}
	if receiver = c.locate(dst); receiver >= 0 {
		return receiver, nobody
	}
	return c.others(), c.locate(src)
}

// others is the station that gets what no station has the address of: one without
// an address, or else the last.
func (c *Config) others() int {
	for i := range c.Stations {
		if c.Stations[i].anyone() {
			return i
		}
	}
	return len(c.Stations) - 1
}

// anyone says that the station has no address of its own.
func (s *Station) anyone() bool { return !s.Addr.IsValid() && len(s.Prefixes) == 0 }

// Stranger says whether p is for an address that no station has, in a cell where
// none is there for such: it goes to the last one.
func (c *Cell) Stranger(p *pkt.Packet) bool {
	receiver, sender := c.conf.route(p)
	if receiver < 0 || sender != nobody || c.conf.Stations[receiver].anyone() {
		return false
	}
	_, dst := p.Flow.Addrs()
	return c.conf.locate(dst) == nobody
}
