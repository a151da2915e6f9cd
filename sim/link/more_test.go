package link

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/pkt"
)

// TestStreams checks that each part draws from a stream of its own: adding one
// changes nothing about the others.
func TestStreams(t *testing.T) {
	alone := try(t, "loss 5%")
	others := try(t, "loss 5% corrupt 5% delay 2ms 1ms reorder 5% slot 1ms front corrupt 5%")
	if !slices.Equal(alone.lost, others.lost) {
		t.Error("other impairments change which packets are lost")
	}
	if front := try(t, "loss 5% front corrupt 5%"); !slices.Equal(alone.lost, front.lost) {
		t.Error("an impairment in front changes which packets are lost behind")
	}
	a, b := &Env{Seed: 1}, &Env{Seed: 2}
	if a.Random("loss").Uint64() == b.Random("loss").Uint64() {
		t.Error("two seeds, one stream")
	}
}

// TestShift checks that a later start moves every arrival by as much: for files
// that repeat, by whole periods.
func TestShift(t *testing.T) {
	for spec, period := range map[string]pkt.Time{
		"rate 3mbit delay 5ms overhead 3 atm":               12345678901,
		"rate 3mbit delay 5ms 4ms loss 5% reorder 5%":       12345678901,
		"rate 3mbit slot 1ms 7ms packets 9 front loss 5%":   12345678901,
		"rate 3mbit front slot 1ms 7ms packets 9":           12345678901,
		"rate 3mbit loss gemodel 5% 20% delay 9ms limit 10": 12345678901,
		"schedule x delay 3ms 1ms":                          9 * ms * 1e6,
		"rate-file x ptm":                                   17 * ms * 1e6,
	} {
		env := reads("1\n1\n4\n9\n")
		if spec[:5] == "rate-" {
			env = reads("0s,5mbit\n9ms,0\n11ms,1mbit\n17ms,loop\n")
		}
		var in, later []arrival
		for i := range 300 {
			at := pkt.Time(i*i%977) + pkt.Time(i)*3*ms
			in = append(in, arrival{at, uint32(100 + i)})
			later = append(later, arrival{at + period, uint32(100 + i)})
		}
		run := func(in []arrival) []pkt.Time {
			l, err := New(spec, env)
			if err != nil {
				t.Fatal(err)
			}
			return drive(l, in)
		}
		want, got := run(in), run(later)
		for i := range got {
			got[i] -= period
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v later\ngot  %v\nwant %v", spec, period, got, want)
		}
	}
}

// TestSlotWaits checks the moments of a slot's wait.
func TestSlotWaits(t *testing.T) {
	const ms = float64(time.Millisecond)
	for words, want := range map[string]struct{ mean, sigma float64 }{
		"slot 2ms 8ms":                       {5 * ms, 6 * ms / math.Sqrt(12)},
		"slot 3ms":                           {3 * ms, 0},
		"slot distribution normal 9ms 1ms":   {9 * ms, ms},
		"slot distribution uniform 9ms 3ms":  {9 * ms, 3 * ms / math.Sqrt(3)},
		"slot distribution pareto 100ms 1ms": {100 * ms, ms},
	} {
		l, err := New("unlimited "+words, Env{Seed: 3})
		if err != nil {
			t.Fatal(err)
		}
		s := &l.(*Netem).behind.slot
		waits := make([]time.Duration, manyTrials())
		for i := range waits {
			s.acquire(1000)
			waits[i] = s.open.Sub(1000)
		}
		mean, deviation, _ := moments(waits)
		within(t, words+": mean", mean, want.mean, 3*want.sigma/math.Sqrt(float64(len(waits)))+ms/8192)
		within(t, words+": deviation", deviation, want.sigma, 0.03*want.sigma)
	}
}

// TestLongIdle checks that a schedule finds its place after a year of silence as
// fast as after a moment.
func TestLongIdle(t *testing.T) {
	l := &Schedule{steps: []opportunity{{1, 1}}, period: 1} // an opportunity each nanosecond
	f := &feed{packets: []*pkt.Packet{{L3Len: 1000}}}
	year := pkt.Time(365 * 24 * time.Hour)
	free, busy := l.Transmit(year, f, f)
	if !busy || free != year+1 {
		t.Errorf("free at %v", free)
	}
	r := &RateFile{steps: []rateStep{{0, 8e9}, {1, 4e9}}, period: 2}
	r.sum()
	f = &feed{packets: []*pkt.Packet{{Len: 1000, Segs: 1}}}
	if free, _ := r.Transmit(year, f, f); free != year+1333 {
		t.Errorf("free at %v", free)
	}
}

// BenchmarkTransmit is one packet through a link that always has one to send.
func BenchmarkTransmit(b *testing.B) {
	for _, spec := range []string{
		"rate 1gbit", "rate 1gbit overhead 22 atm", "schedule x", "rate-file x", "rate 1gbit loss 1%", "rate 1gbit loss gemodel 1% 10%",
		"rate 1gbit delay 10ms 1ms", "rate 1gbit delay 10ms 1ms 25% distribution normal", "rate 1gbit slot 1ms packets 20", "rate 1gbit front loss 1%",
		"rate 1gbit delay 10ms 1ms loss 1% duplicate 1% corrupt 1% reorder 1% front loss 1% duplicate 1%",
	} {
		b.Run(spec, func(b *testing.B) {
			env := reads("1\n1\n1\n2\n3\n")
			if spec[:5] == "rate-" {
				env = reads("0s,1gbit\n10ms,100mbit\n20ms,loop")
			}
			l, err := New(spec, env)
			if err != nil {
				b.Fatal(err)
			}
			s := &endless{p: &pkt.Packet{Len: 1514, L3Len: 1500, Segs: 1}}
			now := pkt.Time(0)
			b.ReportAllocs()
			for range b.N {
				now, _ = l.Transmit(now, s, s)
			}
		})
	}
}

// endless always has a packet, and always the same.
type endless struct{ p *pkt.Packet }

func (s *endless) Take(pkt.Time) *pkt.Packet         { return s.p }
func (s *endless) Deliver(pkt.Time, *pkt.Packet)     {}
func (s *endless) Lose(pkt.Time, *pkt.Packet)        {}
func (s *endless) Duplicate(*pkt.Packet) *pkt.Packet { return s.p }

// TestCorrelatedLoss pins what the documentation says of netem's recurrence: a
// correlated loss is much less than its percentage.
func TestCorrelatedLoss(t *testing.T) {
	lost := try(t, "loss 1% 25%").lost
	t.Logf("loss 1%% 25%% loses %.4f %%", 100*share(lost))
	if n := count(lost); n == 0 && !testing.Short() || n > len(lost)/500 {
		t.Errorf("loss 1%% 25%% loses %d of %d", n, len(lost))
	}
}

// TestFrontSlot checks that the scheduler is asked in slots only.
func TestFrontSlot(t *testing.T) {
	l, err := New("rate 1mbit front slot 5ms packets 3", Env{})
	if err != nil {
		t.Fatal(err)
	}
	f := &feed{}
	for range 7 {
		f.packets = append(f.packets, &pkt.Packet{Len: 125, Segs: 1})
	}
	// A slot is acquired in 5 ms and carries three packets of 1 ms.
	want := []pkt.Time{6, 7, 8, 14, 15, 16, 22}
	if end := send(l, 0, f); end != 22*ms {
		t.Errorf("idle at %v", end)
	}
	for i, at := range f.at {
		if at != want[i]*ms {
			t.Errorf("delivered at %v, want %v ms", f.at, want)
			break
		}
	}
}
