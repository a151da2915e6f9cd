package cake

import (
	"encoding/binary"
	"math/bits"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/random"
)

// isolation is what flows are told apart by, and what is fair between them.
type isolation struct {
	name string
	// flows tells 5-tuples apart, hostSrc and hostDst only the addresses.
	flows, hostSrc, hostDst bool
	// fairSrc and fairDst share out between hosts before flows.
	fairSrc, fairDst bool
}

var isolations = []isolation{
	{name: "flowblind"},
	{name: "srchost", hostSrc: true},
	{name: "dsthost", hostDst: true},
	{name: "hosts", hostSrc: true, hostDst: true},
	{name: "flows", flows: true},
	{name: "dual-srchost", flows: true, fairSrc: true},
	{name: "dual-dsthost", flows: true, fairDst: true},
	{name: "triple-isolate", flows: true, fairSrc: true, fairDst: true},
}

func findIsolation(name string) *isolation {
	for i := range isolations {
		if isolations[i].name == name {
			return &isolations[i]
		}
	}
	return nil
}

// hashKey keys the hash of an address. The hash is part of a run's digest: the
// halves of the address, little-endian, are mixed with the key by two widening
// multiplications.
type hashKey [3]uint64

func newHashKey(rng *random.Rand) hashKey { return hashKey{rng.Uint64(), rng.Uint64(), rng.Uint64()} }

func (k *hashKey) sum(addr *[16]byte, v6 bool) uint32 {
	a := binary.LittleEndian.Uint64(addr[:8]) ^ k[0]
	b := binary.LittleEndian.Uint64(addr[8:]) ^ k[1]
	if v6 {
		b = ^b
	}
	hi, lo := bits.Mul64(a, b)
	hi, lo = bits.Mul64(hi^lo^k[2], 0x9e3779b97f4a7c15)
	return uint32(hi ^ lo)
}

// hash is what tells p's flow apart.
func (q *Qdisc) hash(p *pkt.Packet) uint32 {
	if q.isolation.flows {
		return p.Flow.Hash
	}
	h := uint32(0)
	if q.isolation.hostSrc {
		h ^= q.srcKey.sum(&p.Flow.Src, p.Flow.V6)
	}
	if q.isolation.hostDst {
		h ^= q.dstKey.sum(&p.Flow.Dst, p.Flow.V6)
	}
	return h
}

// classify finds the queue for p in t: the one its hash points at if that is its
// own already; else one of the eight around it that is reserved for it, or an
// idle one; else it shares the first.
func (q *Qdisc) classify(t *tin, p *pkt.Packet) *flow {
	if q.isolation.name == "flowblind" {
		return &t.flows[0]
	}
	h := q.hash(p)
	direct := h % queues
	f := &t.flows[direct]
	if t.tags[direct] == h && f.set != idle {
		return f
	}
	i, found := t.reserved(h, direct)
	f = &t.flows[i]
	if found && f.set != idle {
		t.count.wayHits++ // not direct, or it were found above
		return f
	}
	switch {
	case found:
		if i != direct {
			t.count.wayHits++
		}
	case f.set == idle:
		t.count.wayMisses++
	default:
		t.count.wayCollisions++
	}
	t.tags[i] = h
	q.setHosts(t, f, p)
	return f
}

// reserved returns the queue reserved for h, or the idle or direct one to
// reserve.
func (t *tin) reserved(h, direct uint32) (index uint32, found bool) {
	set := direct &^ (ways - 1)
	for i := range uint32(ways) {
		if k := set | (direct+i)%ways; t.tags[k] == h {
			return k, true
		}
	}
	for i := range uint32(ways) {
		if k := set | (direct+i)%ways; t.flows[k].set == idle {
			return k, false
		}
	}
	return direct, false
}
