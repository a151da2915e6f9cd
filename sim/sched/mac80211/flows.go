package mac80211

import (
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched/codel"
	"github.com/uqtool/uq/sim/sched/fq"
)

// flow is one hash bucket of the pool, or a queue's default flow.
type flow struct {
	fq.Flow
	q    pkt.FIFO
	vars codel.Vars
	// owner is the queue that has the flow in its lists, nil for none.
	owner *txq
}

// pool is the memory that all queues share.
type pool struct {
	nflows      int
	limit       int // packets
	memoryLimit int // bytes
	quantum     int // bytes
	dropBatch   int // packets

	// flows are the shared ones, then one default flow for each queue.
	flows    []flow
	backlogs []int // bytes per flow; apart, so that finding the longest is one scan
	packets  int
	bytes    int
	memory   int

	dropOverlimit  uint64
	dropOvermemory uint64
	collisions     uint64
	newFlows       uint64
}

// makeFlows makes the flows for so many queues.
func (f *pool) makeFlows(queues int) {
	f.flows = make([]flow, f.nflows+queues)
	f.backlogs = make([]int, len(f.flows))
	for i := range f.flows {
		f.flows[i].Index = i
	}
}

// classify picks the flow of p in t: the one of its hash, or t's default flow if
// that is another queue's.
func (f *pool) classify(t *txq, p *pkt.Packet) *flow {
	fl := &f.flows[uint64(p.Flow.Hash)*uint64(f.nflows)>>32]
	if fl.owner != nil && fl.owner != t {
		t.count.collisions++
		f.collisions++
		fl = &f.flows[f.nflows+t.index]
	}
	fl.owner = t
	return fl
}

// push queues p in t.
func (f *pool) push(t *txq, p *pkt.Packet) *flow {
	fl := f.classify(t, p)
	fl.q.Push(p)
	f.backlogs[fl.Index] += int(p.Len)
	f.bytes += int(p.Len)
	f.packets++
	f.memory += p.TrueSize()
	t.bytes += int(p.Len)
	t.packets++
	if t.rounds.Add(&fl.Flow, f.quantum) {
		t.count.newFlows++
		f.newFlows++
	}
	return fl
}

// pop takes the oldest packet out of fl.
func (f *pool) pop(fl *flow) *pkt.Packet {
	p := fl.q.Pop()
	if p == nil {
		return nil
	}
	f.backlogs[fl.Index] -= int(p.Len)
	f.bytes -= int(p.Len)
	f.packets--
	f.memory -= p.TrueSize()
	fl.owner.bytes -= int(p.Len)
	fl.owner.packets--
	return p
}

// longest is the flow with the most bytes; otherwise if all have none.
func (f *pool) longest(otherwise *flow) *flow {
	idx, most := otherwise.Index, 0
	for i, b := range f.backlogs {
		if b > most {
			idx, most = i, b
		}
	}
	return &f.flows[idx]
}

// cut drops packets of the longest flows until the limits hold; fl is the flow
// that has just grown.
func (q *Qdisc) cut(now pkt.Time, fl *flow) {
	f := &q.pool
	for f.packets > f.limit || f.memory > f.memoryLimit {
		why := pkt.Overlimit
		if f.memory > f.memoryLimit {
			why = pkt.Overmemory
		}
		fat := f.longest(fl)
		for range max(1, min(f.dropBatch, fat.q.Len()/2)) {
			p := f.pop(fat)
			if p == nil { // only packets of length 0 are queued
				return
			}
			fat.owner.count.overlimit++
			f.dropOverlimit++
			if why == pkt.Overmemory {
				f.dropOvermemory++
			}
			q.drop(now, p, why)
		}
	}
}

// take removes and returns the packet of t to send next, or nil: fq_codel's
// rules.
func (q *Qdisc) take(now pkt.Time, t *txq) *pkt.Packet {
	for {
		next := t.rounds.Next(q.quantum)
		if next == nil {
			return nil
		}
		fl := &q.flows[next.Index]
		q.served = served{q, fl}
		if p := codel.Dequeue(now, &q.served, q.paramsOf(t), &fl.vars, &t.codel); p != nil {
			fl.Deficit -= int(p.Len)
			t.count.packets++
			t.count.bytes += uint64(p.Len)
			return p
		}
		if t.rounds.Retire() {
			fl.owner = nil
		}
	}
}

// served is the flow being dequeued as CoDel sees it.
type served struct {
	q  *Qdisc
	fl *flow
}

func (s *served) Pop() *pkt.Packet                 { return s.q.pop(s.fl) }
func (s *served) Bytes() int                       { return s.q.backlogs[s.fl.Index] }
func (s *served) Drop(now pkt.Time, p *pkt.Packet) { s.q.drop(now, p, pkt.AQM) }
