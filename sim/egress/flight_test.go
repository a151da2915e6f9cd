package egress

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/uqtool/uq/sim/pkt"
)

// reference is a flight kept sorted by hand.
type reference []inFlight

func (r *reference) push(e inFlight) {
	*r = append(*r, e)
	slices.SortStableFunc(*r, func(a, b inFlight) int { return int(a.at - b.at) })
}

// TestFlight compares the flight with a sorted list under jitter of every
// degree, ties and losses among it.
func TestFlight(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 1))
		spread := []int64{1, 3, 50, 100000}[seed%4]
		f, ref := newFlight(), reference{}
		now, id, latest := pkt.Time(0), uint64(0), uint64(0)
		check := func() {
			t.Helper()
			want := pkt.Never
			if len(ref) > 0 {
				want = ref[0].at
			}
			if f.next != want {
				t.Fatalf("seed %d: first at %v, want %v of %v", seed, f.next, want, ref)
			}
		}
		for range 3000 {
			if now += pkt.Time(rng.IntN(3)); rng.IntN(100) < 52 {
				id++
				e := inFlight{at: now + pkt.Time(rng.Int64N(spread)), seq: id, p: &pkt.Packet{ID: id}}
				lost := uint64(0)
				if rng.IntN(10) == 0 {
					lost, e.p.Len = 1, 1
				}
				f.push(e.at, e.p, lost)
				ref.push(e)
			} else if len(ref) > 0 {
				want := ref[0]
				ref = ref[1:]
				e := f.pop()
				p, lost := e.p, e.lost()
				if !lost && f.overtaken(e) {
					p.Flaws |= pkt.Reordered
				}
				if e.at != want.at {
					t.Fatalf("seed %d: popped at %v, want %v", seed, e.at, want.at)
				}
				if p != want.p || lost != (p.Len == 1) {
					t.Fatalf("seed %d: packet %d, lost %v; want %d", seed, p.ID, lost, want.p.ID)
				}
				if late := !lost && p.ID < latest; late != (p.Flaws&pkt.Reordered != 0) {
					t.Fatalf("seed %d: packet %d after %d: flaws %d", seed, p.ID, latest, p.Flaws)
				}
				if !lost {
					latest = max(latest, p.ID)
				}
			}
			check()
		}
	}
}

// BenchmarkFlight is a push and a pop with a thousand packets on the way, in
// order and with jitter as long as the way.
func BenchmarkFlight(b *testing.B) {
	for name, jitter := range map[string]pkt.Time{"in-order": 0, "jitter": 1000} {
		b.Run(name, func(b *testing.B) {
			f, p := newFlight(), &pkt.Packet{}
			rng := rand.New(rand.NewPCG(1, 1))
			delays := make([]pkt.Time, 4096)
			for i := range delays {
				delays[i] = 1000 + pkt.Time(rng.Int64N(int64(jitter)+1))
			}
			for i := range pkt.Time(1000) {
				f.push(i+delays[i&4095], p, 0)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range pkt.Time(b.N) {
				f.push(1000+i+delays[i&4095], p, 0)
				f.pop()
			}
		})
	}
}
