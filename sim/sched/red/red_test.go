package red

import (
	"fmt"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/random"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/sched/fifo"
)

var newBytes = fifo.NewBytes

// TestAverage follows the average by hand: W = 1/4, samples in bytes.
func TestAverage(t *testing.T) {
	p := Params{WLog: 2}
	v := NewVars()
	for i, c := range []struct {
		backlog int
		avg     uint64 // in quarters of a byte
	}{
		{1000, 1000}, // 0 + (1000 - 0)
		{1000, 1750}, // 1000 + (1000 - 250)
		{2000, 3313}, // 1750 + (2000 - 437)
		{0, 2485},    // 3313 + (0 - 828)
	} {
		v.Sample(&p, c.backlog)
		if v.avg != c.avg {
			t.Fatalf("sample %d: %d, want %d", i, v.avg, c.avg)
		}
	}
}

// TestIdle checks both halves of the decay: a straight line while the table says
// 0, a shift from then on, and no more than the table's end.
func TestIdle(t *testing.T) {
	p := Params{WLog: 5, ScellLog: 10}
	for i := range p.Stab {
		p.Stab[i] = uint8(min(i/2, 31))
	}
	for _, c := range []struct {
		idle time.Duration
		avg  uint64
	}{
		{0, 1001},
		{999, 1001}, // less than a µs
		{100 * time.Microsecond, 1001 - 1001*100/1024},
		{1023 * time.Microsecond, 500}, // the line would reach 1: half is left
		{2047 * time.Microsecond, 500},
		{2048 * time.Microsecond, 500}, // 1001 >> 1
		{4096 * time.Microsecond, 250},
		{time.Hour, 0},
	} {
		v := Vars{avg: 1001, idle: true, since: 7}
		v.Update(&p, 7+pkt.Time(c.idle), 1e6)
		if v.avg != c.avg || v.idle {
			t.Errorf("idle %v: %d, want %d", c.idle, v.avg, c.avg)
		}
	}
}

// TestGaps checks the paper's second method: with the average held, the gaps
// between marks are uniform on 1 .. 1/Pb, so their mean is near half of that,
// and none is longer.
func TestGaps(t *testing.T) {
	p := Params{Min: 10000, Max: 30000, WLog: 6}
	p.SetMaxP(1 << 32 / 10) // 10 % at Max: Pb is 5 % half way, gaps up to 20
	v := NewVars()
	v.avg = 20000 << p.WLog
	rng := random.Stream(1, "test")
	var seen [22]int
	gap, marks, sum := 0, 0, 0
	for range 200000 {
		gap++
		if v.Act(&p, rng) == Early {
			if gap >= len(seen) {
				t.Fatalf("a gap of %d packets, 1/Pb is 20", gap)
			}
			seen[gap]++
			marks++
			sum += gap
			gap = 0
		}
	}
	if mean := float64(sum) / float64(marks); mean < 10 || mean > 11 {
		t.Errorf("mean gap %.2f, want 10.5", mean)
	}
	for g := 2; g <= 20; g++ {
		if share := float64(seen[g]) / float64(marks); share < 0.045 || share > 0.055 {
			t.Errorf("gap %d has a share of %.4f, want 0.05", g, share)
		}
	}
}

// TestThresholds checks the edges: below Min nothing, at Max everything.
func TestThresholds(t *testing.T) {
	p := Params{Min: 10000, Max: 30000, WLog: 3}
	p.SetMaxP(1<<32 - 1)
	rng := random.Stream(1, "test")
	for _, c := range []struct {
		avg  uint64
		want Action
	}{{10000<<3 - 1, Pass}, {30000 << 3, Hard}, {1 << 40, Hard}} {
		v := Vars{avg: c.avg, count: 5}
		for range 100 {
			if got := v.Act(&p, rng); got != c.want {
				t.Fatalf("average %d/8: action %d, want %d", c.avg, got, c.want)
			}
		}
	}
}

