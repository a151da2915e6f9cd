package dualpi2

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/tc"
)

// TestAgainstReference compares updates with RFC 9332's controller in floating
// point: p' += alpha·(delay − target) + beta·(delay − last), in Hz and seconds.
// The integer gains are at most one unit, 2^-32 per 64 ns, too small.
func TestAgainstReference(t *testing.T) {
	const unit = 1e9 / 64 / (1 << 32) // Hz
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200000 {
		c := defaultConfig()
		c.alpha, c.beta = 1+rng.IntN(2000), 1+rng.IntN(20000)
		c.target = time.Duration(rng.IntN(50e6))
		pi := newController(&c)
		pi.prob = rng.Uint32()
		pi.last = time.Duration(rng.IntN(200e6))
		qdelay := time.Duration(rng.IntN(200e6))
		a, b := (qdelay - c.target).Seconds(), (qdelay - pi.last).Seconds()
		want := float64(pi.prob)/maxProb + float64(c.alpha)/256*a + float64(c.beta)/256*b
		want = min(max(want, 0), 1)
		before := pi
		pi.step(qdelay)
		if got := float64(pi.prob) / maxProb; math.Abs(got-want) > unit*(math.Abs(a)+math.Abs(b))+1e-9 {
			t.Fatalf("%v from %+v: p' %.9f, want %.9f", qdelay, before, got, want)
		}
	}
}

// TestUpdates checks that many updates at once are those updates one by one,
// with something queued and without.
func TestUpdates(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := defaultConfig()
		small := func(name string, hi int) int {
			return max(1, rapid.IntRange(1, hi).Draw(t, name)>>rapid.IntRange(0, 30).Draw(t, name+" shift"))
		}
		c.alpha, c.beta = small("alpha", 1<<20), small("beta", 1<<20)
		c.target, c.tupdate = time.Duration(small("target", 1<<30)), time.Duration(small("tupdate", 1<<30))
		c.dropOverload = rapid.Bool().Draw(t, "overload")
		one := newController(&c)
		one.prob = min(one.top, rapid.Uint32().Draw(t, "prob"))
		one.last = time.Duration(rapid.IntRange(0, 1<<30).Draw(t, "last"))
		start := pkt.Time(rapid.Int64Range(0, 1<<32).Draw(t, "start"))
		one.next = start + pkt.Time(c.tupdate)
		oldest := pkt.Never
		if rapid.Bool().Draw(t, "queued") {
			oldest = max(0, start-pkt.Time(rapid.Int64Range(0, 1<<30).Draw(t, "age")))
		}
		many := one
		now := start + pkt.Time(rapid.Int64Range(0, 3000).Draw(t, "updates"))*pkt.Time(c.tupdate)
		for one.next <= now {
			one.step(one.age(oldest))
			one.next = one.next.Add(one.every)
		}
		many.update(now, oldest)
		if one != many {
			t.Fatalf("until %v with the oldest of %v:\none by one %+v\nat once    %+v", now, oldest, one, many)
		}
		many.update(now+pkt.Horizon/2, oldest) // ends
		if many.prob > many.top || many.next <= now+pkt.Horizon/2 {
			t.Fatalf("a long time after: %+v", many)
		}
	})
}

// TestFirstRise checks when the probability leaves 0 under a head that grows
// older: while it is below target, as soon as its growth makes up for the lack.
func TestFirstRise(t *testing.T) {
	for words, want := range map[string]time.Duration{
		"target 100ms tupdate 1ms":            81 * ms, // 1 ms of growth weighs 879/44 of 1 ms of lack
		"target 100ms tupdate 1ms beta 0.004": 100 * ms,
		"target 30ms tupdate 5ms":             5 * ms,
	} {
		pi := newRig(t, words).pi
		rise := func(now time.Duration) uint32 { // in one call
			late := pi
			late.update(pkt.Time(now), 0)
			return late.prob
		}
		if before, after := rise(want-1), rise(want); before != 0 || after == 0 {
			t.Errorf("%q: p' %d just before %v, %d then", words, before, want, after)
		}
	}
}

// TestUpdatesAreBounded counts the steps that the slowest settings need in
// thirty years.
func TestUpdatesAreBounded(t *testing.T) {
	for words, most := range map[string]int{
		"": 60, "tupdate 1us": 10000, "alpha 0.004 beta 0.004 tupdate 1us": 60000, "alpha 0.004 beta 0.004 tupdate 1us target 23ms": 60000,
		"alpha 0.004 beta 0.004 tupdate 1us target 1000s": 60000, "alpha 0.004 tupdate 1us target 64ns": 60000,
	} {
		for _, oldest := range []pkt.Time{0, pkt.Never} {
			for _, prob := range []uint32{0, maxProb / 2, maxProb} {
				pi := newRig(t, words).pi
				pi.prob = prob
				steps := 0
				for now := pkt.Time(1e18); pi.next <= now; steps++ {
					pi.step(pi.age(oldest))
					pi.next = pi.next.Add(pi.every)
					if n := int64(now-pi.next)/int64(pi.every) + 1; now >= pi.next {
						pi.skip(n, oldest)
					}
					if steps > most {
						t.Fatalf("%q, oldest %v, from p' %d: more than %d steps by %v: %+v", words, oldest, prob, most, pi.next, pi)
					}
				}
			}
		}
	}
}

