package dualpi2

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/sched/schedtest"
)

const ms = time.Millisecond

// rig is a qdisc with what became of its packets.
type rig struct {
	*Qdisc
	schedtest.Drops
	id uint64
}

func newRig(t testing.TB, words string) *rig {
	t.Helper()
	r := &rig{}
	d, err := newQdisc(strings.Fields(words), sched.Env{MTU: 1514, Seed: 1, Name: "dualpi2", Drop: r.Drops.Drop})
	if err != nil {
		t.Fatal(err)
	}
	r.Qdisc = d
	return r
}

func (r *rig) add(now time.Duration, n int, e pkt.ECN) {
	for range n {
		r.Enqueue(pkt.Time(now), &pkt.Packet{ID: r.id, Arrival: pkt.Time(now), Len: 1500, Segs: 1, DSField: uint8(e)})
		r.id++
	}
}

// pattern dequeues n packets at now, a letter for each: L or C, lower case with
// CE.
func (r *rig) pattern(now time.Duration, n int) string {
	s := ""
	for range n {
		p := r.Dequeue(pkt.Time(now))
		switch {
		case p == nil:
			s += "-"
		case p.ECN() == pkt.ECT1:
			s += "L"
		case p.ECN() == pkt.CE:
			s += "l"
		default:
			s += "C"
		}
	}
	return s
}

// TestPattern checks the byte credit's pattern with equal packets in both
// queues, for several weights.
func TestPattern(t *testing.T) {
	for words, want := range map[string]string{
		"":                         strings.Repeat("LLLLLLLLLC", 4),
		"classic_protection 10%":   strings.Repeat("LLLLLLLLLC", 4),
		"classic_protection 50%":   "LCLCLCLC",
		"classic_protection 25%":   "LLLCLLLC",
		"classic_protection 0":     "LLLLLLLLLLLLLLLLLLLLLLLL",
		"classic_protection 100%":  "CCCCCCCCCCCCCCCCCCCCCCCC",
		"classic_protection 90%":   "CCCCCCCCC" + "LCCCCCCCCCL"[:10],
		"classic_protection 10 ":   strings.Repeat("LLLLLLLLLC", 4),
		"drop_enqueue split_gso":   strings.Repeat("LLLLLLLLLC", 4),
		"no_split_gso limit 10000": strings.Repeat("LLLLLLLLLC", 4),
	} {
		r := newRig(t, words)
		r.add(0, 60, pkt.ECT1)
		r.add(0, 60, pkt.NotECT)
		if got := r.pattern(0, len(want)); got != want {
			t.Errorf("%q: %s, want %s", words, got, want)
		}
	}
}

// TestShares checks that with packets of different size the classic queue gets
// its share in bytes.
func TestShares(t *testing.T) {
	r := newRig(t, "limit 100000 memlimit 1gb classic_protection 20%")
	for i := range 20000 {
		r.Enqueue(0, &pkt.Packet{Len: uint32(64 + i*7919%1450), DSField: uint8(pkt.ECT1)})
		r.Enqueue(0, &pkt.Packet{Len: uint32(64 + i*104729%1450)})
	}
	var bytes [2]float64
	for range 20000 {
		p := r.Dequeue(0)
		bytes[p.DSField&1] += float64(p.Len)
	}
	if share := bytes[0] / (bytes[0] + bytes[1]); math.Abs(share-0.2) > 0.001 {
		t.Errorf("the classic queue got %.4f of the bytes, want 0.2", share)
	}
}

// percent is p', p_L or p_C with four decimals.
func percent(p float64) float64 { return math.Round(p*1e6) / 1e4 }

// TestProbabilitySteps checks the controller against the figures computed from
// its integers: 44 and 879 for alpha and beta.
func TestProbabilitySteps(t *testing.T) {
	c := defaultConfig()
	pi := newController(&c)
	if pi.alpha != 44 || pi.beta != 879 {
		t.Errorf("alpha %d beta %d, want 44 and 879", pi.alpha, pi.beta)
	}
	pi.last = 15 * ms
	pi.step(20 * ms)
	p := float64(pi.prob) / maxProb
	if percent(p) != 1.6789 || percent(2*p) != 3.3579 || percent(p*p) != 0.0282 {
		t.Errorf("p' %.4f %%, p_L %.4f %%, p_C %.4f %%; want 1.6789, 3.3579, 0.0282", percent(p), percent(2*p), percent(p*p))
	}
	pi = newController(&c)
	for i, want := range []float64{6.4756, 6.5556, 6.6357, 6.7157, 6.7957, 6.8758} {
		if pi.step(20 * ms); percent(float64(pi.prob)/maxProb) != want {
			t.Errorf("update %d: p' %.4f %%, want %.4f", i+1, percent(float64(pi.prob)/maxProb), want)
		}
	}
}

