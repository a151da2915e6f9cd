package fqpie

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/sched/fq"
	"github.com/uqtool/uq/sim/sched/pie"
	"github.com/uqtool/uq/sim/sched/schedtest"
	"github.com/uqtool/uq/sim/tc"
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
	f, err := newQdisc(strings.Fields(words), sched.Env{MTU: 1514, Seed: 1, Name: "fq_pie", Drop: r.Drops.Drop})
	if err != nil {
		t.Fatal(err)
	}
	r.Qdisc = f
	return r
}

// flowIn is a flow in the given bucket.
func (r *rig) flowIn(bucket int) *pkt.Flow {
	return &pkt.Flow{ID: uint32(bucket), Hash: uint32(uint64(bucket)<<32/uint64(r.nflows)) + 1}
}

func (r *rig) add(now time.Duration, fl *pkt.Flow, n, length int, e pkt.ECN) {
	for range n {
		r.Enqueue(pkt.Time(now), &pkt.Packet{ID: r.id, Arrival: pkt.Time(now), Flow: fl, Len: uint32(length), Segs: 1, DSField: uint8(e)})
		r.id++
	}
}

// TestDeficits walks through ns-3's deficit example, which fq_pie's service
// shares with fq_codel's: quantum 90, 120-byte packets of two flows.
func TestDeficits(t *testing.T) {
	r := newRig(t, "quantum 90")
	f1, f2 := r.flowIn(0), r.flowIn(512)
	enq := func(fl *pkt.Flow, n int) string { r.add(0, fl, n, 120, 0); return "" }
	deq := func() string {
		if p := r.Dequeue(0); p != nil {
			return fmt.Sprint(p.Flow.ID)
		}
		return "none"
	}
	where := func(fl *flow) string {
		at := "inactive"
		r.rounds.New.Each(func(x *fq.Flow) {
			if x == &fl.Flow {
				at = "new"
			}
		})
		r.rounds.Old.Each(func(x *fq.Flow) {
			if x == &fl.Flow {
				at = "old"
			}
		})
		return at
	}
	for i, s := range []struct {
		do         func() string
		what, want string
	}{
		{func() string { return enq(f1, 1) }, "", "90 new, 0 inactive"},
		{deq, "0", "-30 new, 0 inactive"},
		{func() string { enq(f1, 2); return enq(f2, 2) }, "", "-30 new, 90 new"},
		{deq, "512", "60 old, -30 new"},
		{deq, "0", "-60 old, 60 old"},
		{deq, "512", "30 old, -60 old"},
		{deq, "0", "-90 old, 30 old"},
		{deq, "none", "90 inactive, 30 inactive"},
	} {
		got := s.do()
		state := fmt.Sprintf("%d %s, %d %s", r.flows[0].Deficit, where(&r.flows[0]), r.flows[512].Deficit, where(&r.flows[512]))
		if got != s.what || state != s.want {
			t.Fatalf("step %d: %q and %q, want %q and %q", i, got, state, s.what, s.want)
		}
	}
}

// TestShares checks that backlogged flows of different packet size get the same
// bytes within a quantum and a packet.
func TestShares(t *testing.T) {
	r := newRig(t, "limit 100000")
	lengths := []int{100, 700, 1514}
	for i, l := range lengths {
		r.add(0, r.flowIn(i), 1000000/l, l, 0)
	}
	var bytes [3]int
	for sum := 0; sum < 1500000; {
		p := r.Dequeue(0)
		bytes[p.Flow.ID] += int(p.Len)
		sum += int(p.Len)
	}
	for i := range bytes {
		if d := bytes[i] - 500000; d > 2*1514 || d < -2*1514 {
			t.Errorf("flow of %d-byte packets got %d bytes of 500000", lengths[i], bytes[i])
		}
	}
}

// TestOwnProbability checks that a flow is judged by its own delay and backlog.
func TestOwnProbability(t *testing.T) {
	r := newRig(t, "")
	slow, quick := r.flowIn(1), r.flowIn(2)
	r.add(0, slow, 100, 1000, 0)
	for at := 10 * ms; at < 2*time.Second; at += 20 * ms {
		r.add(at, quick, 1, 200, 0)
		r.Dequeue(pkt.Time(at))
		r.Dequeue(pkt.Time(at))
	}
	fast, late := &r.flows[2], &r.flows[1]
	if late.vars.Prob < pie.MaxProb/10 || fast.vars.Prob != 0 {
		t.Errorf("the slow flow's probability is %d, the quick one's %d", late.vars.Prob, fast.vars.Prob)
	}
	for _, p := range r.Packets {
		if p.Flow == quick {
			t.Fatal("a packet of the quick flow was dropped")
		}
	}
}

