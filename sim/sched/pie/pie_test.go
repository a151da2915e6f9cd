package pie

import (
	"math"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/random"
)

const ms = time.Millisecond

func params(change func(*Config)) Params {
	c := DefaultConfig()
	if change != nil {
		change(&c)
	}
	return c.Params(1514, MaxProb/10)
}

func fraction(prob uint64) float64 { return float64(prob) / MaxProb }

// TestGaps checks how drops are spaced at a constant probability of 10 %: never
// less than 9 packets apart, never more than 85.
func TestGaps(t *testing.T) {
	par, v := params(nil), NewVars()
	v.Prob, v.QDelay, v.BurstTime = MaxProb/10+1, par.Target, 0
	rng := random.Stream(1, "test")
	var st Stats
	gaps := map[int]int{}
	for gap := 1; st.Dropped < 200000; gap++ {
		if !v.Arrive(&pkt.Packet{Len: 1514}, 30000, &par, &st, rng) {
			gaps[gap]++
			gap = 0
		}
	}
	lo, hi, sum := 1000, 0, 0
	for g, n := range gaps {
		lo, hi, sum = min(lo, g), max(hi, g), sum+g*n
	}
	if lo != 9 || hi != 85 {
		t.Errorf("drops %d to %d packets apart, want 9 to 85", lo, hi)
	}
	// 8 packets free, then a draw at 10 % each: 18 on average, cut off at 85
	if mean := float64(sum) / 200000; math.Abs(mean-18) > 0.1 {
		t.Errorf("drops %.2f packets apart on average, want 18", mean)
	}
}

// TestNoEarlyDrop checks each reason to spare a packet, and its edge.
func TestNoEarlyDrop(t *testing.T) {
	par := params(nil)
	for _, c := range []struct {
		what    string
		change  func(*Vars)
		backlog int
		drop    bool
	}{
		{"all conditions met", func(*Vars) {}, 3028, true},
		{"burst allowance left", func(v *Vars) { v.BurstTime = 1 }, 3028, false},
		{"less than two MTUs queued", func(*Vars) {}, 3027, false},
		{"delay below half of target", func(v *Vars) { v.QDelay, v.Prob = par.Target/2-1, MaxProb/5-1 }, 3028, false},
		{"delay below half of target at 20 %", func(v *Vars) { v.QDelay, v.Prob = par.Target/2-1, MaxProb/5 }, 3028, true},
		{"delay half of target", func(v *Vars) { v.QDelay, v.Prob = par.Target/2, MaxProb/5-1 }, 3028, true},
		{"accumulated less than 8.5", func(v *Vars) { v.AccuProb, v.Prob = accuHigh-2, 1 }, 3028, false},
		{"accumulated 8.5", func(v *Vars) { v.AccuProb, v.Prob = accuHigh-1, 1 }, 3028, true},
		{"accumulated less than 0.85", func(v *Vars) { v.AccuProb, v.Prob = 0, accuLow-1 }, 3028, false},
		{"accumulated 0.85, drawn", func(v *Vars) { v.AccuProb, v.Prob = 0, accuLow }, 3028, true},
		{"probability 0", func(v *Vars) { v.AccuProb, v.Prob = accuHigh, 0 }, 3028, false},
	} {
		v := Vars{Prob: MaxProb, QDelay: par.Target, AccuProb: accuHigh}
		c.change(&v)
		if got := v.dropEarly(1514, c.backlog, &par, random.Stream(1, "test")); got != c.drop {
			t.Errorf("%s: drop %v", c.what, got)
		}
	}
}

// TestByteMode checks that small packets count by their size and large ones in
// full.
func TestByteMode(t *testing.T) {
	par := params(func(c *Config) { c.ByteMode = true })
	for size, want := range map[int]uint64{757: 757 * (MaxProb / 5 / 1514), 1514: 1514 * (MaxProb / 5 / 1514), 1515: MaxProb / 5} {
		v := Vars{Prob: MaxProb / 5, QDelay: par.Target}
		v.dropEarly(size, 10000, &par, random.Stream(1, "test"))
		if v.AccuProb != want {
			t.Errorf("%d bytes add %.6f, want %.6f", size, fraction(v.AccuProb), fraction(want))
		}
	}
}

