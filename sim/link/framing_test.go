package link

import (
	"testing"

	"github.com/uqtool/uq/sim/pkt"
)

// TestFraming has CAKE's vectors, from the layer-3 length: a link header of 14
// is taken off again, as CAKE's overhead of an Ethernet is.
func TestFraming(t *testing.T) {
	for _, c := range []struct {
		l3, overhead, mpu int
		cells             Cells
		want              uint64
	}{
		{1500, 44, 0, ATM, 1749},
		{1500, 40, 0, ATM, 1749},
		{1492, 32, 0, ATM, 1696},
		{40, 44, 0, ATM, 106},
		{1500, 30, 0, PTM, 1554},
		{64, 30, 0, PTM, 96},
		{40, 18, 64, NoATM, 64},
		{40, 18, 0, NoATM, 58},
		{1, 0, 0, ATM, 53},
		{48, 0, 0, ATM, 53},
		{49, 0, 0, ATM, 106},
		{10, -20, 0, ATM, 0},
		{10, -20, 0, PTM, 0},
		{10, -20, 48, ATM, 53},
		{64, 0, 0, PTM, 65},
		{65, 0, 0, PTM, 67},
	} {
		f := Framing{Overhead: c.overhead - 14, MPU: c.mpu, Cells: c.cells}
		p := &pkt.Packet{L3Len: uint32(c.l3), Len: uint32(c.l3 + 14), HdrLen: 20, Segs: 1}
		if got := f.bytes(p); got != c.want {
			t.Errorf("%d+%d mpu %d cells %d: %d bytes, want %d", c.l3, c.overhead, c.mpu, c.cells, got, c.want)
		}
	}
}

// TestFramingSegments checks that a super-packet takes up what its segments do
// one by one, however they are framed.
func TestFramingSegments(t *testing.T) {
	for _, f := range []Framing{{}, {Overhead: 22}, {Overhead: 22, Cells: ATM}, {Overhead: -14, MPU: 64}, {Overhead: 8, Cells: PTM, MPU: 68}} {
		for segs := uint16(1); segs <= 44; segs++ {
			for _, last := range []uint32{1, 700, 1448} {
				p := &pkt.Packet{Segs: segs, HdrLen: 52, L3Len: 52 + uint32(segs-1)*1448 + last, Flow: &pkt.Flow{}}
				p.Len = p.L3Len + 14 + uint32(segs-1)*(14+52)
				sum := uint64(0)
				var s pkt.Splitter
				var q pkt.Packet
				for s.Start(p, 1500); s.Left() > 0; {
					s.Next(&q)
					sum += f.bytes(&q)
				}
				if got := f.bytes(p); got != sum {
					t.Fatalf("%+v: %d segments, the last of %d: %d bytes whole, %d split", f, segs, last, got, sum)
				}
			}
		}
	}
}