// TestFirings checks when each flow updates: all at once up to 2048 flows, then
// 2048 a firing, a timer tick apart, and the next round tupdate after the last.
func TestFirings(t *testing.T) {
	for _, c := range []struct {
		words       string
		flow        int
		first, next time.Duration
	}{
		{"", 0, 500 * ms, 515 * ms},
		{"", 1023, 500 * ms, 515 * ms},
		{"flows 2048", 2047, 500 * ms, 515 * ms},
		{"flows 2049", 2047, 500 * ms, 516 * ms},
		{"flows 2049", 2048, 501 * ms, 517 * ms},
		{"flows 65536 tupdate 10ms", 65535, 531 * ms, 572 * ms},
	} {
		r := newRig(t, c.words)
		fl := &r.flows[c.flow]
		r.update(fl, pkt.Time(c.first-1))
		if fl.due != pkt.Time(c.first) {
			t.Errorf("%q: flow %d updates first at %v, want %v", c.words, c.flow, fl.due, c.first)
		}
		r.update(fl, pkt.Time(c.first))
		if fl.due != pkt.Time(c.next) {
			t.Errorf("%q: flow %d updates then at %v, want %v", c.words, c.flow, fl.due, c.next)
		}
	}
}

// TestLateUpdates checks that it does not matter when a flow is brought up to
// date: a qdisc whose flows are all updated each millisecond decides the same.
func TestLateUpdates(t *testing.T) {
	play := func(eager bool) string {
		r, log := newRig(t, "flows 16 target 2ms ecn"), ""
		rng := uint64(1)
		draw := func(n uint64) uint64 { rng = rng*6364136223846793005 + 1442695040888963407; return rng >> 33 % n }
		for at := time.Duration(0); at < 4*time.Second; at += time.Duration(draw(2e6)) {
			if eager {
				for i := range r.flows {
					r.update(&r.flows[i], pkt.Time(at))
				}
			}
			if draw(100) < 55 {
				r.add(at, r.flowIn(int(draw(8))), 1, int(100+draw(1400)), pkt.ECN(draw(4)))
			} else if p := r.Dequeue(pkt.Time(at)); p != nil {
				log += fmt.Sprintln(p.ID, p.Mark)
			}
			if draw(500) == 0 {
				at += time.Duration(draw(5e8))
			}
		}
		for i, p := range r.Packets {
			log += fmt.Sprintln("drop", p.ID, r.Reasons[i])
		}
		return log
	}
	lazy, eager := play(false), play(true)
	if lazy != eager {
		t.Error("decisions differ")
	}
	if strings.Count(lazy, "drop") < 20 || strings.Count(lazy, "aqm") < 40 {
		t.Errorf("too little happened to tell: %d drops", strings.Count(lazy, "drop"))
	}
}

// TestAccount checks the limit, the backlog and the counters.
func TestAccount(t *testing.T) {
	r := newRig(t, "limit 3")
	r.add(0, r.flowIn(1), 3, 1000, 0)
	r.add(0, r.flowIn(2), 2, 500, 0)
	if n, b := r.Backlog(); n != 3 || b != 3000 || len(r.Packets) != 2 || r.Reasons[0] != pkt.Overlimit {
		t.Errorf("%d packets, %d bytes, dropped for %v", n, b, r.Reasons)
	}
	r.Dequeue(0)
	r.add(0, r.flowIn(2), 1, 500, 0)
	want := map[string]int64{"pkts_in": 4, "overlimit": 2, "dropped": 2, "new_flow_count": 2, "new_flows_len": 2, "old_flows_len": 0, "memory_used": int64(2*(&pkt.Packet{Len: 1000}).TrueSize() + (&pkt.Packet{Len: 500}).TrueSize())}
	for _, f := range r.Stats() {
		if v, ok := want[f.Key]; ok && f.Num != v {
			t.Errorf("%s %d, want %d", f.Key, f.Num, v)
		}
	}
	if n, b := r.Backlog(); n != 3 || b != 2500 {
		t.Errorf("%d packets, %d bytes", n, b)
	}
}

