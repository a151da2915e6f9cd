package traces

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/uqtool/uq/sim/pkt"
)

// decodeApart decodes the columns that are decoded together one after the other,
// record by record, as FORMAT.md has them.
func decodeApart(cols *[numTogether]stored, b *Block) {
	values := func(k together) []uint64 {
		res := make([]uint64, len(b.Flow))
		joinPlanes(res, cols[k].planes, cols[k].mask, cols[k].rest)
		return res
	}
	hdr, length, ds, flags := values(hdrTogether), values(lenTogether), values(dsTogether), values(flagsTogether)
	seq, ack := values(seqTogether), values(ackTogether)
	type state struct{ hdr, ds, flags, full, next, ack uint32 }
	states := make([]state, len(b.Flows))
	for i, f := range b.Flow {
		s := &states[f]
		s.hdr += uint32(zag(hdr[i]))
		s.ds += uint32(zag(ds[i]))
		s.flags += uint32(zag(flags[i]))
		s.ack += uint32(zag(ack[i]))
		s.next += uint32(zag(seq[i]))
		b.HdrLen[i], b.DSField[i], b.L4Flags[i] = uint16(s.hdr), uint8(s.ds), uint16(s.flags)
		b.Ack[i], b.Seq[i] = s.ack, s.next
		b.Len[i] = uint32(zag(length[i])) + uint32(b.HdrLen[i]) + uint32(b.Segs[i])*s.full
		s.full = max(s.full, perSegment(b.Len[i], b.HdrLen[i], b.Segs[i]))
		if b.Flows[f].Proto == pkt.ProtoTCP {
			s.next += payload(b.Len[i], b.HdrLen[i])
		}
	}
}

// TestTogether holds the decoder of eight records at a time against that, on
// planes of noise among zeros, whatever a writer might make of them.
func TestTogether(t *testing.T) {
	widths := map[together]int{hdrTogether: 2, lenTogether: 4, dsTogether: 1, flagsTogether: 2, seqTogether: 4, ackTogether: 4}
	for seed := range uint64(3000) {
		rng := rand.New(rand.NewPCG(seed, 8))
		n := 1 + rng.IntN(60)
		var c codec
		var b, want Block
		for range 1 + rng.IntN(4) {
			k := pkt.FlowKey{Proto: pkt.ProtoUDP}
			if rng.IntN(3) > 0 {
				k.Proto = pkt.ProtoTCP
			}
			b.Flows = append(b.Flows, k)
		}
		b.resize(n)
		for i := range n {
			b.Flow[i], b.Segs[i] = uint16(rng.IntN(len(b.Flows))), uint16(1+rng.IntN(2)*rng.IntN(65535))
		}
		noise := 1 + rng.IntN(30)
		for k := hdrTogether; k < numTogether; k++ {
			s := &c.together[k]
			for p := range widths[k] {
				switch rng.IntN(3 + 10*rng.IntN(2)) {
				case 0:
					s.rest |= rng.Uint64N(256) << (8 * p)
				case 1, 2:
					s.mask |= 1 << p
					for range n {
						s.planes = append(s.planes, uint8(max(0, rng.IntN(256*noise)-256*(noise-1))))
					}
				}
			}
		}
		want.Flows, want.Flow, want.Segs = b.Flows, slices.Clone(b.Flow), slices.Clone(b.Segs)
		want.HdrLen, want.Len, want.DSField, want.L4Flags = make([]uint16, n), make([]uint32, n), make([]uint8, n), make([]uint16, n)
		want.Seq, want.Ack = make([]uint32, n), make([]uint32, n)
		decodeApart(&c.together, &want)
		c.decodeTogether(&b)
		if !slices.Equal(b.HdrLen, want.HdrLen) || !slices.Equal(b.Len, want.Len) || !slices.Equal(b.DSField, want.DSField) ||
			!slices.Equal(b.L4Flags, want.L4Flags) || !slices.Equal(b.Seq, want.Seq) || !slices.Equal(b.Ack, want.Ack) {
			t.Fatalf("seed %d, %d records:\n%v %v %v %v %v %v, want\n%v %v %v %v %v %v", seed, n, b.HdrLen, b.Len, b.DSField, b.L4Flags, b.Seq, b.Ack,
				want.HdrLen, want.Len, want.DSField, want.L4Flags, want.Seq, want.Ack)
		}
	}
}
