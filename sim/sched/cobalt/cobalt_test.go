package cobalt

import (
	"math/big"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/random"
	"github.com/uqtool/uq/sim/sched"
)

const ms = time.Millisecond

var internet = Params{Target: 5 * ms, Interval: 100 * ms}

// judged is what Judge does with a packet that waited sojourn at now.
func (v *Vars) judged(now, sojourn time.Duration, par *Params, ecn pkt.ECN) (drop bool) {
	p := &pkt.Packet{Arrival: pkt.Time(now - sojourn), DSField: uint8(ecn)}
	return v.Judge(pkt.Time(now), p, par, 0, random.Stream(1, "test"))
}

// TestRoots checks the table against 1/sqrt(n) in arbitrary precision, and
// against what kernels before 6.13 computed: at most 0.06 % apart.
func TestRoots(t *testing.T) {
	for n := int64(1); n < int64(len(roots)); n++ {
		square := new(big.Int).Div(new(big.Int).Lsh(big.NewInt(1), 64), big.NewInt(n))
		exact := new(big.Int).Sqrt(square).Int64()
		if d := int64(roots[n]) - exact; d < -1 || d > 1 {
			t.Errorf("1/sqrt(%d) = %d, want %d", n, roots[n], exact)
		}
	}
	if roots[0] != roots[1] {
		t.Errorf("entry 0 is %#x, want an interval", roots[0])
	}
	for n, old := range map[int]uint32{1: 0xffffffff, 2: 0xb4ead8a0, 3: 0x93cd39e7, 4: 0x7fffffff, 5: 0x727c9717, 9: 0x55555555, 15: 0x4219528c} {
		if d := int64(roots[n]) - int64(old); d < 0 || d > int64(old)/1700 {
			t.Errorf("1/sqrt(%d) = %#x, older kernels have %#x", n, roots[n], old)
		}
	}
}

// TestNewton checks that from 16 on one step per change of count is near enough,
// up and down.
func TestNewton(t *testing.T) {
	v := Vars{Count: 15, RecInvSqrt: roots[15]}
	near := func() {
		square := new(big.Int).Div(new(big.Int).Lsh(big.NewInt(1), 64), big.NewInt(int64(v.Count)))
		exact := new(big.Int).Sqrt(square).Int64()
		if d := (int64(v.RecInvSqrt) - exact) * 1000; d < -2*exact || d > 2*exact {
			t.Errorf("1/sqrt(%d) = %d, want %d within 0.2 %%", v.Count, v.RecInvSqrt, exact)
		}
	}
	for range 5000 {
		v.Count++
		v.advance(&internet)
		near()
	}
	for range 4999 {
		v.Count--
		v.advance(&internet)
		near()
	}
}

// TestFirstExcursion is the quirk: a fresh queue signals at the second packet
// above target; one that signalled before waits for an interval.
func TestFirstExcursion(t *testing.T) {
	for _, c := range []struct {
		name   string
		root   uint32
		signal time.Duration
	}{
		{"fresh", 0, 11 * ms},
		{"signalled before", roots[0], 110 * ms},
	} {
		v := Vars{RecInvSqrt: c.root}
		first := time.Duration(0)
		for now := ms; now < 300*ms && first == 0; now += ms {
			sojourn := time.Duration(0)
			if now >= 10*ms {
				sojourn = 6 * ms
			}
			if v.judged(now, sojourn, &internet, pkt.NotECT) {
				first = now
			}
		}
		if first != c.signal {
			t.Errorf("%s: first drop at %v, want %v", c.name, first, c.signal)
		}
	}
}

// TestControlLaw keeps the delay above target and compares the times between
// signals with interval/sqrt(count).
func TestControlLaw(t *testing.T) {
	v := Vars{}
	var at []time.Duration
	for now := time.Duration(0); now < 2*time.Second; now += ms / 10 {
		if v.judged(now, 20*ms, &internet, pkt.NotECT) {
			at = append(at, now)
		}
	}
	// The n-th signal makes count n+1, whose root spaces the next.
	want := []time.Duration{70_700_000, 57_700_000, 50_000_000, 44_700_000, 40_800_000, 37_800_000, 35_300_000, 33_400_000}
	for i, w := range want {
		if d := at[i+1] - at[i]; d < w-ms/5 || d > w+ms/5 {
			t.Errorf("between signals %d and %d: %v, want %v", i+1, i+2, d, w)
		}
	}
	if n := len(at); n < 120 || n > 125 {
		t.Errorf("%d signals in two seconds, want (2 s / 2·100 ms + 1)² ≈ 121 and the quirk's", n)
	}
}

