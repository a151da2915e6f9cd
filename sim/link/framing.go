package link

import (
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/tc"
)

// Framing is what becomes of a packet's length on the wire. The zero value
// changes nothing.
type Framing struct {
	// Overhead is added to every packet on the wire, in bytes; negative where
	// the link's framing is shorter than the Ethernet header that pkt.Packet.Len
	// contains. As in tc-stab it counts from there: CAKE's overhead, which counts
	// from the IP packet, is 14 more on Ethernet.
	Overhead int
	// MPU is the least a packet takes up, overhead included, in bytes.
	MPU int
	// Cells is how the wire cuts what results.
	Cells Cells
}

// Cells is a way of cutting packets on a DSL line.
type Cells uint8

// The ways.
const (
	NoATM Cells = iota
	// ATM cells carry 48 bytes in 53, the last one padded.
	ATM
	// PTM (64b/65b) adds a byte to each 64, begun ones included.
	PTM
)

const (
	maxMPU = 256
	// framedMTU is the MTU by which a super-packet's segments are told: what is on
	// the wire is framed one by one.
	framedMTU = 1500
)

// bytes is p's length on the wire.
func (f *Framing) bytes(p *pkt.Packet) uint64 {
	if f.plain() {
		return f.add(p)
	}
	return f.cut(p)
}

// plain says that all there is is overhead.
func (f *Framing) plain() bool { return f.MPU|int(f.Cells) == 0 }

// add is p's length with its overhead.
func (f *Framing) add(p *pkt.Packet) uint64 {
	return uint64(max(int64(p.Len)+int64(f.Overhead)*int64(p.Segs), 0))
}

func (f *Framing) cut(p *pkt.Packet) (sum uint64) {
	if p.Segs <= 1 {
		return f.frame(p.Len)
	}
	var s pkt.Splitter
	var segment pkt.Packet
	for s.Start(p, framedMTU); s.Left() > 0; {
		s.Next(&segment)
		sum += f.frame(segment.Len)
	}
	return sum
}

func (f *Framing) frame(n uint32) uint64 {
	size := uint64(max(int64(n)+int64(f.Overhead), int64(f.MPU), 0))
	switch f.Cells {
	case ATM:
		return (size + 47) / 48 * 53
	case PTM:
		return size + (size+63)/64
	}
	return size
}

func (f *Framing) options() tc.Options {
	cells := func(c Cells) func() { return func() { f.Cells = c } }
	return tc.Options{
		tc.Int("overhead", &f.Overhead, -64, 256, "bytes added to each packet on the wire (0)"),
		tc.Int("mpu", &f.MPU, 0, maxMPU, "the least a packet takes up, in bytes (0)"),
		tc.Word("atm", "cells of 48 bytes in 53", cells(ATM)).Shown(func(tc.Field) tc.Field {
			return tc.Field{Key: "atm", Bare: true, Text: [...]string{"", "atm", "ptm"}[f.Cells]}
		}),
		tc.Word("ptm", "65 bytes for each 64", cells(PTM)),
		tc.Word("noatm", "neither (the default)", cells(NoATM)),
	}
}
