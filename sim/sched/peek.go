package sched

import (
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/tc"
)

// Peeker is implemented by schedulers that can show the packet Dequeue would
// return without giving it up, as a queue in order can.
type Peeker interface {
	// Peek returns the packet that Dequeue would return at now, or nil.
	Peek(now pkt.Time) *pkt.Packet
}

// Head is a scheduler inside another as its parent uses it: it can be peeked at
// whether it is a [Peeker] or not. One that is none gives the packet up, and it
// is held here until it is dequeued, as qdisc_peek_dequeued does in Linux: what
// arrives meanwhile cannot overtake it.
//
// Unlike in Linux the packet held does not count towards the limits of the
// scheduler it came from.
type Head struct {
	Scheduler
	peeker Peeker
	waiter Waiter
	held   *pkt.Packet

	in, out      uint64 // packets
	bytes, wires uint64 // of those out; a super-packet is its segments on the wire
}

// NewHead wraps s.
func NewHead(s Scheduler) Head {
	h := Head{Scheduler: s}
	h.peeker, _ = s.(Peeker)
	h.waiter, _ = s.(Waiter)
	return h
}

// Peek returns the packet that Dequeue will return if nothing arrives first.
func (h *Head) Peek(now pkt.Time) *pkt.Packet {
	if h.held == nil {
		if h.peeker != nil {
			return h.peeker.Peek(now)
		}
		h.held = h.Scheduler.Dequeue(now)
	}
	return h.held
}

// Enqueue gives the scheduler p.
func (h *Head) Enqueue(now pkt.Time, p *pkt.Packet) {
	h.in++
	h.Scheduler.Enqueue(now, p)
}

// Dequeue returns the packet held, or the scheduler's next.
func (h *Head) Dequeue(now pkt.Time) *pkt.Packet {
	p := h.held
	if p == nil {
		p = h.Scheduler.Dequeue(now)
	}
	h.held = nil
	if p != nil {
		h.out++
		h.bytes += uint64(p.Len)
		h.wires += uint64(max(p.Segs, 1))
	}
	return p
}

// Sent is what tc counts of every qdisc, for [Inner.Stats]: what left, and what
// came but neither left nor is queued.
func (h *Head) Sent() []tc.Field {
	queued, _ := h.Backlog()
	return []tc.Field{
		{Key: "bytes", Num: int64(h.bytes)},
		{Key: "packets", Num: int64(h.wires)},
		{Key: "drops", Num: int64(h.in-h.out) - int64(queued)},
	}
}

// Backlog counts the packet held too.
func (h *Head) Backlog() (packets, bytes int) {
	packets, bytes = h.Scheduler.Backlog()
	if h.held != nil {
		packets, bytes = packets+1, bytes+int(h.held.Len)
	}
	return packets, bytes
}

// NextWake is the scheduler's; pkt.Never for one that does not wait.
func (h *Head) NextWake() pkt.Time {
	if h.waiter == nil {
		return pkt.Never
	}
	return h.waiter.NextWake()
}
