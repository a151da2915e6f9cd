package cake

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/tc"
)

// TestShaperRate keeps the queue full of packets of mixed sizes and compares
// what the link was asked to carry, framing included, with the rate: within 0.1 %
// of it, and never more than a nanosecond a packet off, which is what rounding
// the packets' times down costs. Only a flood of small packets at 10 Gbit/s, 51.2
// ns each for 64 bytes, would feel that more.
func TestShaperRate(t *testing.T) {
	framings := []string{"", "docsis", "pppoe-ptm", "conservative", "ethernet ether-vlan", "overhead -20 mpu 40"}
	for _, rate := range []string{"64kbit", "1mbit", "12345678bit", "50mbit", "1gbit", "2.5gbit", "10gbit"} {
		for _, words := range framings {
			r := newRig(t, "besteffort flowblind interplanetary bandwidth "+rate+" "+words)
			bps, err := tc.ParseRate(rate)
			if err != nil {
				t.Fatal(err)
			}
			rng := rand.New(rand.NewPCG(1, 2))
			f := flowFrom(1, 1, 1)
			sent, first, last := 0, r.now, r.now
			smallest := 40
			if bps >= 10e9 {
				smallest = 200
			}
			const packets = 5000
			for range packets {
				r.enq(f, smallest+rng.IntN(1501-smallest))
				r.enq(f, smallest+rng.IntN(1501-smallest))
				p := r.deq()
				last = r.now
				sent += r.q.overhead.charge(p)
				r.pool.Put(p)
			}
			// The last packet's time is still to come.
			took := r.q.shaper.next.Sub(first)
			ideal := time.Duration(float64(sent) * 8e9 / float64(bps))
			if off := ideal - took; off < 0 || off > packets || float64(off) > 1e-3*float64(ideal) {
				t.Errorf("%s %s: %d bytes took %v, want %v: %.4f %% off", rate, words, sent, took, ideal, 100*float64(off)/float64(ideal))
			}
			if last >= r.q.shaper.next {
				t.Errorf("%s %s: clock %v at the last packet, %v", rate, words, r.q.shaper.next, last)
			}
		}
	}
}

// TestNoBurst checks that idle time is no credit: after it, packets leave one
// packet's time apart from the first on.
func TestNoBurst(t *testing.T) {
	r := newRig(t, "bandwidth 8mbit docsis") // a byte takes a microsecond
	f := flowFrom(1, 1, 1)
	for _, idle := range []time.Duration{0, time.Second, time.Hour} {
		r.now = r.now.Add(idle)
		begin := r.now
		var at []string
		for range 4 {
			r.enq(f, 982)
		}
		for range 4 {
			r.deq()
			at = append(at, r.now.Sub(begin).String())
		}
		if got := strings.Join(at, " "); got != "0s 1ms 2ms 3ms" && idle > 0 {
			t.Errorf("after %v: packets at %s", idle, got)
		}
		r.now = r.now.Add(ms)
	}
}

// TestNextWake checks that the shaper lets the packet go at NextWake and not a
// nanosecond before.
func TestNextWake(t *testing.T) {
	r := newRig(t, "bandwidth 7mbit pppoe-ptm diffserv4")
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range 2000 {
		for range 1 + rng.IntN(2) {
			r.enq(flowFrom(i%5, 1, 1), 40+rng.IntN(1461), dscp(uint8(rng.IntN(64))))
		}
		if r.q.Dequeue(r.now) != nil {
			continue
		}
		wake := r.q.NextWake()
		if wake <= r.now {
			t.Fatalf("NextWake %v at %v", wake, r.now)
		}
		if p := r.q.Dequeue(wake - 1); p != nil {
			t.Fatalf("packet %d left before NextWake", p.ID)
		}
		r.now = wake
		if r.q.Dequeue(r.now) == nil {
			t.Fatalf("nothing at NextWake %v", wake)
		}
	}
	for r.deq() != nil {
	}
	if w := r.q.NextWake(); w != pkt.Never {
		t.Errorf("empty, and NextWake is %v", w)
	}
}

// TestLateCaller checks that a caller who comes late may catch up, packet by
// packet, while the queue does not run empty.
func TestLateCaller(t *testing.T) {
	r := newRig(t, "bandwidth 8mbit docsis besteffort")
	for range 10 {
		r.enq(flowFrom(1, 1, 1), 982)
	}
	r.deq()
	r.now = pkt.Time(3500 * time.Microsecond)
	n := 0
	for r.q.Dequeue(r.now) != nil {
		n++
	}
	if n != 3 { // those due at 1, 2 and 3 ms
		t.Errorf("%d packets at 3.5 ms, want 3", n)
	}
	if w := r.q.NextWake(); w != pkt.Time(4*ms) {
		t.Errorf("next at %v, want 4 ms", w)
	}
}

// TestIngress checks that in ingress mode what was dropped has used the link:
// what arrives, not what leaves, is held to the rate; and that the failsafe
// clock still lets two thirds of the rate through.
func TestIngress(t *testing.T) {
	for _, c := range []struct {
		words    string
		min, max float64
	}{
		{"egress", 0.999, 1.001},
		{"ingress", 0.66, 0.95},
	} {
		r := newRig(t, "bandwidth 8mbit docsis besteffort memlimit 64k rtt 10ms "+c.words)
		sent := 0
		end := pkt.Time(5 * time.Second)
		next := pkt.Time(0)
		for id := 0; r.now < end; id++ { // 12 Mbit/s of unresponsive traffic
			r.now = next
			r.enq(flowFrom(1, 1, id%3), 982)
			next = r.now.Add(time.Millisecond * 2 / 3)
			for {
				p := r.q.Dequeue(r.now)
				if p == nil {
					w := r.q.NextWake()
					if w >= next {
						break
					}
					r.now = w
					continue
				}
				sent += 1000
				r.pool.Put(p)
			}
		}
		if share := float64(sent) / 5e6; share < c.min || share > c.max {
			t.Errorf("%s: %.3f of the rate left, want %g to %g", c.words, share, c.min, c.max)
		}
	}
}