// TestAdaptSteps follows MaxP as the average stays high, then low.
func TestAdaptSteps(t *testing.T) {
	p := Params{Min: 10000, Max: 60000, WLog: 4}
	p.SetMaxP(percent)
	v := NewVars()
	v.avg = 40001 << 4 // above Min + 3/5: raise by min(1 %, a quarter)
	for i, want := range []uint32{percent + percent/4, 67108864} {
		v.Adapt(&p, 0)
		if i == 0 && p.MaxP != want {
			t.Errorf("step %d: %d, want %d", i, p.MaxP, want)
		}
	}
	steps := 2
	for v.Adapt(&p, 0) {
		steps++
	}
	if p.MaxP <= adaptMax || p.MaxP > adaptMax+percent {
		t.Errorf("held at %s, want the first step past 0.5", fmt.Sprint(float64(p.MaxP)/(1<<32)))
	}
	for _, avg := range []uint64{30000, 40000} { // inside the band: at rest
		v.avg = avg << 4
		if v.Adapt(&p, 0) {
			t.Errorf("average %d: MaxP moved", avg)
		}
	}
	v.avg, steps = 29999<<4, 0
	for v.Adapt(&p, 0) {
		steps++
	}
	if p.MaxP >= adaptMin || p.MaxP < adaptMin*9/10-10 || steps < 30 {
		t.Errorf("held at %d after %d steps, want the first below %d", p.MaxP, steps, adaptMin)
	}
}

// TestLateSteps checks that steps taken late, all at once, are those taken in
// time: a queue that is asked every 10 ms and one that is asked once.
func TestLateSteps(t *testing.T) {
	state := func(every time.Duration) string {
		q, err := newForTest("limit 400000 min 30000 max 90000 avpkt 1000 adaptive probability 0.3 bandwidth 1mbit")
		if err != nil {
			t.Fatal(err)
		}
		q.drop = func(pkt.Time, *pkt.Packet, pkt.Reason) {}
		for i := range 80 {
			q.Enqueue(pkt.Time(i), &pkt.Packet{Len: 1000, Flow: &pkt.Flow{}})
		}
		q.vars.avg = 80000 << q.par.WLog
		for q.Dequeue(100) != nil {
		}
		for now := 100 * time.Millisecond; now <= 100*time.Second; now += every {
			q.Peek(0)
			q.adapt(pkt.Time(now))
		}
		q.adapt(pkt.Time(100 * time.Second))
		return q.DebugState() + fmt.Sprint(q.par.scale)
	}
	if often, once := state(10*time.Millisecond), state(time.Hour); often != once {
		t.Errorf("asked often:\n%s\nonce:\n%s", often, once)
	}
}

// TestMarkOrDrop has what becomes of a packet above Max by its codepoint and the
// flags.
func TestMarkOrDrop(t *testing.T) {
	for _, c := range []struct {
		flags string
		ecn   pkt.ECN
		want  string
	}{
		{"", pkt.ECT0, "dropped"},
		{"ecn", pkt.ECT0, "marked"},
		{"ecn", pkt.NotECT, "dropped"},
		{"ecn nodrop", pkt.NotECT, "queued"},
		{"ecn nodrop", pkt.ECT1, "marked"},
		{"ecn harddrop", pkt.ECT0, "dropped"},
		{"ecn harddrop nodrop", pkt.NotECT, "dropped"},
	} {
		q, err := newForTest("limit 400000 min 30000 max 90000 avpkt 1000 " + c.flags)
		if err != nil {
			t.Fatal(err)
		}
		got := "queued"
		q.drop = func(_ pkt.Time, _ *pkt.Packet, why pkt.Reason) {
			if why != pkt.AQM {
				t.Errorf("dropped for %s", why)
			}
			got = "dropped"
		}
		q.vars = Vars{avg: 90001 << q.par.WLog}
		for range 99 { // the backlog that holds the average there
			q.child.Enqueue(0, &pkt.Packet{Len: 1000})
		}
		p := &pkt.Packet{Len: 1000, DSField: uint8(c.ecn)}
		q.Enqueue(0, p)
		if p.Mark == pkt.AQM {
			got = "marked"
		}
		if got != c.want {
			t.Errorf("%q %s: %s, want %s", c.flags, c.ecn, got, c.want)
		}
	}
}

// TestAllocs: nothing is allocated per packet.
func TestAllocs(t *testing.T) {
	q, err := newForTest("limit 400000 min 30000 max 90000 avpkt 1000 adaptive")
	if err != nil {
		t.Fatal(err)
	}
	p, now := &pkt.Packet{Len: 1000, Flow: &pkt.Flow{}}, pkt.Time(0)
	if n := testing.AllocsPerRun(1000, func() {
		q.Enqueue(now, p)
		q.Dequeue(now)
		now += 1e6
	}); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

var _ sched.Waiter = (*Qdisc)(nil)
