package schedtest

import "github.com/uqtool/uq/sim/pkt"

// Drops keeps what a scheduler under test gave up, in order.
type Drops struct {
	Packets []*pkt.Packet
	Reasons []pkt.Reason
}

// Drop is the scheduler's sched.DropFunc.
func (d *Drops) Drop(_ pkt.Time, p *pkt.Packet, why pkt.Reason) {
	d.Packets, d.Reasons = append(d.Packets, p), append(d.Reasons, why)
}

// IDs are the numbers of the packets.
func (d *Drops) IDs() []uint64 {
	ids := make([]uint64, len(d.Packets))
	for i, p := range d.Packets {
		ids[i] = p.ID
	}
	return ids
}