// TestAutorate offers bursts at a steady rate and lets cake find it: the shaper
// goes to 15/16 of it.
func TestAutorate(t *testing.T) {
	for _, start := range []string{"", "bandwidth 100mbit ", "bandwidth 1mbit "} {
		r := newRig(t, start+"autorate-ingress besteffort")
		for burst := range 3000 { // 8 packets of 1000 bytes each 10 ms: 6.4 Mbit/s
			begin := pkt.Time(burst) * pkt.Time(10*ms)
			for i := range 8 {
				r.now = max(r.now, begin.Add(time.Duration(i)*10*time.Microsecond))
				r.enq(flowFrom(1, 1, i), 986)
			}
			for r.q.Dequeue(r.now) != nil {
			}
		}
		got := float64(8 * r.q.shaper.bytesPerSec)
		if want := 6.4e6 * 15 / 16; got < want*0.98 || got > want*1.02 {
			t.Errorf("%q: the shaper is at %.0f bit/s, want %.0f", start, got, want)
		}
		if line := tc.Line("cake", r.q.Options()); !strings.Contains(line, "autorate-ingress") || start != "" && !strings.Contains(strings.ToLower(line), strings.TrimSpace(start)) {
			t.Errorf("line %q, want the bandwidth it was made with", line)
		}
	}
}

// TestAutorateOrigin checks that the estimate does not depend on when time began.
func TestAutorateOrigin(t *testing.T) {
	play := func(origin time.Duration) string {
		r := newRig(t, "autorate-ingress")
		s := ""
		for i := range 500 {
			r.now = pkt.Time(origin + time.Duration(i*i%97)*ms/100 + time.Duration(i)*3*ms)
			r.enq(flowFrom(1, 1, i%7), 1000)
			r.q.Dequeue(r.now)
			s += fmt.Sprintln(r.q.shaper.bytesPerSec, r.q.memoryLimit)
		}
		return s
	}
	if play(0) != play(time.Hour) {
		t.Error("an hour later the estimates differ")
	}
}

// TestSpan compares the fixed point with exact division over many rates.
func TestSpan(t *testing.T) {
	for bps := uint64(64); bps < 1e11; bps = bps*5/3 + 1 {
		r := newRate(bps)
		for _, n := range []int{0, 1, 64, 1514, 65536, 1 << 24} {
			exact := uint64(n) * 1e9 / bps
			if got := uint64(r.span(n)); got > exact || exact-got > 1+exact/1e9 {
				t.Errorf("%d bytes at %d B/s: %d ns, want %d", n, bps, got, exact)
			}
		}
	}
	if r := newRate(1); r.span(64) != time.Second {
		t.Errorf("below 64 bytes per second: %v", r.span(64))
	}
}

// TestTinClock has what a packet of 1000 bytes at 8 Mbit/s, a millisecond, does
// to a tin's clock: one that lags moves on from where it is and may catch up,
// one that is ahead stays a packet ahead.
func TestTinClock(t *testing.T) {
	const now = 100 * ms
	for next, want := range map[time.Duration]time.Duration{
		0: ms, 50 * ms: 51 * ms, 99 * ms: 100 * ms, 99*ms + 1: 100*ms + 1,
		100 * ms: 101 * ms, 100*ms + 1: 101 * ms, 101 * ms: 101 * ms, 150 * ms: 150 * ms,
	} {
		c := clock{rate: newRate(1e6), next: pkt.Time(next)}
		c.charge(pkt.Time(now), 1000)
		if got := time.Duration(c.next); got != want {
			t.Errorf("clock at %v moves to %v, want %v", next, got, want)
		}
	}
}

// TestEstimator follows autorate-ingress packet by packet: the usual gap moves
// up by a quarter and down by 1/256 of the way, a longer gap ends a window, and
// the rate is set anew a quarter of a second after the last time at the earliest.
func TestEstimator(t *testing.T) {
	e := estimator{peak: 1 << 20}
	for i, step := range []struct {
		at    time.Duration
		bytes int
		anew  bool
		gap   time.Duration // usual
		peak  uint64
	}{
		{0, 1000, true, 250 * ms, 1<<20 - 1<<12}, // silence for ever before it
		{ms, 1000, false, 250*ms - 250*ms/256 + ms/256, 1<<20 - 1<<12},
		{301 * ms, 1000, true, 261770508, 1044480 - 1044480>>8 + 6644>>8}, // 2000 bytes in 301 ms
		{551 * ms, 1000, false, 261770508 - 261770508>>8 + 250*ms/256, 1040425},
	} {
		anew := e.arrive(pkt.Time(step.at), step.bytes)
		near := func(a, b uint64) bool { return a < b+3 && b < a+3 }
		if anew != step.anew || !near(e.avgGap, uint64(step.gap)) || !near(e.peak, step.peak) {
			t.Errorf("packet %d: set anew %v, gap %d, peak %d, want %v, %d, %d", i, anew, e.avgGap, e.peak, step.anew, uint64(step.gap), step.peak)
		}
	}
	e = estimator{begun: true, avgGap: uint64(10 * ms)}
	if e.arrive(pkt.Time(250*ms), 1000) || e.windowBegin != pkt.Time(250*ms) || !e.arrive(pkt.Time(350*ms), 1000) {
		t.Error("a window ended and set the rate anew within 250 ms, or did not after")
	}
}