// TestMemory checks what memory_limit counts, and that it drops nothing.
func TestMemory(t *testing.T) {
	size := (&pkt.Packet{Len: 1000}).TrueSize()
	r := newRig(t, fmt.Sprintf("memory_limit %d", 2*size))
	r.add(0, r.flowIn(0), 6, 1000, 0) // over by more than its own: the fifth finds 4 sizes, the sixth 5
	if r.overmemory != 2 || len(r.Packets) != 0 || r.memory != 6*size {
		t.Errorf("%d over memory, %d dropped, %d used", r.overmemory, len(r.Packets), r.memory)
	}
}

// TestECNProb checks up to which probability packets are marked.
func TestECNProb(t *testing.T) {
	for words, limit := range map[string]uint64{"ecn": 10, "ecn ecn_prob 50": 50, "ecn ecn_prob 99": 99, "ecn ecn_prob 0": 10} {
		r := newRig(t, words)
		if want := uint64(pie.MaxProb) / 100 * limit; r.par.ECNProb != want || !r.par.ECN {
			t.Errorf("%q: marks up to %d, want %d", words, r.par.ECNProb, want)
		}
	}
	if newRig(t, "").par.ECN {
		t.Error("ecn is on")
	}
}

// TestSteadyState has three flows that do not respond, two of them above their
// share of the link, and checks that the two are held to target and the third
// loses nothing.
func TestSteadyState(t *testing.T) {
	r := newRig(t, "")
	const service = 1200 * time.Microsecond
	const share = service * 12 / 5 // what the third leaves, halved
	gaps := []time.Duration{share * 100 / 110, share * 100 / 125, service * 6}
	next := []time.Duration{0, 0, 0}
	var sum [3]time.Duration
	var n [3]float64
	for now := time.Duration(0); now < 120*time.Second; now += service {
		for i := range gaps {
			for ; next[i] <= now; next[i] += gaps[i] {
				r.add(next[i], r.flowIn(i), 1, 1500, 0)
			}
		}
		if p := r.Dequeue(pkt.Time(now)); p != nil && now > 40*time.Second {
			sum[p.Flow.ID] += p.Sojourn(pkt.Time(now))
			n[p.Flow.ID]++
		}
	}
	for i := range 2 {
		if mean := sum[i].Seconds() * 1e3 / n[i]; math.Abs(mean-15) > 1 {
			t.Errorf("flow %d: mean delay %.2f ms, want 15", i, mean)
		}
	}
	if mean := sum[2].Seconds() * 1e3 / n[2]; mean > 5 {
		t.Errorf("the sparse flow: mean delay %.2f ms", mean)
	}
	for _, p := range r.Packets {
		if p.Flow.ID == 2 {
			t.Fatal("the sparse flow lost a packet")
		}
	}
}

// TestOptions checks values and spellings.
func TestOptions(t *testing.T) {
	const def = "fq_pie limit 10240p flows 1024 target 15ms tupdate 15ms alpha 2 beta 20 quantum 1514b memory_limit 32Mb ecn_prob 10"
	for words, want := range map[string]string{
		"": def,
		"limit 0 flows 0 target 0 tupdate 0 alpha 0 beta 0 quantum 0 memory_limit 0 ecn_prob 0": def,
		"ecn noecn bytemode nobytemode dq_rate_estimator no_dq_rate_estimator":                  def,
		"limit 7p flows 65536 quantum 1mb":                                                      "fq_pie limit 7p flows 65536 target 15ms tupdate 15ms alpha 2 beta 20 quantum 1Mb memory_limit 32Mb ecn_prob 10",
		"target 20us tupdate 1.5s":                                                              "fq_pie limit 10240p flows 1024 target 19us tupdate 1.5s alpha 2 beta 20 quantum 1514b memory_limit 32Mb ecn_prob 10",
		"ecn bytemode dq_rate_estimator":                                                        def + " ecn bytemode dq_rate_estimator",
	} {
		if line := tc.Line("fq_pie", newRig(t, words).Options()); line != want {
			t.Errorf("%q prints %q, want %q", words, line, want)
		}
	}
	for _, words := range []string{"flows 65537", "quantum 1048577", "ecn_prob 100", "alpha 33", "beta 33", "limit x", "target 5", "tupdate 2000s", "ecn_prob", "nodq"} {
		if _, err := newQdisc(strings.Fields(words), sched.Env{MTU: 1514}); err == nil {
			t.Errorf("%q was accepted", words)
		}
	}
}
