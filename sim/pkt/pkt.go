// Package pkt holds the nouns every other package shares: the instant, the
// packet, its flow and its ECN field. It imports the standard library only.
//
// A [Packet] is what a scheduler sees of a real packet: lengths, flow, ECN and
// the few header fields that decide something. There is no payload.
package pkt

import "time"

// Time is an instant in nanoseconds since the trace's time zero. It is never
// read from a clock: whoever drives a port passes it in. Zero is a valid
// instant; [Never] is later than all others.
type Time int64

// Never is the instant that does not come: the answer of "when next?" when
// nothing is due.
const Never Time = 1<<63 - 1

// Horizon is the last instant anything is due at, a hundred and forty years on:
// what a link computes beyond it happens there, so that sums do not overflow.
const Horizon Time = 1 << 62

// Add returns t moved by d. Adding to Never gives Never.
func (t Time) Add(d time.Duration) Time {
	if t == Never {
		return Never
	}
	return t + Time(d)
}

// Sub returns the span from u to t.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t - u) }

// String prints seconds with nine decimals, the form the text trace uses.
func (t Time) String() string {
	if t == Never {
		return "never"
	}
	return string(t.Append(nil))
}

// Append appends the text of String to b.
func (t Time) Append(b []byte) []byte {
	u := uint64(t)
	if t < 0 {
		b = append(b, '-')
		u = -u
	}
	b = appendUint(b, u/1e9)
	b = append(b, '.')
	frac := u % 1e9
	for div := uint64(1e8); div > 0; div /= 10 {
		b = append(b, byte('0'+frac/div%10))
	}
	return b
}

func appendUint(b []byte, u uint64) []byte {
	var d [20]byte
	i := len(d)
	for {
		i--
		d[i] = byte('0' + u%10)
		if u /= 10; u == 0 {
			return append(b, d[i:]...)
		}
	}
}

// Packet is one packet, or one GSO super-packet, on its way through a port.
//
// It is owned by exactly one party at a time: the driver until Enqueue, the
// scheduler until it returns the packet from Dequeue or gives it to its
// DropFunc, then the link, then the port, which puts it back into its [Pool].
// Nobody may keep a pointer after handing it on.
type Packet struct {
	// ID numbers arrivals from 0 in trace order. With --gso=split the segments
	// of one super-packet are numbered apart.
	ID uint64
	// Arrival is when the packet reached the queue. Schedulers measure sojourn
	// from it.
	Arrival Time
	// Dequeued is when the scheduler let go of it; set by the port.
	Dequeued Time
	// Flow is the packet's flow; never nil.
	Flow *Flow
	// Next chains packets inside a scheduler's queue (see [FIFO]).
	Next *Packet

	// Len is the length the queue accounts for, in bytes, as Linux's
	// qdisc_pkt_len does: layer 3 and up, plus the link-layer header, and for a
	// GSO super-packet the headers of every segment it will become.
	Len uint32
	// L3Len is the length of the IP packet itself, in bytes.
	L3Len uint32
	// Segs is the number of packets on the wire: 1, or more for GSO.
	Segs uint16
	// HdrLen is the length of the IP and transport headers, in bytes.
	HdrLen uint16
	// DSField is the IPv4 TOS byte or the IPv6 traffic class: DSCP and ECN.
	DSField uint8
	// Mark says why the scheduler (or, for LinkLoss, the link) set CE, or NoReason
	// when neither did.
	Mark Reason
	// Flaws are what the link did to the packet, short of losing it.
	Flaws Flaws
	// Up says that one of the link's stations sends the packet, which passes no
	// scheduler; set by the port.
	Up bool
	// TCPFlags, Seq and Ack are the TCP header's, for ack filters; for other
	// protocols what the trace has in their place, for exports.
	TCPFlags uint16
	Seq, Ack uint32
}

// Sojourn is the time since the packet arrived.
func (p *Packet) Sojourn(now Time) time.Duration { return now.Sub(p.Arrival) }

// TrueSize is the memory a queue accounts for the packet, in bytes, where Linux
// uses skb->truesize: the data rounded up to a cache line plus the fixed cost
// of the buffer's bookkeeping (256 bytes of sk_buff and 320 of shared info on a
// 64-bit kernel). Drivers round differently, so no two kernels agree exactly.
func (p *Packet) TrueSize() int { return (int(p.Len)+63)&^63 + 576 }

// Flaws is a set of things a link does to a packet that it does not lose.
type Flaws uint8

// The flaws.
const (
	// Duplicated: the packet is a copy that the link made. It has its original's
	// ID.
	Duplicated Flaws = 1 << iota
	// Corrupted: its bits were changed on the way.
	Corrupted
	// Reordered: a packet that left later arrived before it (RFC 4737).
	Reordered
)

// Pool is a free list of packets: a steady-state loop that returns every packet
// allocates nothing. The zero value is ready; it is not safe for concurrent
// use.
type Pool struct {
	free *Packet
	out  int
}

// slab is how many packets are allocated at once when the list is empty.
const slab = 256

// Get returns a packet whose fields are unspecified except Next, Mark, Flaws, Up
// and Dequeued, which are zero.
func (l *Pool) Get() *Packet {
	if l.free == nil {
		s := make([]Packet, slab)
		for i := range s {
			s[i].Next = l.free
			l.free = &s[i]
		}
	}
	p := l.free
	l.free = p.Next
	p.Next, p.Mark, p.Flaws, p.Up, p.Dequeued = nil, NoReason, 0, false, 0
	l.out++
	return p
}

// Put takes p back.
func (l *Pool) Put(p *Packet) {
	p.Next, p.Flow = l.free, nil
	l.free = p
	l.out--
}

// Out is how many packets are in use: those got and not put back.
func (l *Pool) Out() int { return l.out }
