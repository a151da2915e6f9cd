package pie

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/uqtool/uq/sim/pkt"
)

// TestTrajectory checks the probability after each of the first updates at a
// constant delay of 30 ms, and when it passes 10 %.
func TestTrajectory(t *testing.T) {
	par, v := params(nil), NewVars()
	want := []float64{1.9226e-5, 3.3875e-5, 4.8523e-5, 6.3171e-5, 7.7820e-5, 9.2468e-5, 1.07117e-4, 1.65710e-4}
	for n := 1; n <= 158; n++ {
		v.QDelay = TicksOf(30 * ms)
		v.update(30000, &par)
		p := fraction(v.Prob)
		if n <= len(want) && math.Abs(p-want[n-1]) > 5e-5*want[n-1] {
			t.Errorf("update %d: probability %.6g, want %.6g", n, p, want[n-1])
		}
		if over := p >= 0.1; over != (n == 158) {
			t.Errorf("update %d: probability %.4f", n, p)
		}
	}
}

// TestTuning checks the gains' table of RFC 8033 §4.2 at both sides of every
// edge.
func TestTuning(t *testing.T) {
	below := uint(11)
	for i, edge := range []uint64{1000000, 100000, 10000, 1000, 100, 10} {
		above := below - 2
		if edge == 10 {
			above = 0
		}
		at := uint64(MaxProb) / edge
		lower, _, high := band(at - 1)
		upper, low, _ := band(at)
		if lower != below || upper != above || high != at-1 || low != at {
			t.Errorf("edge %d, 1/%d: gains shifted by %d below %d, by %d from %d", i, edge, lower, high+1, upper, low)
		}
		below = above
	}
	if shift, _, high := band(MaxProb); shift != 0 || high != MaxProb {
		t.Errorf("at 1: shift %d up to %d", shift, high)
	}
}

// reference is one update as RFC 8033 §4.2 and Linux's additions have it, in
// floating point: p and delays in seconds.
func reference(p, alpha, beta, qdelay, old, target float64, empty bool) (next, terms float64) {
	scale := 1.0
	for _, row := range []struct{ below, scale float64 }{{1e-1, 2}, {1e-2, 8}, {1e-3, 32}, {1e-4, 128}, {1e-5, 512}, {1e-6, 2048}} {
		if p < row.below {
			scale = row.scale
		}
	}
	a, b := alpha*(qdelay-target)/scale, beta*(qdelay-old)/scale
	d := a + b
	if p >= 0.1 {
		d = min(d, 0.02)
	}
	if qdelay > 0.25 {
		d += 0.02
	}
	p = min(max(p+d, 0), 1)
	if qdelay == 0 && old == 0 && empty {
		p *= 63.0 / 64
	}
	return p, math.Abs(a) + math.Abs(b)
}

// TestAgainstReference compares single updates from random states with the
// formulas in floating point. Integer gains are at most 1e-5 too small.
func TestAgainstReference(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	delay := func() Ticks {
		if rng.IntN(4) == 0 {
			return 0
		}
		return TicksOf(time.Duration(math.Exp(rng.Float64()*20) * 1000)) // 1 µs to 485 s
	}
	for range 200000 {
		c := DefaultConfig()
		c.Alpha, c.Beta = 1+rng.IntN(32), 1+rng.IntN(32)
		par := c.Params(1514, 0)
		v := NewVars()
		v.Prob = uint64(MaxProb * math.Exp(-rng.Float64()*16))
		v.QDelay, v.QDelayOld = delay(), delay()
		for _, edge := range []float64{1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6} {
			if math.Abs(fraction(v.Prob)-edge) < 1e-9*edge {
				v.Prob += v.Prob / 1000
			}
		}
		backlog := rng.IntN(2) * 10000
		sec := func(t Ticks) float64 { return float64(t) / float64(ticksPerSecond) }
		want, terms := reference(fraction(v.Prob), float64(c.Alpha)/16, float64(c.Beta)/16, sec(v.QDelay), sec(v.QDelayOld), sec(par.Target), backlog == 0)
		before := v
		v.update(backlog, &par)
		if got := fraction(v.Prob); math.Abs(got-want) > 1e-5*terms+1e-13 {
			t.Fatalf("alpha %d beta %d from %+v: probability %.9g, want %.9g", c.Alpha, c.Beta, before, got, want)
		}
	}
}

// TestStepEdges checks where the cap on a step begins, and what a high delay
// adds.
func TestStepEdges(t *testing.T) {
	par := params(nil)
	large := par.Target + 3*TicksOf(100*ms) // far more than 2 %
	for _, c := range []struct {
		what        string
		prob        uint64
		qdelay, old Ticks
		want        int64
	}{
		{"at 10 %", capAbove, par.Target + TicksOf(200*ms), 0, maxStep},
		{"below 10 %", capAbove - 1, par.Target + TicksOf(200*ms), par.Target + TicksOf(200*ms), int64(TicksOf(200*ms)) * int64(par.Alpha/2)},
		{"250 ms", capAbove, highDelay, 0, maxStep},
		{"above 250 ms", capAbove, highDelay + 1, 0, maxStep + fastStep},
		{"above 250 ms, falling", MaxProb / 2, large, 2 * large, fastStep + int64(large-par.Target)*int64(par.Alpha) - int64(large)*int64(par.Beta)},
	} {
		if got := par.delta(c.prob, c.qdelay, c.old); got != c.want {
			t.Errorf("%s: %d, want %d", c.what, got, c.want)
		}
	}
}