// TestSteadyState drives the queue with traffic that does not respond, above the
// link's rate by 5, 10 and 20 %, and checks where the controller settles: at the target
// delay, and at the drops that take the excess away, p'² = 1 − 1/load.
func TestSteadyState(t *testing.T) {
	for _, load := range []float64{1.05, 1.1, 1.2} {
		r := newRig(t, "")
		const service = 1200 * time.Microsecond // 1500 bytes at 10 Mbit/s
		arrive, depart := time.Duration(0), time.Duration(0)
		var sum time.Duration
		var prob, n float64
		for depart < 120*time.Second {
			for arrive <= depart {
				r.add(arrive, 1, pkt.NotECT)
				arrive += time.Duration(float64(service) / load)
			}
			if p := r.Dequeue(pkt.Time(depart)); p != nil && depart > 20*time.Second {
				sum += p.Sojourn(pkt.Time(depart))
				prob += float64(r.pi.prob) / maxProb
				n++
			}
			depart += service
		}
		delay := (sum / time.Duration(n)).Seconds() * 1e3
		excess := 1 - 1/load
		if math.Abs(delay-15) > 0.6 {
			t.Errorf("load %.2f: mean delay %.2f ms, want 15", load, delay)
		}
		if want := math.Sqrt(excess); math.Abs(prob/n-want) > 0.03*want {
			t.Errorf("load %.2f: mean p' %.4f, want %.4f", load, prob/n, want)
		}
	}
}

// TestIsolation has a light L4S flow beside classic traffic above the link's rate:
// its packets wait for two in service at most, and none is lost.
func TestIsolation(t *testing.T) {
	r := newRig(t, "")
	const service = 1200 * time.Microsecond
	var classic, light, longest time.Duration
	for now := time.Duration(0); now < 30*time.Second; now += service {
		for ; classic <= now; classic += service * 10 / 11 {
			r.add(classic, 1, pkt.NotECT)
		}
		for ; light <= now; light += 11*service + 7777*time.Nanosecond {
			r.add(light, 1, pkt.ECT1)
		}
		if p := r.Dequeue(pkt.Time(now)); p != nil && r.isL(p) {
			longest = max(longest, p.Sojourn(pkt.Time(now)))
		}
	}
	if longest > 2*service {
		t.Errorf("an L4S packet waited %v", longest)
	}
	for _, p := range r.Packets {
		if r.isL(p) {
			t.Fatal("an L4S packet was lost")
		}
	}
	if len(r.Packets) < 1000 {
		t.Errorf("%d classic packets lost: is there no overload?", len(r.Packets))
	}
}

// TestFromRTT checks the settings derived from round-trip times.
func TestFromRTT(t *testing.T) {
	for words, want := range map[string]string{
		"max_rtt 100ms":                  "16.666ms 16.666ms 42 768",
		"max_rtt 100ms typical_rtt 15ms": "15ms 15ms 38 768",
		"typical_rtt 15ms":               "15ms 15ms 47 853",
		"max_rtt 30ms typical_rtt 30ms":  "30ms 10ms 284 2560",
		"max_rtt 3us":                    "1µs 1µs 2844444 25600000",
		"target 1ms alpha 5 max_rtt 1s":  "166.666ms 166.666ms 4 76",
	} {
		r := newRig(t, words)
		if got := fmt.Sprint(r.target, r.tupdate, r.alpha, r.beta); got != want {
			t.Errorf("%s: %s, want %s", words, got, want)
		}
	}
}

// TestOptions checks values and spellings, in the line and for machines.
func TestOptions(t *testing.T) {
	for words, want := range map[string]string{
		"limit 5p":                       "limit 5p memlimit 15140B",
		"limit 0 target 0 tupdate 0":     "limit 10000p memlimit 30280000B target 15ms tupdate 16ms",
		"memlimit 1mb":                   "memlimit 1048576B",
		"alpha 1 beta 10.5":              "alpha 0.996094 beta 10.496094",
		"step_thresh 7packets":           "step_thresh 7p",
		"step_thresh 5p step_thresh 2ms": "step_thresh 2ms",
		"step_thresh 0p":                 "step_thresh 1ms",
		"step_thresh 0":                  "step_thresh 1ms",
		"classic_protection 33":          "classic_protection 33%",
		"overflow":                       "overflow",
		"overflow drop_on_overload":      "drop_on_overload",
		"drop_enqueue":                   "drop_enqueue",
		"any_ect no_split_gso":           "any_ect no_split_gso",
	} {
		r := newRig(t, words)
		if line := tc.Line("dualpi2", r.Options()); !strings.Contains(line, " "+want) {
			t.Errorf("%q prints %q, want %q in it", words, line, want)
		}
	}
	for _, words := range []string{"limit", "limit -1", "alpha 0.001", "beta 0", "alpha 9999999", "step_thresh", "step_thresh x", "step_thresh 5q", "step_thresh 2000s", "classic_protection", "classic_protection 12.5%", "coupling_factor 256", "max_rtt 1ns", "l4s", "nooverflow", "max_rtt 5s"} {
		if _, err := newQdisc(strings.Fields(words), sched.Env{MTU: 1514}); err == nil {
			t.Errorf("%q was accepted", words)
		}
	}
}
