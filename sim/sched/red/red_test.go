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

// TestMarkEdge: a packet is marked as soon as count times the excess reaches the
// number drawn.
func TestMarkEdge(t *testing.T) {
	p := Params{Min: 10000, Max: 30000, WLog: 3}
	p.SetMaxP(1 << 30)
	rng := random.Stream(1, "test")
	for _, c := range []struct {
		r    uint32
		want Action
	}{{7 * 500, Early}, {7*500 + 1, Pass}} {
		v := Vars{avg: 10500<<3 | 7, count: 6, r: c.r}
		if got := v.Act(&p, rng); got != c.want {
			t.Errorf("number %d: action %d, want %d", c.r, got, c.want)
		}
	}
}

// TestAdaptRounds: a step rounds the probability per byte to the nearest, where
// the start rounds it down; as in Linux.
func TestAdaptRounds(t *testing.T) {
	p := Params{Min: 10000, Max: 20000, WLog: 4}
	p.SetMaxP(percent + 9999 - percent%10000) // so many ten thousandths and 9999 more
	before := p.scale
	v := NewVars()
	v.avg = 15000 << 4
	if v.Adapt(&p, 0) || p.scale != before+1 {
		t.Errorf("scale %d became %d", before, p.scale)
	}
}

// TestChildDrops: only a packet that the child refuses on arrival counts as pdrop.
func TestChildDrops(t *testing.T) {
	k := sched.Kinds{{Name: "red", Children: 1, New: New}, {Name: "one", New: func(_ []string, env sched.Env) (sched.Scheduler, error) {
		return &one{drop: env.Drop}, nil
	}}}
	drops := 0
	s, err := k.New("red limit 100k avpkt 1000 [one]", sched.Env{Drop: func(pkt.Time, *pkt.Packet, pkt.Reason) { drops++ }})
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		s.Enqueue(0, &pkt.Packet{Len: 100})
	}
	if q := s.(*Qdisc); drops != 4 || q.stats.pdrop != 0 {
		t.Errorf("%d drops, pdrop %d; want 4 and 0", drops, q.stats.pdrop)
	}
}

// one keeps the newest packet.
type one struct {
	sched.Named
	pkt.FIFO
	drop sched.DropFunc
}

func (o *one) Enqueue(now pkt.Time, p *pkt.Packet) {
	if o.Len() == 1 {
		o.drop(now, o.Pop(), pkt.Overlimit)
	}
	o.Push(p)
}
func (o *one) Dequeue(pkt.Time) *pkt.Packet  { return o.Pop() }
func (o *one) Backlog() (packets, bytes int) { return o.Len(), o.Bytes() }

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
	for _, c := range []struct {
		bandwidth string
		average   uint64
	}{{"1mbit", 80000}, {"8kbit", 60000}} { // out of the middle; in it, and leaving it slowly
		often, once := lateSteps(t, c.bandwidth, c.average, 10*time.Millisecond), lateSteps(t, c.bandwidth, c.average, time.Hour)
		if often != once {
			t.Errorf("%s: asked often:\n%s\nonce:\n%s", c.bandwidth, often, once)
		}
	}
}

func lateSteps(t *testing.T, bandwidth string, average uint64, every time.Duration) string {
	q, err := newForTest("limit 400000 min 30000 max 90000 avpkt 1000 adaptive probability 0.3 bandwidth " + bandwidth)
	if err != nil {
		t.Fatal(err)
	}
	q.drop = func(pkt.Time, *pkt.Packet, pkt.Reason) {}
	for i := range 80 {
		q.Enqueue(pkt.Time(i), &pkt.Packet{Len: 1000, Flow: &pkt.Flow{}})
	}
	q.vars.avg = average << q.par.WLog
	for q.Dequeue(100) != nil {
	}
	for now := 100 * time.Millisecond; now <= 100*time.Second; now += every {
		q.adapt(pkt.Time(now))
	}
	q.adapt(pkt.Time(100 * time.Second))
	if q.par.MaxP >= adaptMin {
		t.Errorf("the probability is still %d", q.par.MaxP)
	}
	return q.DebugState() + fmt.Sprint(q.par.scale)
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

var _ sched.Waiter = (*Qdisc)(nil)
