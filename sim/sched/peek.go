package sched

import "github.com/uqtool/uq/sim/pkt"

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

// Dequeue returns the packet held, or the scheduler's next.
func (h *Head) Dequeue(now pkt.Time) *pkt.Packet {
	if p := h.held; p != nil {
		h.held = nil
		return p
	}
	return h.Scheduler.Dequeue(now)
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
