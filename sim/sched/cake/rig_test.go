package cake

import (
	"strings"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
)

const ms = time.Millisecond

// rig is a cake with what it dropped and the packets it is fed.
type rig struct {
	t       *testing.T
	q       *Qdisc
	now     pkt.Time
	id      uint64
	pool    pkt.Pool
	dropped []pkt.Packet
	dropLen int // bytes
}

func newRig(t *testing.T, spec string) *rig {
	t.Helper()
	r := &rig{t: t}
	q, err := newQdisc(strings.Fields(spec), sched.Env{Seed: 1, Name: "cake", MTU: 1514, Drop: func(_ pkt.Time, p *pkt.Packet, why pkt.Reason) {
		c := *p
		c.Mark = why
		r.dropped = append(r.dropped, c)
		r.dropLen += int(p.Len)
		r.pool.Put(p)
	}})
	if err != nil {
		t.Fatal(err)
	}
	r.q = q
	return r
}

// enq queues a packet of n bytes at layer 3.
func (r *rig) enq(f *pkt.Flow, n int, edits ...func(*pkt.Packet)) {
	p := r.pool.Get()
	*p = pkt.Packet{ID: r.id, Arrival: r.now, Flow: f, Len: uint32(n) + 14, L3Len: uint32(n), Segs: 1, HdrLen: 40}
	for _, e := range edits {
		e(p)
	}
	r.id++
	r.q.Enqueue(r.now, p)
}

// deq takes the next packet, waiting for the shaper if it must.
func (r *rig) deq() *pkt.Packet {
	r.t.Helper()
	for range 1000 {
		if p := r.q.Dequeue(r.now); p != nil {
			return p
		}
		wake := r.q.NextWake()
		if wake == pkt.Never {
			return nil
		}
		if wake <= r.now {
			r.t.Fatalf("NextWake %v at %v", wake, r.now)
		}
		r.now = wake
	}
	r.t.Fatal("no packet after 1000 waits")
	return nil
}

func dscp(d uint8) func(*pkt.Packet) { return func(p *pkt.Packet) { p.DSField = d<<2 | p.DSField&3 } }

func ecn(e pkt.ECN) func(*pkt.Packet) {
	return func(p *pkt.Packet) { p.DSField = p.DSField&^3 | uint8(e) }
}

// flowFrom is a UDP flow between two of many hosts.
func flowFrom(src, dst, port int) *pkt.Flow {
	k := pkt.FlowKey{Proto: pkt.ProtoUDP, SrcPort: uint16(port), DstPort: 9}
	k.Src, k.Dst = [16]byte{10, 0, byte(src >> 8), byte(src)}, [16]byte{10, 1, byte(dst >> 8), byte(dst)}
	return pkt.NewFlow(k, uint32(src<<20|dst<<10|port), 1)
}

// check compares every account with what is really there.
func (r *rig) check() {
	r.t.Helper()
	packets, bytes, memory := 0, 0, 0
	for _, t := range r.q.tins {
		p, b, m := r.checkTin(t)
		packets, bytes, memory = packets+p, bytes+b, memory+m
	}
	if packets != r.q.packets || bytes != r.q.bytes || memory != r.q.memory {
		r.t.Fatalf("%d packets %d bytes %d memory, accounts say %d, %d, %d", packets, bytes, memory, r.q.packets, r.q.bytes, r.q.memory)
	}
	r.checkHeap()
}

func (r *rig) checkTin(t *tin) (packets, bytes, memory int) {
	r.t.Helper()
	var sets [decaying + 1]int
	src, dst := map[uint16]int{}, map[uint16]int{}
	listed := listed(t)
	for i := range t.flows {
		f := &t.flows[i]
		sets[f.set]++
		b := 0
		for p := f.head; p != nil; p = p.Next {
			packets++
			b += int(p.Len)
			memory += p.TrueSize()
			if p.Next == nil && p != f.tail {
				r.t.Fatalf("queue %d: the tail is another packet", i)
			}
		}
		bytes += b
		if b != f.bytes || (f.head == nil) != (f.tail == nil) {
			r.t.Fatalf("queue %d holds %d bytes, its account says %d", i, b, f.bytes)
		}
		if f.head != nil && (f.set == idle || f.set == waiting || f.set == decaying) {
			r.t.Fatalf("queue %d has packets in set %d", i, f.set)
		}
		if listed[f] != f.set {
			r.t.Fatalf("queue %d in set %d is on the list of %d", i, f.set, listed[f])
		}
		if f.set == bulk {
			src[f.src]++
			dst[f.dst]++
		}
	}
	if sets[sparse]+sets[waiting] != t.sparse || sets[bulk] != t.bulk || sets[decaying] != t.decay {
		r.t.Fatalf("sets %v, counted %d sparse %d bulk %d decaying", sets, t.sparse, t.bulk, t.decay)
	}
	if packets != t.packets || bytes != t.bytes {
		r.t.Fatalf("tin holds %d packets %d bytes, accounts say %d and %d", packets, bytes, t.packets, t.bytes)
	}
	for i := range queues {
		if r.q.isolation.fairSrc && src[uint16(i)] != int(t.src.bulk[i]) || r.q.isolation.fairDst && dst[uint16(i)] != int(t.dst.bulk[i]) {
			r.t.Fatalf("host slot %d has %d and %d bulk flows, counted %d and %d", i, src[uint16(i)], dst[uint16(i)], t.src.bulk[i], t.dst.bulk[i])
		}
	}
	return packets, bytes, memory
}

// listed finds the set each listed flow should be in by its list; a bulk flow's
// is its own, where that fits the rotation.
func listed(t *tin) map[*flow]set {
	m := map[*flow]set{}
	for f := t.fresh.head; f != nil; f = f.next {
		m[f] = sparse
	}
	for f := t.old.head; f != nil; f = f.next {
		m[f] = bulk
		if f.set == waiting {
			m[f] = waiting
		}
	}
	for f := t.decaying.head; f != nil; f = f.next {
		m[f] = decaying
	}
	return m
}

func (r *rig) checkHeap() {
	r.t.Helper()
	h := &r.q.overflow
	if h.live == 0 {
		return
	}
	n := 0
	for _, t := range r.q.tins {
		for i := range t.flows {
			f := &t.flows[i]
			if f.head == nil {
				continue
			}
			n++
			if f.place == 0 || int(f.place) > len(h.flows) || h.flows[f.place-1] != f {
				r.t.Fatalf("queue %d is not where the heap has it", f.number)
			}
			if h.flows[0].bytes < f.bytes || h.flows[0].bytes == f.bytes && h.flows[0].number > f.number {
				r.t.Fatalf("queue %d is longer than the heap's first", f.number)
			}
		}
	}
	if n != len(h.flows) {
		r.t.Fatalf("%d queues have packets, the heap has %d", n, len(h.flows))
	}
}