// TestNoWrap checks the deltas that would wrap in 64 bits.
func TestNoWrap(t *testing.T) {
	par := params(func(c *Config) { c.Alpha, c.Beta = 32, 32 })
	v := NewVars()
	v.Prob, v.QDelay = MaxProb/2, TicksAt(pkt.Horizon)
	v.update(10000, &par)
	if got := fraction(v.Prob); got < 0.5399 || got > 0.5401 {
		t.Errorf("an immense delay made %.4f of 0.5, want two steps of 2 %%", got)
	}
	v.QDelay = 0
	v.update(10000, &par)
	if v.Prob != 0 {
		t.Errorf("its end made %.4f", fraction(v.Prob))
	}
}

// TestUpdates checks that many updates at once are those updates one by one.
func TestUpdates(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		par := params(func(c *Config) {
			c.Alpha, c.Beta = rapid.IntRange(1, 32).Draw(t, "alpha"), rapid.IntRange(1, 32).Draw(t, "beta")
			c.Target = time.Duration(rapid.IntRange(0, 50e6).Draw(t, "target"))
			c.DequeueRate = rapid.Bool().Draw(t, "rate")
		})
		v := NewVars()
		v.Prob = rapid.Uint64Range(0, MaxProb).Draw(t, "prob") >> rapid.UintRange(0, 56).Draw(t, "shift")
		v.QDelay = Ticks(rapid.Uint64Range(0, 1<<23).Draw(t, "delay"))
		v.QDelayOld = Ticks(rapid.Uint64Range(0, 1<<23).Draw(t, "old"))
		if rapid.Bool().Draw(t, "idle") {
			v.QDelay = 0
		}
		v.AvgRate = rapid.Uint64Range(0, 1<<12).Draw(t, "avg")
		v.BurstTime = Ticks(rapid.Uint64Range(0, 1<<20).Draw(t, "burst"))
		backlog := rapid.IntRange(0, 3).Draw(t, "backlog") * 5000
		n := rapid.Int64Range(0, 5000).Draw(t, "n")
		slow, fast := v, v
		for range n {
			slow.update(backlog, &par)
		}
		fast.Update(n, backlog, &par)
		if slow != fast {
			t.Fatalf("%d updates of %+v\none by one %+v\nat once    %+v", n, v, slow, fast)
		}
		fast.Update(1<<60, backlog, &par) // ends
		if fast.Prob > MaxProb {
			t.Fatalf("probability %d", fast.Prob)
		}
	})
}

// TestUpdatesAreBounded counts the steps of the longest ways to rest: an idle
// queue's decay, and the slowest gain.
func TestUpdatesAreBounded(t *testing.T) {
	idle, slow := params(func(c *Config) { c.Alpha, c.Target = 1, 1 }), params(func(c *Config) { c.Alpha, c.Target = 1, 1000 })
	for _, c := range []struct {
		what    string
		par     Params
		delay   Ticks
		backlog int
		most    int
	}{
		{"idle", idle, 0, 0, 3000},
		{"a tick above target", slow, slow.Target + 1, 1000, 30},
		{"a tick below target", slow, slow.Target - 1, 1000, 30},
	} {
		v := NewVars()
		v.Prob, v.QDelay, v.QDelayOld = MaxProb, c.delay, c.delay
		if c.delay > slow.Target {
			v.Prob = 0
		}
		steps := 0
		for left := int64(1 << 60); ; steps++ {
			before := v
			v.update(c.backlog, &c.par)
			if v == before {
				break
			}
			left -= 1 + v.skip(left-1, c.backlog, &c.par)
		}
		if steps > c.most {
			t.Errorf("%s: %d steps, want at most %d", c.what, steps, c.most)
		}
	}
}

// TestPI compares the step with exact arithmetic.
func TestPI(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		span := func(name string) int64 {
			return rapid.Int64Range(0, int64(pkt.Horizon)).Draw(t, name) >> rapid.UintRange(0, 62).Draw(t, name)
		}
		q, target, old := span("delay"), span("target"), span("old")
		alpha, beta := rapid.Uint64Range(0, 1<<35).Draw(t, "alpha"), rapid.Uint64Range(0, 1<<35).Draw(t, "beta")
		times := func(d int64, g uint64) *big.Int {
			return new(big.Int).Mul(big.NewInt(d), new(big.Int).SetUint64(g))
		}
		sum, end := new(big.Int).Add(times(q-target, alpha), times(q-old, beta)), big.NewInt(1<<60)
		if sum.CmpAbs(end) > 0 {
			sum.Mul(end, big.NewInt(int64(sum.Sign())))
		}
		if got := PI(q, target, old, alpha, beta); got != sum.Int64() {
			t.Fatalf("%d, want %d", got, sum)
		}
	})
}

// TestDue checks the timer: at the instant itself, late, and how late.
func TestDue(t *testing.T) {
	next := FirstUpdate
	for _, c := range []struct {
		now  time.Duration
		n    int64
		next time.Duration
	}{{499 * ms, 0, 500 * ms}, {500 * ms, 1, 515 * ms}, {514 * ms, 0, 515 * ms}, {560 * ms, 4, 575 * ms}, {575 * ms, 1, 590 * ms}} {
		if n := Due(&next, pkt.Time(c.now), 15*ms); n != c.n || next != pkt.Time(c.next) {
			t.Errorf("at %v: %d updates, next %v; want %d and %v", c.now, n, next, c.n, c.next)
		}
	}
}
