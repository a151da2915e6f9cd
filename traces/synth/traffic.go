package synth

import (
	"encoding/binary"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// Header lengths of the packets made here, in bytes.
const (
	tcpHeaders = 52 // IPv4 20, TCP 20, timestamps 12
	udpHeaders = 28
	mss        = 1448
)

// TCP flags.
const (
	fin, syn, psh, ack = 0x01, 0x02, 0x08, 0x10
)

// addMix adds the senders of the mix: about 35 Mbit/s.
func (g *Generator) addMix() {
	for i := range 4 {
		g.add(g.elephant(i%2 == 0))
		g.add(g.acks())
	}
	for range 3 {
		g.add(cbr(g.flow(pkt.ProtoUDP, 16384), 172, 20e6))
	}
	for range 6 {
		g.add(g.web())
	}
	for range 2 {
		g.add(g.ping())
	}
}

// elephant is a bulk transfer in bursts, as super-packets or as trains of
// packets a few µs apart; one packet in 500 is sent again.
func (g *Generator) elephant(gso bool) func(*traces.Record) pkt.Time {
	key, seq, train := g.flow(pkt.ProtoTCP, 443), g.rng.Uint32(), 0
	return func(r *traces.Record) pkt.Time {
		if train == 0 {
			train = 1 + g.rng.IntN(12)
		}
		segs := 1
		if gso {
			segs, train = train, 1
		}
		tcpData(r, key, seq, segs*mss, segs)
		r.DSField = uint8(pkt.ECT0)
		if g.rng.IntN(500) != 0 {
			seq += uint32(segs * mss)
		}
		train--
		if train > 0 {
			return 1100 + g.upTo(600)
		}
		return g.about(9500000)
	}
}

// tcpData fills r with a data packet.
func tcpData(r *traces.Record, key pkt.FlowKey, seq uint32, payload, segs int) {
	r.Flow = key
	r.HdrLen, r.Len, r.Segs = tcpHeaders, uint32(tcpHeaders+payload), uint16(segs)
	r.L4Flags, r.Seq, r.Ack = ack, seq, 77
	if segs > 1 {
		r.Info = traces.GSO | traces.CsumNotReady
	}
}

// acks are the pure ACKs of a transfer in the other direction.
func (g *Generator) acks() func(*traces.Record) pkt.Time {
	key, acked := g.flow(pkt.ProtoTCP, 8443), g.rng.Uint32()
	return func(r *traces.Record) pkt.Time {
		acked += uint32(2+2*g.rng.IntN(4)) * mss
		tcpData(r, key, 99, 0, 1)
		r.Ack = acked
		return g.about(4e6)
	}
}

// cbr sends packets of one size, headers included, at one interval in ns.
func cbr(key pkt.FlowKey, size uint32, interval pkt.Time) func(*traces.Record) pkt.Time {
	return func(r *traces.Record) pkt.Time {
		r.Flow, r.Len, r.HdrLen = key, size, udpHeaders
		r.DSField = 46 << 2
		return interval
	}
}

// web is one transfer after another: SYN, some data, FIN, a pause.
func (g *Generator) web() func(*traces.Record) pkt.Time {
	var key pkt.FlowKey
	var seq uint32
	left := -1
	return func(r *traces.Record) pkt.Time {
		if left < 0 {
			key, seq, left = g.flow(pkt.ProtoTCP, 443), g.rng.Uint32(), 200+int(g.about(20000))
			tcpData(r, key, seq, 0, 1)
			r.L4Flags = syn | ack
			seq++
			return 20e6 + g.upTo(2e6)
		}
		size := min(left, mss)
		tcpData(r, key, seq, size, 1)
		seq += uint32(size)
		if left -= size; left > 0 {
			return 12000 + g.upTo(500e3)
		}
		left = -1
		r.L4Flags |= fin | psh
		return g.about(300e6)
	}
}

// ping is an echo request every 100 ms, as exactly as a sender keeps time.
func (g *Generator) ping() func(*traces.Record) pkt.Time {
	key, id, n := g.flow(pkt.ProtoICMP, 0), uint32(g.rng.IntN(1<<16))<<16, uint32(0)
	return func(r *traces.Record) pkt.Time {
		n++
		r.Flow, r.Len, r.HdrLen = key, 84, udpHeaders
		r.L4Flags, r.Seq = 8<<8, id|n&0xffff
		return 100e6 + g.upTo(80e3)
	}
}

// manyFlows sends single packets of n flows.
func (g *Generator) manyFlows(n uint32) func(*traces.Record) pkt.Time {
	return func(r *traces.Record) pkt.Time {
		f := g.rng.Uint32N(n)
		k := pkt.FlowKey{Proto: pkt.ProtoUDP, SrcPort: uint16(1024 + f%50000), DstPort: 443, V6: f%4 == 0}
		copy(k.Src[:], []byte{10, byte(f >> 16), byte(f >> 8), byte(f)})
		copy(k.Dst[:], []byte{192, 0, 2, byte(f % 200)})
		if k.V6 {
			k.Src[0], k.Dst[0] = 0xfd, 0xfd
			binary.BigEndian.PutUint64(k.Src[8:], uint64(f)*0x9e3779b97f4a7c15)
		}
		r.Flow, r.HdrLen, r.Len = k, udpHeaders, 60+g.rng.Uint32N(1200)
		return g.about(20e3)
	}
}
