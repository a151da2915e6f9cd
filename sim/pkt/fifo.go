package pkt

// FIFO is an intrusive first-in first-out list of packets, chained through
// Packet.Next, with its length in packets and bytes. The zero value is empty
// and ready.
type FIFO struct {
	head, tail *Packet
	len        int
	bytes      int
}

// Push appends p, which must be on no list.
func (f *FIFO) Push(p *Packet) {
	p.Next = nil
	if f.tail == nil {
		f.head = p
	} else {
		f.tail.Next = p
	}
	f.tail = p
	f.len++
	f.bytes += int(p.Len)
}

// Pop removes and returns the oldest packet, or nil.
func (f *FIFO) Pop() *Packet {
	p := f.head
	if p == nil {
		return nil
	}
	f.head = p.Next
	if f.head == nil {
		f.tail = nil
	}
	p.Next = nil
	f.len--
	f.bytes -= int(p.Len)
	return p
}

// Peek returns the oldest packet without removing it, or nil.
func (f *FIFO) Peek() *Packet { return f.head }

// Len is the number of packets.
func (f *FIFO) Len() int { return f.len }

// Bytes is the sum of the packets' Len.
func (f *FIFO) Bytes() int { return f.bytes }
