package diff

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/uqtool/uq/sim"
	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched/builtin"
)

const ms = pkt.Time(1e6)

// burst is n packets of 1000 bytes at once, of flows 1 and 2 in turn.
type burst struct{ n, at int }

func (b *burst) Next(p *pkt.Packet) (bool, error) {
	if b.at == b.n {
		return false, nil
	}
	next := p.Next
	*p = pkt.Packet{ID: uint64(b.at), Flow: flowOf(1 + b.at%2), Len: 1000, L3Len: 986, Segs: 1, HdrLen: 28, Next: next}
	b.at++
	return true, nil
}

func flowOf(n int) *pkt.Flow {
	k := pkt.FlowKey{Proto: pkt.ProtoUDP, SrcPort: 1, DstPort: 2}
	k.Src[3], k.Dst[3] = byte(n), 9
	return pkt.NewFlow(k, uint32(n), 1)
}

// runs compares qdisc a with qdisc b under a burst at 8 Mbit/s.
func runs(t *testing.T, opt Options, n int, a, b string) *Result {
	t.Helper()
	d := New(opt)
	m := egress.Maker{Qdiscs: builtin.Kinds()}
	var lanes []sim.Lane
	for side, q := range []string{a, b} {
		pool := &pkt.Pool{}
		port, err := m.Port(egress.Config{Qdisc: q, Link: "rate 8mbit", Seed: 1}, d.Side(side), pool)
		if err != nil {
			t.Fatal(err)
		}
		lanes = append(lanes, sim.Lane{Port: port, Pool: pool})
	}
	if _, err := sim.RunAll(&burst{n: n}, lanes); err != nil {
		t.Fatal(err)
	}
	d.End(0, pkt.Never)
	d.End(1, pkt.Never)
	return d.Result(10)
}

func TestSame(t *testing.T) {
	r := runs(t, Options{}, 100, "codel", "codel target 5ms")
	if !r.Same || r.Packets != 100 || r.Totals.Delivered.Both != 100 {
		t.Errorf("%+v", r)
	}
}

// TestByHand: of eight packets at once the link takes the first; "pfifo limit 3"
// keeps 1 to 3, "pfifo limit 5" 1 to 5.
func TestByHand(t *testing.T) {
	r := runs(t, Options{Context: 1}, 8, "pfifo limit 3", "pfifo limit 5")
	if r.Same || r.First.Packet != 4 || r.DecisionsDiffer != 2 || r.TimesDiffer != 0 {
		t.Errorf("%+v", r)
	}
	if got, want := fmt.Sprintf("%v %v", r.Totals.Delivered, r.Totals.Dropped), "4/0/2 2/2/0"; got != want {
		t.Errorf("delivered and dropped %s, want %s", got, want)
	}
	if p := r.Totals.DropsBy["overlimit"]; p == nil || *p != (Pair{4, 2}) {
		t.Errorf("drops %v", r.Totals.DropsBy)
	}
	if len(r.Context) != 3 || r.Context[0].Packet != 3 || r.Context[2].Packet != 5 || r.Context[0].Differs || !r.Context[1].Differs {
		t.Errorf("context %+v", r.Context)
	}
	if len(r.Flows) != 2 || r.Flows[0].Packets != 4 || r.Flows[0].Differ != 1 {
		t.Errorf("flows %+v", r.Flows)
	}
	var b bytes.Buffer
	if err := r.WriteWords(&b); err != nil || !strings.Contains(b.String(), "2 met another decision") {
		t.Errorf("%v\n%s", err, b.String())
	}
}

// fed makes a Differ with the given fates on either side.
func fed(opt Options, a, b []Fate) *Result {
	d := New(opt)
	for side, fs := range [][]Fate{a, b} {
		for i, f := range fs {
			p := Packet{Flow: flowOf(1).FlowKey, Len: 100, Arrival: pkt.Time(i) * ms}
			if err := d.Arrive(side, uint64(i), p); err != nil {
				panic(err)
			}
			if err := d.Decide(side, uint64(i), f); err != nil {
				panic(err)
			}
		}
	}
	d.End(0, 10*ms)
	d.End(1, pkt.Never)
	return d.Result(1)
}

func delivered(at pkt.Time) Fate { return Fate{Outcome: Delivered, Dequeued: at, End: at} }

// TestTimes checks tolerance, spans with their sign, and the first in time.
func TestTimes(t *testing.T) {
	a := []Fate{delivered(5 * ms), delivered(4 * ms), delivered(9 * ms)}
	b := []Fate{delivered(6 * ms), delivered(3 * ms), delivered(9 * ms)}
	r := fed(Options{}, a, b)
	if r.TimesDiffer != 2 || r.First.Packet != 0 || r.Earliest.Packet != 1 || r.EarliestAt != 3*ms {
		t.Errorf("%+v", r)
	}
	if s := r.Sojourn; s.Later != 1 || s.Sooner != 1 || s.Mean != 0 || s.EitherWay.Max != 1e6 || *s.EitherWay.P50 != 1e6 {
		t.Errorf("spans %+v", s)
	}
	if r = fed(Options{Tolerance: time.Millisecond}, a, b); !r.Same {
		t.Errorf("1 ms is tolerated: %+v", r)
	}
	if r = fed(Options{Tolerance: time.Millisecond - 1}, a, b); r.Same {
		t.Error("1 ms differs by more than the tolerance")
	}
}

