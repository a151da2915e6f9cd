package egress

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/cespare/xxhash/v2"

	"github.com/uqtool/uq/sim/pkt"
)

// TestDigestIsXXH64 holds the digest, after every event, against XXH64 over the
// canonical bytes as another implementation computes it.
func TestDigestIsXXH64(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	d, h := NewDigest(), xxhash.New()
	for i := range 2000 {
		if got, want := d.Sum64(), h.Sum64(); got != want {
			t.Fatalf("%d events: %016x, want %016x", i, got, want)
		}
		p := pkt.Packet{ID: rng.Uint64(), Flow: &pkt.Flow{Hash: rng.Uint32()}, Len: rng.Uint32(), DSField: uint8(rng.Uint32())}
		e := Event{Time: pkt.Time(rng.Uint64()), Packet: &p, Kind: Kind(rng.Uint32()), Reason: pkt.Reason(rng.Uint32())}
		d.Event(e)
		var b []byte
		b = binary.LittleEndian.AppendUint64(b, uint64(e.Time))
		b = binary.LittleEndian.AppendUint64(b, p.ID^uint64(p.Flow.Hash)<<32)
		b = append(b, byte(e.Kind), byte(e.Reason), p.DSField, 0)
		b = binary.LittleEndian.AppendUint32(b, p.Len)
		_, _ = h.Write(b)
	}
}
