// Package fifo is tc's pfifo and bfifo: one queue, served in order, with a
// limit in packets or bytes; what does not fit is dropped on arrival.
//
//	pfifo [limit PACKETS]
//	bfifo [limit BYTES]
//
// limit is the packets or bytes that may be queued: by default those of an
// interface with txqueuelen 1000, 1000 packets or as many MTUs.
//
// Source: tc-pfifo(8), tc-bfifo(8).
//
// # Differences from Linux
//
// None known.
package fifo

import (
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/tc"
)

// FIFO is a pfifo or a bfifo.
type FIFO struct {
	q pkt.FIFO
	// Limit is in packets, or in bytes when Bytes is set.
	Limit int
	Bytes bool
	drop  sched.DropFunc
}

var (
	_ sched.Scheduler = (*FIFO)(nil)
	_ sched.Peeker    = (*FIFO)(nil)
	_ sched.Describer = (*FIFO)(nil)
)

// txqueuelen is the default of Linux's Ethernet devices, in packets.
const txqueuelen = 1000

// NewPackets parses tc's words after "pfifo".
func NewPackets(words []string, env sched.Env) (sched.Scheduler, error) {
	f := &FIFO{Limit: txqueuelen, drop: env.Drop}
	return f, f.options().Parse("pfifo", words)
}

// NewBytes parses tc's words after "bfifo".
func NewBytes(words []string, env sched.Env) (sched.Scheduler, error) {
	f := &FIFO{Limit: txqueuelen * env.MTU, Bytes: true, drop: env.Drop}
	return f, f.options().Parse("bfifo", words)
}

func (f *FIFO) options() tc.Options {
	if f.Bytes {
		return tc.Options{tc.Size("limit", &f.Limit, 0, 1<<31-1, "bytes queued before the newest packet is dropped")}
	}
	return tc.Options{tc.Packets("limit", &f.Limit, 0, 1<<31-1, "packets queued before the newest is dropped (1000)")}
}

// Enqueue implements sched.Scheduler.
func (f *FIFO) Enqueue(now pkt.Time, p *pkt.Packet) {
	if f.full(p) {
		f.drop(now, p, pkt.Overlimit)
		return
	}
	f.q.Push(p)
}

func (f *FIFO) full(p *pkt.Packet) bool {
	if f.Bytes {
		return f.q.Bytes()+int(p.Len) > f.Limit
	}
	return f.q.Len() >= f.Limit
}

// Dequeue implements sched.Scheduler.
func (f *FIFO) Dequeue(pkt.Time) *pkt.Packet { return f.q.Pop() }

// Peek implements sched.Peeker.
func (f *FIFO) Peek(pkt.Time) *pkt.Packet { return f.q.Peek() }

// Backlog implements sched.Scheduler.
func (f *FIFO) Backlog() (packets, bytes int) { return f.q.Len(), f.q.Bytes() }

// Kind implements sched.Describer.
func (f *FIFO) Kind() string {
	if f.Bytes {
		return "bfifo"
	}
	return "pfifo"
}

// Options implements sched.Describer.
func (f *FIFO) Options() []tc.Field { return f.options().Fields() }

// Stats implements sched.Describer: a FIFO has none of its own.
func (f *FIFO) Stats() []tc.Field { return nil }