// TestEitherWay: all packets leave 2 ms sooner in b. The mean says so, and what has
// no sign says that it has none.
func TestEitherWay(t *testing.T) {
	r := fed(Options{}, []Fate{delivered(5 * ms), delivered(6 * ms)}, []Fate{delivered(3 * ms), delivered(4 * ms)})
	var b bytes.Buffer
	if err := r.WriteWords(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"mean of b less a -2.000 ms;\ndifference, either way: p50 2.000, p99 2.000, max 2.000 ms", "either way p50 ms"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("want %q in\n%s", want, b.String())
		}
	}
	j, err := json.Marshal(r.Sojourn)
	if want := `"mean_ns":-2000000,"either_way":{"p50_ns":2000000,"p99_ns":2000000,"max_ns":2000000}}`; err != nil || !strings.HasSuffix(string(j), want) {
		t.Errorf("%s, %v, want %s at the end", j, err, want)
	}
}

// TestHorizon: what run a had no time to decide is no difference, what it had is.
func TestHorizon(t *testing.T) {
	if r := fed(Options{}, []Fate{{}}, []Fate{delivered(10*ms + 1)}); !r.Same || r.Totals.Undecided.Both != 1 {
		t.Errorf("%+v", r)
	}
	if r := fed(Options{}, []Fate{{}}, []Fate{delivered(10 * ms)}); r.Same || r.DecisionsDiffer != 1 {
		t.Errorf("%+v", r)
	}
}

// TestOtherPackets: one run has a packet more, and another in the place of one.
func TestOtherPackets(t *testing.T) {
	if r := fed(Options{}, []Fate{delivered(1)}, []Fate{delivered(1), delivered(2 * ms)}); r.PacketsDiffer != 1 || r.Arrived != (Pair{1, 2}) || r.First.A != nil {
		t.Errorf("%+v", r)
	}
	d := New(Options{})
	for side := range 2 {
		_ = d.Arrive(side, 0, Packet{Flow: flowOf(side).FlowKey, Len: 100})
		_ = d.Decide(side, 0, delivered(1))
	}
	if r := d.Result(1); r.PacketsDiffer != 1 {
		t.Errorf("%+v", r)
	}
}

// TestBadInput: what a file may say wrongly is an error.
func TestBadInput(t *testing.T) {
	d := New(Options{})
	if err := d.Decide(0, 0, delivered(1)); err == nil {
		t.Error("decided before it arrived")
	}
	_ = d.Arrive(0, 0, Packet{})
	if err := d.Arrive(0, 0, Packet{}); err == nil {
		t.Error("arrived twice")
	}
	if err := d.Decide(1, 0, delivered(1)); err == nil {
		t.Error("decided in a run in which it did not arrive")
	}
	if err := d.Arrive(0, maxGap+2, Packet{}); err == nil {
		t.Error("arrived too far ahead")
	}
	if err := d.Arrive(0, maxGap, Packet{}); err != nil {
		t.Error(err)
	}
}

// TestOrderDoesNotMatter feeds the same fates in any order of the sides and finds
// the same result, keeping no more than is open.
func TestOrderDoesNotMatter(t *testing.T) {
	var want string
	for seed := range uint64(20) {
		rng, d := rand.New(rand.NewPCG(seed, 1)), New(Options{Context: 2})
		next, most := [2]uint64{}, 0
		for next[0] < 500 || next[1] < 500 {
			side := rng.IntN(2)
			if next[side] == 500 || next[side] > next[1-side]+20 {
				side = 1 - side
			}
			id := next[side]
			next[side]++
			_ = d.Arrive(side, id, Packet{Flow: flowOf(int(id % 3)).FlowKey, Len: 10, Arrival: pkt.Time(id)})
			f := delivered(pkt.Time(id)*2 + pkt.Time(side)*pkt.Time(id%7))
			if id%50 == 49 && side == 1 {
				f = Fate{Outcome: Dropped, Reason: pkt.AQM, Dequeued: f.Dequeued, End: f.End}
			}
			if err := d.Decide(side, id, f); err != nil {
				t.Fatal(err)
			}
			most = max(most, len(d.window))
		}
		var b bytes.Buffer
		if err := d.Result(5).WriteWords(&b); err != nil {
			t.Fatal(err)
		}
		if want == "" {
			want = b.String()
		}
		if b.String() != want || most > 100 {
			t.Errorf("seed %d: window %d, result\n%s\nwant\n%s", seed, most, b.String(), want)
		}
	}
	if !strings.Contains(want, "10 met another decision") {
		t.Errorf("unexpected result\n%s", want)
	}
}

// TestQuantiles: of many packets the run's are known to 0.1 %, and the mean is
// rounded to the nearest.
func TestQuantiles(t *testing.T) {
	var a, b []Fate
	for i := range 1000 {
		a = append(a, delivered(pkt.Time(i+1)*2*ms))
		b = append(b, delivered(pkt.Time(i+1)*ms))
	}
	b[0] = delivered(ms + 600)
	s := fed(Options{}, a, b).Sojourn
	for _, c := range []struct {
		what      string
		got, want int64
	}{{"p50", *s.EitherWay.P50, int64(500 * ms)}, {"p99", *s.EitherWay.P99, int64(990 * ms)}} {
		if c.got < c.want || c.got > c.want+c.want/1000 {
			t.Errorf("%s is %d, want %d to 0.1 %%", c.what, c.got, c.want)
		}
	}
	if want := -int64(500*ms+ms/2) + 1; s.Mean != want {
		t.Errorf("mean %d, want %d", s.Mean, want)
	}
}
