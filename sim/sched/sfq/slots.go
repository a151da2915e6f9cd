package sfq

import (
	"fmt"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched/red"
	"github.com/uqtool/uq/sim/tc"
)

// queue is a flow's packets. It gives up its newest as well as its oldest, which
// pkt.FIFO cannot: at most 127 links are followed for it, and only when the whole
// queue is full.
type queue struct {
	head, tail *pkt.Packet
	len, bytes int
}

func (q *queue) push(p *pkt.Packet) {
	p.Next = nil
	if q.tail == nil {
		q.head = p
	} else {
		q.tail.Next = p
	}
	q.tail = p
	q.len++
	q.bytes += int(p.Len)
}

func (q *queue) popHead() *pkt.Packet {
	p := q.head
	q.head = p.Next
	if q.head == nil {
		q.tail = nil
	}
	return q.took(p)
}

func (q *queue) popTail() *pkt.Packet {
	if q.head == q.tail {
		return q.popHead()
	}
	before := q.head
	for before.Next != q.tail {
		before = before.Next
	}
	p := q.tail
	before.Next, q.tail = nil, before
	return q.took(p)
}

func (q *queue) took(p *pkt.Packet) *pkt.Packet {
	p.Next = nil
	q.len--
	q.bytes -= int(p.Len)
	return p
}

// claim gives bucket b an unused slot, or none.
func (q *Qdisc) claim(b int) int32 {
	i := q.byDepth[0]
	if i == none {
		return none
	}
	q.table[b] = i
	s := &q.slots[i]
	s.bucket = int32(b)
	s.vars = red.NewVars()
	return i
}

// push appends p to slot i, which enters the round at its end if it was empty.
func (q *Qdisc) push(i int32, p *pkt.Packet) {
	s := &q.slots[i]
	q.unlink(i)
	s.q.push(p)
	q.link(i)
	q.longest = max(q.longest, s.q.len)
	if s.q.len > 1 {
		return
	}
	if q.tail == none {
		s.next = i
	} else {
		s.next = q.slots[q.tail].next
		q.slots[q.tail].next = i
	}
	q.tail = i
	s.allot = q.quantum
}

// release takes slot i, just emptied, out of the round; it is next in it.
func (q *Qdisc) release(i int32) {
	s := &q.slots[i]
	q.table[s.bucket] = none
	if s.next == i {
		q.tail = none
		return
	}
	q.slots[q.tail].next = s.next
}

// link puts slot i first in the list of its length.
func (q *Qdisc) link(i int32) {
	s := &q.slots[i]
	first := q.byDepth[s.q.len]
	s.up, s.down = none, first
	if first != none {
		q.slots[first].up = i
	}
	q.byDepth[s.q.len] = i
}

func (q *Qdisc) unlink(i int32) { q.unlinkFrom(i, q.slots[i].q.len) }

func (q *Qdisc) unlinkFrom(i int32, depth int) {
	s := &q.slots[i]
	if s.up != none {
		q.slots[s.up].down = s.down
	} else {
		q.byDepth[depth] = s.down
	}
	if s.down != none {
		q.slots[s.down].up = s.up
	}
}

// shrunk moves slot i, which lost one packet, to the list of its length.
func (q *Qdisc) shrunk(i int32) {
	depth := q.slots[i].q.len + 1
	q.unlinkFrom(i, depth)
	if q.byDepth[depth] == none && q.longest == depth {
		q.longest--
	}
	q.link(i)
}

// Backlog implements sched.Scheduler.
func (q *Qdisc) Backlog() (packets, bytes int) { return q.packets, q.bytes }

// Kind implements sched.Describer.
func (q *Qdisc) Kind() string { return "sfq" }

// Options implements sched.Describer.
func (q *Qdisc) Options() []tc.Field { return q.options().Fields() }

// Stats implements sched.Describer: without RED there are none.
func (q *Qdisc) Stats() []tc.Field {
	if !q.redSet {
		return nil
	}
	s := &q.stats
	return []tc.Field{
		{Key: "overlimits", Num: int64(q.overlimits)},
		{Key: "ewma", Num: int64(q.redPar.WLog)},
		{Key: "prob_mark", Num: int64(s.probMark)},
		{Key: "prob_mark_head", Num: int64(s.probMarkHead)},
		{Key: "prob_drop", Num: int64(s.probDrop)},
		{Key: "forced_mark", Num: int64(s.forcedMark)},
		{Key: "forced_mark_head", Num: int64(s.forcedMarkHead)},
		{Key: "forced_drop", Num: int64(s.forcedDrop)},
	}
}

// DebugFlows prints the flows in the order they are served in: the state
// scripted tests look at.
func (q *Qdisc) DebugFlows() string {
	if q.tail == none {
		return ""
	}
	out := ""
	for i := q.slots[q.tail].next; ; i = q.slots[i].next {
		s := &q.slots[i]
		out += fmt.Sprintf("bucket %d allot %d packets %d", s.bucket, s.allot, s.q.len)
		if q.redSet {
			out += fmt.Sprintf(" average %d", s.vars.Average(&q.redPar))
		}
		out += "\n"
		if i == q.tail {
			return out
		}
	}
}