// TestDecay lets the delay fall below target: count falls along the control law
// instead of being forgotten, and a new excursion goes on from there.
func TestDecay(t *testing.T) {
	v := Vars{}
	now := time.Duration(0)
	for ; v.Count < 10; now += ms {
		v.judged(now, 20*ms, &internet, pkt.NotECT)
	}
	var counts []uint32
	for range 12 {
		now += 50 * ms
		v.judged(now, 0, &internet, pkt.NotECT)
		counts = append(counts, v.Count)
	}
	for i, c := range counts[1:] {
		if c > counts[i] {
			t.Errorf("count rises while the delay is low: %v", counts)
		}
	}
	if counts[0] < 8 || counts[11] != 0 {
		t.Errorf("count %v after low delays every 50 ms, want from 8 or 9 down to 0", counts)
	}
	if v.judged(now+ms, 20*ms, &internet, pkt.NotECT) {
		t.Error("the first packet above target is dropped")
	}
	if v.Rests(pkt.Time(now)) {
		t.Error("a queue that was active an instant ago is at rest")
	}
}

// TestConditions lists what counts as above target.
func TestConditions(t *testing.T) {
	slow := Params{Target: 5 * ms, Interval: 100 * ms, MTUTime: 2 * ms}
	for _, c := range []struct {
		name    string
		par     Params
		sojourn time.Duration
		bulk    int
		over    bool
	}{
		{"at target", internet, 5 * ms, 0, false},
		{"above", internet, 5*ms + 1, 0, true},
		{"four packets' time", slow, 8 * ms, 0, false},
		{"more", slow, 8*ms + 1, 0, true},
		{"three bulk flows", slow, 12 * ms, 3, false},
		{"more", slow, 12*ms + 1, 3, true},
	} {
		v := Vars{}
		v.Judge(pkt.Time(c.sojourn), &pkt.Packet{}, &c.par, c.bulk, nil)
		if v.Dropping != c.over {
			t.Errorf("%s: above target is %v, want %v", c.name, v.Dropping, c.over)
		}
	}
}

// TestBlue checks the steps of the probability, their pace and their ends.
func TestBlue(t *testing.T) {
	v := Vars{}
	at := func(d time.Duration) pkt.Time { return pkt.Time(d) }
	if !v.Overflow(0, &internet) || v.PDrop != 1<<24 {
		t.Errorf("first overflow, at 0: probability %#x", v.PDrop)
	}
	if v.Overflow(at(5*ms), &internet) || v.PDrop != 1<<24 {
		t.Errorf("again within target: %#x", v.PDrop)
	}
	if v.Overflow(at(5*ms+1), &internet) || v.PDrop != 2<<24 {
		t.Errorf("after target: %#x", v.PDrop)
	}
	if !v.Dropping || v.Count != 1 || v.DropNext != at(5*ms+1) {
		t.Errorf("an overflow signals congestion: %+v", v)
	}
	if v.Empty(at(5*ms+1), &internet); v.Dropping {
		t.Error("an empty queue is in the dropping state")
	}
	now := 5*ms + 1
	for range 300 {
		now += 6 * ms
		v.Overflow(at(now), &internet)
	}
	if v.PDrop != 1<<32-1 {
		t.Errorf("probability %#x, want it to saturate", v.PDrop)
	}
	if !v.judged(now, 0, &internet, pkt.ECT0) {
		t.Error("probability 1 does not drop an ECN-capable packet")
	}
	downs := 0
	for range 5000 {
		now += 6 * ms
		if v.Empty(at(now), &internet) {
			downs++
		}
	}
	if v.PDrop != 0 || downs != 1 {
		t.Errorf("idle: probability %#x, at rest %d times", v.PDrop, downs)
	}
	if !v.Rests(at(now + time.Second)) {
		t.Error("not at rest after all decayed")
	}
}

// TestLongInterval checks an interval that does not fit 32 bits of nanoseconds.
func TestLongInterval(t *testing.T) {
	v := Vars{RecInvSqrt: roots[1], DropNext: pkt.Time(200 * time.Second)}
	par := Params{Target: 50 * time.Second, Interval: 1000 * time.Second}
	v.judged(100*time.Second, 60*time.Second, &par, pkt.NotECT)
	if d := v.DropNext.Sub(pkt.Time(100 * time.Second)); d < 999*time.Second || d > 1000*time.Second {
		t.Errorf("first signal due after %v, want the interval", d)
	}
}

