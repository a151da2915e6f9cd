package link

import (
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/pkt"
)

// feed is a Source and Outcome over a list of packets.
type feed struct {
	packets []*pkt.Packet
	at      []pkt.Time
}

func (f *feed) Take(pkt.Time) *pkt.Packet {
	if len(f.packets) == 0 {
		return nil
	}
	p := f.packets[0]
	f.packets = f.packets[1:]
	return p
}
func (f *feed) Deliver(at pkt.Time, _ *pkt.Packet) { f.at = append(f.at, at) }
func (f *feed) Lose(pkt.Time, *pkt.Packet)         {}
func (f *feed) Duplicate(p *pkt.Packet) *pkt.Packet {
	c := *p
	return &c
}

// send pushes the packets back to back from start and returns when the link is
// free after the last.
func send(l Link, start pkt.Time, f *feed) pkt.Time {
	for {
		free, busy := l.Transmit(start, f, f)
		if !busy {
			return start
		}
		start = free
	}
}

// TestRateExact checks that a burst takes exactly its bits' time, rounded down
// to the nanosecond once and not once a packet, for odd rates.
func TestRateExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		rate := rng.Uint64N(1<<uint(rng.IntN(37)+3)) + 1
		l := &Rate{BitsPerSec: rate, Framing: Framing{Overhead: rng.IntN(60) - 20}}
		f := &feed{}
		bytes := int64(0)
		for range rng.IntN(50) + 1 {
			p := &pkt.Packet{Len: uint32(rng.IntN(65000) + 64), Segs: uint16(rng.IntN(3) + 1)}
			bytes += int64(p.Len) + int64(l.Overhead)*int64(p.Segs)
			f.packets = append(f.packets, p)
		}
		got := send(l, 12345, f) - 12345
		want := new(big.Int).Mul(big.NewInt(bytes*8), big.NewInt(1e9))
		want.Div(want, new(big.Int).SetUint64(rate))
		if want.IsInt64() && want.Int64() < 1<<60 && int64(got) != want.Int64() {
			t.Fatalf("rate %d, %d bytes: took %d ns, want %d", rate, bytes, got, want.Int64())
		}
	}
}

// TestRateTimes checks single packets against the arithmetic of a reader.
func TestRateTimes(t *testing.T) {
	for _, c := range []struct {
		spec string
		len  uint32
		segs uint16
		free time.Duration
		at   time.Duration
	}{
		{"rate 10mbit", 1514, 1, 1211200, 1211200},
		{"rate 10mbit delay 5ms", 1514, 1, 1211200, 6211200},
		{"rate 8kbit overhead 18", 82, 1, 100 * time.Millisecond, 100 * time.Millisecond},
		{"rate 8kbit overhead 10", 80, 2, 100 * time.Millisecond, 100 * time.Millisecond},
		{"rate 8kbit overhead -14", 114, 1, 100 * time.Millisecond, 100 * time.Millisecond},
		{"rate 8kbit overhead -64", 60, 1, 0, 0},
		{"unlimited delay 3ms", 1514, 1, 0, 3 * time.Millisecond},
	} {
		l, err := New(c.spec, Env{})
		if err != nil {
			t.Fatal(err)
		}
		f := &feed{packets: []*pkt.Packet{{Len: c.len, Segs: c.segs}}}
		free, busy := l.Transmit(0, f, f)
		if !busy || free != pkt.Time(c.free) || f.at[0] != pkt.Time(c.at) {
			t.Errorf("%s: free %v, delivered %v; want %v, %v", c.spec, free, f.at[0], c.free, c.at)
		}
	}
}

// TestForever checks that a link too slow for the packet ends at the horizon
// instead of overflowing.
func TestForever(t *testing.T) {
	l := &Rate{BitsPerSec: 1, Delay: time.Hour}
	now := pkt.Time(5)
	for range 5 {
		f := &feed{packets: []*pkt.Packet{{Len: 2e9, Segs: 1}}}
		free, busy := l.Transmit(now, f, f)
		if !busy || free < now || free > pkt.Horizon || f.at[0] < free {
			t.Fatalf("free %d, delivered %d", free, f.at[0])
		}
		now = free
	}
	if now != pkt.Horizon {
		t.Errorf("ends at %v", now)
	}
}

// TestIdleForgetsRemainder checks that the remainder lives only in a busy
// period: shifting a later packet in time does not change how long it takes.
func TestIdleForgetsRemainder(t *testing.T) {
	l := &Rate{BitsPerSec: 7}
	one := func(at pkt.Time) pkt.Time {
		f := &feed{packets: []*pkt.Packet{{Len: 1}}}
		free, _ := l.Transmit(at, f, f)
		return free - at
	}
	if a, b := one(0), one(5e9); a != b || a != 1142857142 {
		t.Errorf("a byte at 7 bit/s took %d and %d ns, want 1142857142", a, b)
	}
}

func TestSpecs(t *testing.T) {
	for spec, want := range map[string]string{
		"rate 20mbit delay 10ms overhead 18": "rate 20Mbit delay 10ms overhead 18",
		"rate 1.5mbit":                       "rate 1500Kbit",
		"unlimited":                          "unlimited",
		"unlimited delay 1ms":                "unlimited delay 1ms",
	} {
		l, err := New(spec, Env{})
		if err != nil {
			t.Errorf("%s: %v", spec, err)
		} else if got := Line(l); got != want {
			t.Errorf("%s prints as %q, want %q", spec, got, want)
		}
	}
	for _, spec := range []string{"", "20mbit", "rate", "rate 0", "delay 5ms", "rate 1mbit delay 5", "rate 1mbit overhead 500", "rate 99999999tbit"} {
		if l, err := New(spec, Env{}); err == nil {
			t.Errorf("%q was accepted as %q", spec, Line(l))
		}
	}
}