// TestEnds checks that the probability ends at 0, at 1, and with overflow at 1/k,
// whatever the delay does.
func TestEnds(t *testing.T) {
	for words, top := range map[string]uint32{"": maxProb, "overflow": maxProb / 2, "overflow coupling_factor 3": maxProb / 3, "alpha 8388607 beta 8388607": maxProb} {
		pi := newRig(t, words).pi
		for _, d := range []time.Duration{time.Duration(pkt.Horizon), time.Hour, 350 * ms} {
			pi.prob, pi.last = 0, 0
			pi.step(d)
			if d > time.Second && pi.prob != top {
				t.Errorf("%q: %v of delay make p' %d, want %d", words, d, pi.prob, top)
			}
			pi.prob, pi.last = top, d
			if pi.step(0); pi.prob != 0 && d > time.Second {
				t.Errorf("%q: its end makes p' %d", words, pi.prob)
			}
		}
	}
}

// TestCoupling measures the marks of both queues at constant p' and compares
// p_L = k·p' and p_C = (p_L/k)², within three standard deviations.
func TestCoupling(t *testing.T) {
	const n = 100000
	for _, c := range []struct {
		words string
		k, p  float64
	}{{"", 2, 0.1}, {"", 2, 0.4}, {"coupling_factor 1", 1, 0.3}, {"coupling_factor 5", 5, 0.15}, {"drop_enqueue", 2, 0.25}} {
		r := newRig(t, c.words)
		r.pi.next, r.pi.prob = pkt.Never, uint32(c.p*maxProb)
		r.add(0, 10, pkt.ECT1) // so that two MTUs are always queued
		var marked, dropped float64
		r.Packets = nil
		l := &pkt.Packet{Len: 1500, DSField: uint8(pkt.ECT1)}
		classic := &pkt.Packet{Len: 1500, DSField: uint8(pkt.NotECT)}
		for range n {
			l.DSField, l.Mark = uint8(pkt.ECT1), 0
			if r.mustDrop(l, true); l.Mark == pkt.AQM {
				marked++
			}
			if r.mustDrop(classic, false) {
				dropped++
			}
		}
		within := func(what string, got, want float64) {
			t.Helper()
			if sigma := math.Sqrt(want * (1 - want) / n); math.Abs(got-want) > 3*sigma {
				t.Errorf("%q at p' %.2f: %s %.5f, want %.5f ± %.5f", c.words, c.p, what, got, want, 3*sigma)
			}
		}
		within("p_L", marked/n, c.k*c.p)
		within("p_C", dropped/n, c.p*c.p)
		within("p_C from p_L", dropped/n, math.Pow(c.k*c.p/c.k, 2))
	}
}

// TestOverload checks the rules beyond k·p' = 1: C loses packets of any
// codepoint with p'², L too and the survivors are marked; with overflow p' ends
// before.
func TestOverload(t *testing.T) {
	const n, p = 100000, 0.6
	r := newRig(t, "")
	r.pi.prob = uint32(maxProb * 6 / 10)
	r.add(0, 10, pkt.ECT1)
	r.pi.next = pkt.Never
	counts := map[string]float64{}
	for range n {
		for _, c := range []struct {
			what string
			ecn  pkt.ECN
		}{{"L", pkt.ECT1}, {"C", pkt.NotECT}, {"C0", pkt.ECT0}} {
			q := &pkt.Packet{Len: 1500, DSField: uint8(c.ecn)}
			switch drop := r.mustDrop(q, r.isL(q)); {
			case drop:
				counts[c.what+" dropped"]++
			case q.Mark == pkt.AQM:
				counts[c.what+" marked"]++
			}
		}
	}
	for what, want := range map[string]float64{"L dropped": p * p, "L marked": 1 - p*p, "C dropped": p * p, "C marked": 0, "C0 dropped": p * p, "C0 marked": 0} {
		sigma := math.Sqrt(want * (1 - want) / n)
		if got := counts[what] / n; math.Abs(got-want) > 3*sigma {
			t.Errorf("%s: %.4f, want %.4f", what, got, want)
		}
	}
}