func qdisc(t *testing.T, spec []string, drop func(*pkt.Packet, pkt.Reason)) *Qdisc {
	t.Helper()
	q, err := newQdisc(spec, sched.Env{Seed: 1, Name: "cobalt", Drop: func(_ pkt.Time, p *pkt.Packet, why pkt.Reason) { drop(p, why) }})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// TestNS3Drop is ns-3's mark and drop test: 20 packets of 1000 bytes at 0, a
// dequeue after two targets, one after two more intervals, one at twice that.
// Nothing happens at the first, which sets the deadline to 10 ms. The second
// catches up with the control law: drops due at 10, 81, 138 and 188 ms; so does
// the third, up to the one due at 412 ms. A mark is the packet that leaves, so
// there is one a call, and the deadline moves to that call.
func TestNS3Drop(t *testing.T) {
	for _, c := range []struct {
		ect   int
		words []string
		drops []int
		marks []uint64
	}{
		{0, nil, []int{0, 4, 10}, []uint64{0, 0, 0}},
		{20, []string{"ecn"}, []int{0, 0, 0}, []uint64{0, 1, 2}},
		{2, []string{"ecn"}, []int{0, 0, 5}, []uint64{0, 1, 1}},
	} {
		drops := 0
		q := qdisc(t, c.words, func(*pkt.Packet, pkt.Reason) { drops++ })
		for i := range 20 {
			p := &pkt.Packet{Len: 1000}
			if i < c.ect {
				p.DSField = uint8(pkt.ECT0)
			}
			q.Enqueue(0, p)
		}
		for i, now := range []time.Duration{10 * ms, 210 * ms, 420 * ms} {
			q.Dequeue(pkt.Time(now))
			if drops != c.drops[i] || q.stats.Marks != c.marks[i] {
				t.Errorf("%d ECN-capable, at %v: %d drops %d marks, want %d and %d", c.ect, now, drops, q.stats.Marks, c.drops[i], c.marks[i])
			}
		}
	}
}

// TestNS3Blue is ns-3's: 200 packets, one each 10 ms, into a queue of 100 that
// nobody serves; then the queue stands idle.
func TestNS3Blue(t *testing.T) {
	drops := 0
	q := qdisc(t, []string{"limit", "100"}, func(_ *pkt.Packet, why pkt.Reason) {
		if why == pkt.Overlimit {
			drops++
		}
	})
	now := pkt.Time(0)
	for range 200 {
		now = now.Add(10 * ms)
		q.Enqueue(now, &pkt.Packet{Arrival: now, Len: 1500})
	}
	if drops != 100 || q.vars.PDrop != 100<<24 {
		t.Errorf("%d drops, probability %d/256, want 100 of each", drops, q.vars.PDrop>>24)
	}
	for q.Dequeue(now) != nil {
	}
	before := q.vars.PDrop
	now = now.Add(10 * ms)
	q.Dequeue(now)
	if q.vars.PDrop != before-blueDown {
		t.Errorf("idle: probability %#x after %#x", q.vars.PDrop, before)
	}
}

// TestLastPacket checks that a lone packet is marked at most.
func TestLastPacket(t *testing.T) {
	q := qdisc(t, []string{"ecn"}, func(p *pkt.Packet, _ pkt.Reason) { t.Errorf("dropped packet %d", p.ID) })
	q.vars.PDrop = 1<<32 - 1
	for i := range 200 {
		now := pkt.Time(i) * pkt.Time(50*ms)
		q.Enqueue(now, &pkt.Packet{Arrival: now, Len: 1500, DSField: uint8(i%2) * uint8(pkt.ECT0)})
		if q.Dequeue(now.Add(40*ms)) == nil {
			t.Fatal("nothing came out")
		}
	}
	if q.stats.Marks == 0 {
		t.Error("no packet was marked")
	}
}

// TestThreshold checks that ce_threshold marks by delay alone, once per packet.
func TestThreshold(t *testing.T) {
	q := qdisc(t, []string{"ecn", "ce_threshold", "1ms"}, func(*pkt.Packet, pkt.Reason) {})
	for i, c := range []struct {
		sojourn time.Duration
		marked  pkt.Reason
	}{{ms, pkt.NoReason}, {ms + 1, pkt.Threshold}} {
		at := pkt.Time(i) * pkt.Time(time.Second)
		q.Enqueue(at, &pkt.Packet{Arrival: at, Len: 100, DSField: uint8(pkt.ECT0)})
		if p := q.Dequeue(at.Add(c.sojourn)); p.Mark != c.marked {
			t.Errorf("after %v: marked for %v, want %v", c.sojourn, p.Mark, c.marked)
		}
	}
}
