package codel

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/tc"
)

// TestControlLaw checks the reciprocal roots and steps against the table
// computed from Linux's rules: count, Q0.16 root, step and time since the first
// drop, both in ms.
func TestControlLaw(t *testing.T) {
	table := []struct {
		count      uint32
		rec        uint16
		step, from string
	}{
		{1, 65535, "99.998", "99.998"}, {2, 32769, "50.001", "149.999"}, {3, 36864, "56.249", "206.248"},
		{4, 31968, "48.778", "255.026"}, {5, 28935, "44.151", "299.177"}, {6, 26481, "40.406", "339.583"},
		{7, 24588, "37.517", "377.100"}, {8, 23037, "35.151", "412.251"}, {9, 21746, "33.181", "445.432"},
		{10, 20647, "31.504", "476.936"}, {12, 18869, "28.791", "535.784"}, {16, 16360, "24.963", "640.869"},
		{20, 14640, "22.339", "733.887"}, {30, 11960, "18.249", "932.739"},
	}
	par := (&Config{Interval: 100 * time.Millisecond, CEThreshold: -1}).Params(1514)
	v := Vars{Count: 1, RecInvSqrt: 1<<16 - 1}
	var sum Ticks
	for i := 0; i < len(table); {
		want := table[i]
		step := v.step(&par)
		sum += step
		if v.Count == want.count {
			if v.RecInvSqrt != want.rec || ms(step) != want.step || ms(sum) != want.from {
				t.Errorf("count %d: root %d step %s ms sum %s ms, want %+v", v.Count, v.RecInvSqrt, ms(step), ms(sum), want)
			}
			i++
		}
		v.Count++
		v.newton()
	}
}

func ms(t Ticks) string { return fmt.Sprintf("%.3f", float64(t.Duration())/1e6) }

// TestNewtonConverges checks that stepping count by one keeps the root within
// the error the package doc states, far out.
func TestNewtonConverges(t *testing.T) {
	v := Vars{Count: 1, RecInvSqrt: 1<<16 - 1}
	for v.Count < 200000 {
		v.Count++
		v.newton()
		// one unit of Q0.16 is the best that can be had of a small root
		exact := 65536 / math.Sqrt(float64(v.Count))
		if diff := math.Abs(float64(v.RecInvSqrt) - exact); v.Count >= 5 && diff > 0.013*exact+2 {
			t.Fatalf("count %d: root %d, want about %.1f", v.Count, v.RecInvSqrt, exact)
		}
	}
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		d    time.Duration
		want Ticks
	}{{100 * time.Millisecond, 97656}, {5 * time.Millisecond, 4882}, {1023, 0}, {1024, 1}} {
		if got := TicksOf(c.d); got != c.want {
			t.Errorf("TicksOf(%v) = %d, want %d", c.d, got, c.want)
		}
	}
	if !Ticks(math.MaxUint32).before(1) || !Ticks(1).after(math.MaxUint32) {
		t.Error("comparison does not wrap")
	}
}

// list is a Queue over a slice.
type list struct {
	q     pkt.FIFO
	drops []uint64
}

func (l *list) Pop() *pkt.Packet               { return l.q.Pop() }
func (l *list) Bytes() int                     { return l.q.Bytes() }
func (l *list) Drop(_ pkt.Time, p *pkt.Packet) { l.drops = append(l.drops, p.ID) }
func (l *list) fill(n int, at pkt.Time, length uint32) {
	for i := range n {
		l.q.Push(&pkt.Packet{ID: uint64(i), Arrival: at, Len: length})
	}
}

// TestDropBound checks that one late call drops at most MaxDrops packets and
// leaves a schedule that is not overdue.
func TestDropBound(t *testing.T) {
	l := &list{}
	l.fill(5000, 0, 1000)
	c := DefaultConfig()
	par, v, st := c.Params(1514), Vars{}, Stats{}
	for _, at := range []time.Duration{10 * time.Millisecond, 200 * time.Millisecond} {
		Dequeue(pkt.Time(at), l, &par, &v, &st)
	}
	l.drops = nil
	late := pkt.Time(1000 * time.Second)
	if p := Dequeue(late, l, &par, &v, &st); p == nil {
		t.Fatal("nothing delivered after the bound was hit")
	}
	if len(l.drops) != MaxDrops {
		t.Errorf("%d drops in one call, want %d", len(l.drops), MaxDrops)
	}
	if !v.DropNext.after(TicksAt(late)) {
		t.Error("next drop is still overdue")
	}
}

// TestEmptyForgets checks that an empty dequeue ends the "above target" spell.
func TestEmptyForgets(t *testing.T) {
	l := &list{}
	c := DefaultConfig()
	par, v, st := c.Params(1514), Vars{}, Stats{}
	l.fill(3, 0, 1500)
	Dequeue(10e6, l, &par, &v, &st)
	if !v.above {
		t.Fatal("not above target with a standing queue")
	}
	Dequeue(11e6, l, &par, &v, &st)
	Dequeue(12e6, l, &par, &v, &st)
	Dequeue(13e6, l, &par, &v, &st)
	if v.above || v.Dropping {
		t.Error("an empty queue is still above target")
	}
}

// TestMTURule checks the two edges of the small-backlog rule.
func TestMTURule(t *testing.T) {
	for _, c := range []struct {
		behind uint32
		above  bool
	}{{1514, false}, {1515, true}} {
		l := &list{}
		l.fill(1, 0, 100)
		l.q.Push(&pkt.Packet{Len: c.behind})
		cfg := DefaultConfig()
		par, v, st := cfg.Params(1514), Vars{}, Stats{}
		Dequeue(10e6, l, &par, &v, &st)
		if v.above != c.above {
			t.Errorf("%d bytes behind: above = %v, want %v", c.behind, v.above, c.above)
		}
	}
}

// TestTargetRule checks that a sojourn of exactly target counts as above.
func TestTargetRule(t *testing.T) {
	for _, c := range []struct {
		at    pkt.Time
		above bool
	}{{4882<<10 - 1, false}, {4882 << 10, true}} {
		l := &list{}
		l.fill(5, 0, 1500)
		cfg := DefaultConfig()
		par, v, st := cfg.Params(1514), Vars{}, Stats{}
		Dequeue(c.at, l, &par, &v, &st)
		if v.above != c.above {
			t.Errorf("sojourn %v: above = %v, want %v", time.Duration(c.at), v.above, c.above)
		}
	}
}

func TestStatsKeys(t *testing.T) {
	q, err := newQdisc(nil, sched.Env{MTU: 1514})
	if err != nil {
		t.Fatal(err)
	}
	want := "codel limit 1000p target 5ms interval 100ms"
	if got := tc.Line(q.Kind(), q.Options()); got != want {
		t.Errorf("line %q, want %q", got, want)
	}
}

// TestStepIsATick checks that the schedule moves on however small the step.
func TestStepIsATick(t *testing.T) {
	par := Params{Interval: 3}
	v := Vars{Count: 1000, RecInvSqrt: 0}
	if got := v.step(&par); got != 1 {
		t.Errorf("step %d, want 1", got)
	}
}