// TestEdges checks the limits of each rule.
func TestEdges(t *testing.T) {
	t.Run("two MTUs", func(t *testing.T) {
		r := newRig(t, "")
		r.pi.next, r.pi.prob = pkt.Never, maxProb
		r.add(0, 1, pkt.NotECT)
		r.add(0, 1, pkt.NotECT) // 3000 bytes behind a third are too few
		if r.mustDrop(&pkt.Packet{Len: 1500}, false) {
			t.Error("dropped with 3000 bytes queued")
		}
		r.Enqueue(0, &pkt.Packet{Len: 28})
		if !r.mustDrop(&pkt.Packet{Len: 1500}, false) {
			t.Error("not dropped at p' 1 with 3028 bytes queued")
		}
	})
	t.Run("just not overload", func(t *testing.T) {
		r := newRig(t, "coupling_factor 1")
		r.pi.next, r.pi.prob = pkt.Never, maxProb
		r.add(0, 3, pkt.ECT1)
		for _, e := range []pkt.ECN{pkt.ECT0, pkt.ECT1} {
			p := &pkt.Packet{Len: 1500, DSField: uint8(e)}
			if r.mustDrop(p, r.isL(p)) || p.Mark != pkt.AQM {
				t.Errorf("%v at k·p' = 1: not marked", e)
			}
		}
	})
	t.Run("credit alone", func(t *testing.T) {
		for _, e := range []pkt.ECN{pkt.ECT1, pkt.NotECT} {
			r := newRig(t, "")
			r.add(0, 5, e)
			before := r.credit
			if r.pattern(0, 4); r.credit != before {
				t.Errorf("%v: credit %d after %d with the other queue empty", e, r.credit, before)
			}
		}
	})
	t.Run("two reasons", func(t *testing.T) {
		r := newRig(t, "")
		r.pi.next, r.pi.prob = pkt.Never, maxProb/2
		r.add(0, 10, pkt.ECT1)
		p := r.Dequeue(pkt.Time(2 * ms))
		if p.Mark != pkt.AQM || r.marks != 2 || r.stepMarks != 1 {
			t.Errorf("mark %v, ecn_mark %d, step_mark %d; want aqm, counted by both", p.Mark, r.marks, r.stepMarks)
		}
	})
}

// TestWords has what some options change.
func TestWords(t *testing.T) {
	t.Run("any_ect", func(t *testing.T) {
		for words, want := range map[string][4]bool{"": {false, true, false, true}, "any_ect": {false, true, true, true}, "any_ect l4s_ect": {false, true, false, true}} {
			r := newRig(t, words)
			for e, low := range want {
				if r.isL(&pkt.Packet{DSField: uint8(e) | 0xb8}) != low {
					t.Errorf("%q: %v in L: %v", words, pkt.ECN(e), !low)
				}
			}
		}
	})
	t.Run("drop_enqueue", func(t *testing.T) {
		r := newRig(t, "drop_enqueue")
		r.pi.next, r.pi.prob = pkt.Never, maxProb
		r.add(0, 10, pkt.NotECT)
		if len(r.Packets) != 7 || r.Reasons[0] != pkt.AQM { // 3 × 1500 is the first backlog of two MTUs
			t.Errorf("%d dropped on arrival", len(r.Packets))
		}
		if got := r.pattern(0, 4); got != "CCC-" {
			t.Errorf("%s left", got)
		}
	})
	t.Run("memory", func(t *testing.T) {
		size := (&pkt.Packet{Len: 1500}).TrueSize()
		r := newRig(t, "limit 3")
		r.memoryLimit = 2 * size
		r.add(0, 4, pkt.NotECT)
		if len(r.Packets) != 2 || r.Reasons[0] != pkt.Overmemory || r.memory != 2*size || r.maxMemory != 2*size {
			t.Errorf("%v, memory %d of %d", r.Reasons, r.memory, r.maxMemory)
		}
	})
}

