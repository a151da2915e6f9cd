package profile

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// TestCross has the packets of a pattern by time: 12112 bits each.
func TestCross(t *testing.T) {
	c := NewCross([]uint64{0, 12112, 24224, 6056, 6056, 0, 1}, 14)
	var got []pkt.Time
	var r traces.Record
	for c.Next(&r) {
		if r.Len != 1500 || r.Segs != 1 || r.Flow.Proto != pkt.ProtoUDP || r.Verdict != traces.NoVerdict || r.Due != traces.NoTime {
			t.Fatalf("record %+v", r)
		}
		got = append(got, r.Time)
	}
	want := []pkt.Time{2e9, 2.5e9, 3e9, 5e9}
	if len(got) != len(want) {
		t.Fatalf("packets at %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("packet %d at %s, want %s", i, got[i], want[i])
		}
	}
	if e := c.End(); e.DurationNs != 7e9 || !e.Clean {
		t.Errorf("end %+v", e)
	}
}

// TestCrossKeepsTheRate to a packet, from the beginning to the end of every second.
func TestCrossKeepsTheRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rates := rapid.SliceOfN(rapid.OneOf(rapid.Uint64Range(0, 20_000_000), rapid.SampledFrom([]uint64{0, 1, 50_000_000})), 1, 5).Draw(t, "rates")
		link := rapid.IntRange(0, traces.MaxLinkHeader).Draw(t, "link header")
		bits := uint64(crossLength+link) * 8
		c := NewCross(rates, link)
		var r traces.Record
		sent, last := make([]uint64, len(rates)+1), pkt.Time(-1)
		for c.Next(&r) {
			if r.Time <= last || r.Time > pkt.Time(len(rates))*nsPerSecond {
				t.Fatalf("packet at %s after %s", r.Time, last)
			}
			last = r.Time
			sent[(r.Time-1)/nsPerSecond]++ // what is due at the end of a second is the second's
		}
		count, due := uint64(0), uint64(0)
		for i, rate := range rates {
			count, due = count+sent[i], due+rate
			// A packet waits for a whole nanosecond: in all less than one packet.
			if n := due / bits; count > n || count+1 < n {
				t.Fatalf("%d packets until %d s, want %d", count, i+1, n)
			}
		}
	})
}