// TestMarks checks who is marked instead of dropped, and what becomes of the
// accumulated probability: cleared by a drawn mark, not by a forced one.
func TestMarks(t *testing.T) {
	par := params(func(c *Config) { c.ECN = true })
	for _, c := range []struct {
		what       string
		ecn        pkt.ECN
		prob, accu uint64
		in         bool
		left       uint64
	}{
		{"ECT(0), forced", pkt.ECT0, MaxProb / 10, accuHigh, true, accuHigh + MaxProb/10},
		{"ECT(1), forced", pkt.ECT1, MaxProb / 10, accuHigh, true, accuHigh + MaxProb/10},
		{"CE, forced", pkt.CE, MaxProb / 10, accuHigh, true, accuHigh + MaxProb/10},
		{"ECT(0), above 10 %", pkt.ECT0, MaxProb/10 + 1, accuHigh, false, 0},
		{"Not-ECT", pkt.NotECT, MaxProb / 10, accuHigh, false, 0},
	} {
		v := Vars{Prob: c.prob, AccuProb: c.accu, QDelay: par.Target}
		p := &pkt.Packet{Len: 1514, DSField: uint8(c.ecn)}
		var st Stats
		in := v.Arrive(p, 10000, &par, &st, random.Stream(1, "test"))
		if in != c.in || v.AccuProb != c.left {
			t.Errorf("%s: queued %v, accumulated %d, want %d", c.what, in, v.AccuProb, c.left)
		}
		if in != (p.Mark == pkt.AQM && p.ECN() == pkt.CE && st.Marks == 1 && st.PacketsIn == 1) || in == (st.Dropped == 1) {
			t.Errorf("%s: %+v, %+v", c.what, p, st)
		}
	}
	v, rng := Vars{Prob: MaxProb / 10, AccuProb: accuLow, QDelay: par.Target}, random.Stream(1, "test")
	for p := (&pkt.Packet{}); p.Mark == pkt.NoReason; {
		if v.AccuProb >= accuHigh {
			t.Fatal("no draw hit")
		}
		p = &pkt.Packet{Len: 1514, DSField: uint8(pkt.ECT0)}
		v.Arrive(p, 10000, &par, &Stats{}, rng)
	}
	if v.AccuProb != 0 {
		t.Errorf("accumulated %.3f after a drawn mark", fraction(v.AccuProb))
	}
}

// TestBurst checks that departures use up the burst allowance by the time
// between them, and that the first of them uses none.
func TestBurst(t *testing.T) {
	par, v := params(nil), NewVars()
	out := func(at time.Duration) Ticks {
		v.Depart(pkt.Time(at), &pkt.Packet{Len: 1000}, 5000, &par)
		return v.BurstTime
	}
	for _, c := range []struct{ at, left time.Duration }{{time.Second, 150 * ms}, {1100 * ms, 50 * ms}, {1149 * ms, ms}, {1151 * ms, 0}, {2 * time.Second, 0}} {
		if got := out(c.at).Duration(); got != c.left {
			t.Errorf("at %v: %v left, want %v", c.at, got, c.left)
		}
	}
	v.Prob, v.QDelay, v.QDelayOld = 0, 0, 0
	v.update(0, &par)
	if v.BurstTime.Duration() != 150*ms {
		t.Error("a queue at rest does not get its allowance back")
	}
}

// TestDelay checks what a departure tells: its sojourn, or nothing when it leaves
// the queue empty.
func TestDelay(t *testing.T) {
	par, v := params(nil), NewVars()
	p := &pkt.Packet{Arrival: pkt.Time(10 * ms), Len: 1000}
	v.Depart(pkt.Time(30*ms), p, 1, &par)
	if v.QDelay.Duration() != 20*ms {
		t.Errorf("delay %v", v.QDelay.Duration())
	}
	v.Depart(pkt.Time(30*ms), p, 0, &par)
	if v.QDelay != 0 {
		t.Errorf("delay %v of an empty queue", v.QDelay.Duration())
	}
}