// TestStep has where L is marked by delay, and by packets behind.
func TestStep(t *testing.T) {
	t.Run("step", func(t *testing.T) {
		r := newRig(t, "step_thresh 2ms")
		r.add(0, 2, pkt.ECT1)
		if got := r.pattern(2*ms, 1) + r.pattern(2*ms+1, 1); got != "Ll" || r.stepMarks != 1 {
			t.Errorf("%s, %d marks: want a mark above 2ms only", got, r.stepMarks)
		}
	})
	t.Run("min_qlen_step", func(t *testing.T) {
		r := newRig(t, "step_thresh 1ms min_qlen_step 2")
		r.add(0, 4, pkt.ECT1)
		if got := r.pattern(5*ms, 4); got != "LLll" {
			t.Errorf("%s: want the third and fourth marked, which found two", got)
		}
		r.pi.next, r.pi.prob = pkt.Never, 0
		r.add(5*ms, 200, pkt.ECT1) // more than the queue of flags held
		if got := r.pattern(6*ms+1, 201); got != "LL"+strings.Repeat("l", 198)+"-" {
			t.Errorf("%s: want all marked but the first two", got)
		}
	})
	t.Run("packets", func(t *testing.T) {
		r := newRig(t, "step_thresh 2p")
		r.add(0, 5, pkt.ECT1)
		if got := r.pattern(0, 5); got != "llLLL" {
			t.Errorf("%s: want a mark with more than two behind", got)
		}
	})
}

// TestAccount checks the limit, the backlog and the counters.
func TestAccount(t *testing.T) {
	r := newRig(t, "limit 3")
	r.add(0, 1, pkt.NotECT)
	r.add(ms, 3, pkt.ECT1)
	if n, b := r.Backlog(); n != 3 || b != 4500 || len(r.Packets) != 1 || r.Reasons[0] != pkt.Overlimit {
		t.Errorf("%d packets, %d bytes, dropped for %v", n, b, r.Reasons)
	}
	if got := r.pattern(3*ms, 1); got != "l" {
		t.Error(got)
	}
	size := int64((&pkt.Packet{Len: 1500}).TrueSize())
	want := map[string]int64{
		"overlimits": 1, "pkts_in_c": 1, "pkts_in_l": 2, "maxq": 2, "delay_c": 3000, "delay_l": 2000, "ecn_mark": 1, "step_mark": 1,
		"credit": 1514*(10-90) + 10*1500, "memory_used": 2 * size, "max_memory_used": 3 * size, "memory_limit": 3 * 2 * 1514,
	}
	for _, f := range r.Stats() {
		if v, ok := want[f.Key]; ok && f.Num != v {
			t.Errorf("%s %d, want %d", f.Key, f.Num, v)
		}
	}
	if r.pattern(3*ms, 3); r.credit != 1514*(10-90) {
		t.Errorf("credit %d when nothing is left", r.credit)
	}
}

// TestDelayAtUpdate checks that an update sees the older head at the instant it
// is due, and none in empty queues.
func TestDelayAtUpdate(t *testing.T) {
	r := newRig(t, "")
	r.add(ms, 1, pkt.NotECT)
	r.add(5*ms, 1, pkt.ECT1)
	r.update(pkt.Time(17 * ms))
	if r.pi.last != 15*ms || r.pi.next != pkt.Time(32*ms) {
		t.Errorf("the update of 16 ms saw %v, next %v", r.pi.last, r.pi.next)
	}
	r.pattern(20*ms, 1) // L leaves, C has waited longer still
	r.update(pkt.Time(32 * ms))
	if r.pi.last != 31*ms {
		t.Errorf("the update of 32 ms saw %v", r.pi.last)
	}
	r.pattern(33*ms, 1)
	r.update(pkt.Time(48 * ms))
	if r.pi.last != 0 {
		t.Errorf("the update of 48 ms saw %v in empty queues", r.pi.last)
	}
}

// TestSplitter checks that the simulator is asked to split, or not.
func TestSplitter(t *testing.T) {
	for words, want := range map[string]bool{"": true, "no_split_gso": false, "no_split_gso split_gso": true} {
		if got := newRig(t, words).SplitsGSO(); got != want {
			t.Errorf("%q: %v", words, got)
		}
	}
}
