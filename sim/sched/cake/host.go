package cake

import "github.com/uqtool/uq/sim/pkt"

// hosts is a set-associative table of the addresses on one side of a tin's
// flows, with how many bulk flows each has.
type hosts struct {
	tags [queues]uint32
	bulk [queues]uint16
}

// slot finds the place of the host with hash h: its own, or one without bulk
// flows, else it shares the one its hash points at.
func (s *hosts) slot(h uint32) uint16 {
	direct := h % queues
	set := direct &^ (ways - 1)
	for i := range uint32(ways) {
		if k := set | (direct+i)%ways; s.tags[k] == h {
			return uint16(k)
		}
	}
	for i := range uint32(ways) {
		if k := set | (direct+i)%ways; s.bulk[k] == 0 {
			s.tags[k] = h
			return uint16(k)
		}
	}
	s.tags[direct] = h
	return uint16(direct)
}

// setHosts notes the hosts of f, newly taken by p's flow. In a collision the
// queue changes hands while it is served, and its hosts' counts with it.
func (q *Qdisc) setHosts(t *tin, f *flow, p *pkt.Packet) {
	if f.set == bulk {
		q.countHosts(t, f, -1)
	}
	if q.isolation.fairSrc {
		f.src = t.src.slot(q.srcKey.sum(&p.Flow.Src, p.Flow.V6))
	}
	if q.isolation.fairDst {
		f.dst = t.dst.slot(q.dstKey.sum(&p.Flow.Dst, p.Flow.V6))
	}
	if f.set == bulk {
		q.countHosts(t, f, 1)
	}
}

// countHosts adds n to the bulk flows of f's hosts.
func (q *Qdisc) countHosts(t *tin, f *flow, n int) {
	if q.isolation.fairSrc {
		t.src.bulk[f.src] += uint16(n)
	}
	if q.isolation.fairDst {
		t.dst.bulk[f.dst] += uint16(n)
	}
}

// quantumOf is f's next quantum, in bytes: the tin's, divided by the bulk flows
// of the busier of its hosts. What rounding cuts off is carried to the next.
func (q *Qdisc) quantumOf(t *tin, f *flow) int {
	load := uint32(1)
	if q.isolation.fairSrc {
		load = max(load, uint32(t.src.bulk[f.src]))
	}
	if q.isolation.fairDst {
		load = max(load, uint32(t.dst.bulk[f.dst]))
	}
	if load == 1 {
		return t.flowQuantum
	}
	n := uint32(uint64(t.flowQuantum)*uint64(q.parts[load])>>16) + uint32(f.carry)
	f.carry = uint16(n)
	return int(n >> 16)
}

// parts is 1/n in Q0.32 for a host with n flows, n above 1: a refill divides too
// often to do it.
type parts [queues + 1]uint32

func newParts() (p parts) {
	for n := uint64(2); n <= queues; n++ {
		p[n] = uint32((1<<32 + n - 1) / n)
	}
	return p
}