// TestDequeueRate drains a queue at 10 Mbit/s and checks the rate found and the
// delay that follows from it.
func TestDequeueRate(t *testing.T) {
	par, v := params(func(c *Config) { c.DequeueRate = true }), NewVars()
	at, backlog := pkt.Time(0), 200*1250
	for range 150 {
		at += pkt.Time(ms)
		backlog -= 1250
		v.Depart(at, &pkt.Packet{Len: 1250}, backlog, &par)
	}
	// a byte per tick is 15.625 MB/s. The packet that begins a measurement counts
	// too, at no time: 14 packets in 13 ms or, from the second on, in 14
	rate := float64(v.AvgRate) * float64(ticksPerSecond) / 256
	if rate < 1.25e6*0.97 || rate > 1.25e6*1.08 {
		t.Errorf("rate %.0f bytes/s of 1250000", rate)
	}
	v.update(backlog, &par)
	want := time.Duration(float64(backlog) / rate * 1e9)
	if d := v.QDelay.Duration() - want; d < -ms/10 || d > ms/10 {
		t.Errorf("delay %v, want %v", v.QDelay.Duration(), want)
	}
	for range 50 {
		at += pkt.Time(ms)
		backlog -= 1250
		v.Depart(at, &pkt.Packet{Len: 1250}, backlog, &par)
	}
	if v.measuring {
		t.Error("measuring with an empty queue")
	}
	if v.BurstTime != 0 {
		t.Error("a measurement uses no burst allowance")
	}
}

// TestMeasurement checks the edges of a measurement: 16 KiB queued begin one,
// 16 KiB gone and some time end it, and the next begins if as much is queued.
func TestMeasurement(t *testing.T) {
	par := params(func(c *Config) { c.DequeueRate = true })
	out := func(v *Vars, at Ticks, size, backlog int) {
		v.Depart(pkt.Time(at)<<tickShift, &pkt.Packet{Len: uint32(size)}, backlog, &par)
	}
	for _, c := range []struct {
		what                string
		first, backlog      int // bytes left by the first departure
		size                int // of the second, 1000 ticks later
		left                int
		measured, measuring bool
	}{
		{"16384 queued", 0, 16384, 100, 16384, false, true},
		{"16383 queued", 0, 16383, 100, 16383, false, false},
		{"16383 gone", 1, 16384, 16382, 16384, false, true},
		{"16384 gone, 16384 left", 1, 16384, 16383, 16384, true, true},
		{"16384 gone, 16383 left", 1, 16384, 16383, 16383, true, false},
	} {
		v := NewVars()
		out(&v, 1000, c.first, c.backlog)
		out(&v, 2000, c.size, c.left)
		if (v.AvgRate > 0) != c.measured || v.measuring != c.measuring {
			t.Errorf("%s: rate %d, measuring %v", c.what, v.AvgRate, v.measuring)
		}
		if c.measured && v.AvgRate != 16384*256/1000 {
			t.Errorf("%s: rate %d, want %d", c.what, v.AvgRate, 16384*256/1000)
		}
	}
	v := NewVars()
	out(&v, 1000, 20000, 50000)
	if v.AvgRate != 0 || !v.measuring {
		t.Errorf("at once: rate %d, measuring %v", v.AvgRate, v.measuring)
	}
	out(&v, 1100, 5600, 50000) // 25600 bytes in 100 ticks
	out(&v, 1200, 12800, 50000)
	out(&v, 1300, 12800, 50000) // 25600 in 200: half the rate, weighed 1/8
	if want := uint64(65536 - 65536/8 + 32768/8); v.AvgRate != want {
		t.Errorf("average %d, want %d", v.AvgRate, want)
	}
	if want := TicksOf(maxBurst) - 300; v.BurstTime != want {
		t.Errorf("burst allowance %d, want %d", v.BurstTime, want)
	}
}
