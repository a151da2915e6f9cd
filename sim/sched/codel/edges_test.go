package codel

import (
	"testing"
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
)

// The edges of the state machine, one rule a case. Times are in ticks.
const (
	testTarget   = 100
	testInterval = 1000
)

// machine is a queue with the law's state, and a clock in ticks.
type machine struct {
	list
	par Params
	v   Vars
	st  Stats
}

func newMachine() *machine {
	return &machine{par: Params{Target: testTarget, Interval: testInterval, MTU: 1514, CEThreshold: Disabled}}
}

func at(t Ticks) pkt.Time { return pkt.Time(t) << 10 }

// dequeue adds n packets that arrived at the given tick and dequeues at now.
func (m *machine) dequeue(now Ticks) *pkt.Packet {
	m.drops = nil
	return Dequeue(at(now), &m.list, &m.par, &m.v, &m.st)
}

// TestReentry checks when the dropping state resumes at the old rate: within 16
// intervals of the next drop that was due, and only if more than one drop was
// made.
func TestReentry(t *testing.T) {
	const next = 100000
	for _, c := range []struct {
		what        string
		count, last uint32
		since       Ticks
		want        uint32
	}{
		{"delta 2, at once", 5, 3, 0, 2},
		{"delta 2, just within 16 intervals", 5, 3, 16*testInterval - 1, 2},
		{"delta 2, 16 intervals after", 5, 3, 16 * testInterval, 1},
		{"delta 2, beyond 8 intervals", 5, 3, 9 * testInterval, 2},
		{"delta 1", 4, 3, 0, 1},
		{"delta 0", 3, 3, 0, 1},
	} {
		m := newMachine()
		m.v = Vars{Count: c.count, LastCount: c.last, RecInvSqrt: 40000, DropNext: next, above: true, FirstAbove: next - 10}
		m.fill(5, 0, 1500)
		m.dequeue(next + c.since)
		if m.v.Count != c.want || m.v.LastCount != c.want || !m.v.Dropping {
			t.Errorf("%s: count %d, last %d, dropping %v; want %d", c.what, m.v.Count, m.v.LastCount, m.v.Dropping, c.want)
		}
		root := uint16(1<<16 - 1)
		if c.want != 1 {
			w := Vars{Count: c.want, RecInvSqrt: 40000}
			w.newton()
			root = w.RecInvSqrt
		}
		if m.v.RecInvSqrt != root {
			t.Errorf("%s: root %d, want %d", c.what, m.v.RecInvSqrt, root)
		}
		if want := next + c.since + m.v.step(&m.par); m.v.DropNext != want {
			t.Errorf("%s: next drop %d, want %d", c.what, m.v.DropNext, want)
		}
	}
}

// TestRetest checks that the packet behind the first drop is judged: its sojourn
// is remembered, and one below target ends the spell above it.
func TestRetest(t *testing.T) {
	m := newMachine()
	m.v = Vars{above: true, FirstAbove: 10}
	m.fill(1, 0, 1500)
	m.q.Push(&pkt.Packet{ID: 1, Arrival: at(5000), Len: 1500})
	m.fill(3, at(5000), 1500)
	p := m.dequeue(5010)
	if p == nil || p.ID != 1 || len(m.drops) != 1 {
		t.Fatalf("sent %v, dropped %v", p, m.drops)
	}
	if m.v.LDelay != 10 || m.v.above || !m.v.Dropping {
		t.Errorf("ldelay %d, above %v, dropping %v", m.v.LDelay, m.v.above, m.v.Dropping)
	}
}

// TestDropNextIsDue checks that a drop due exactly now is made, and one due a
// tick later is not.
func TestDropNextIsDue(t *testing.T) {
	for _, c := range []struct {
		now   Ticks
		drops int
	}{{4999, 0}, {5000, 1}} {
		m := newMachine()
		m.v = Vars{Count: 1, LastCount: 1, RecInvSqrt: 1<<16 - 1, Dropping: true, above: true, FirstAbove: 10, DropNext: 5000}
		m.fill(5, 0, 1500)
		m.dequeue(c.now)
		if len(m.drops) != c.drops {
			t.Errorf("at %d: %d drops, want %d", c.now, len(m.drops), c.drops)
		}
	}
}

// TestCEThresholdIsStrict checks that a sojourn of exactly the threshold is not
// marked.
func TestCEThresholdIsStrict(t *testing.T) {
	for _, c := range []struct {
		now   Ticks
		marks uint64
	}{{50, 0}, {51, 1}} {
		m := newMachine()
		m.par.CEThreshold = 50
		m.q.Push(&pkt.Packet{Len: 1500, DSField: 2})
		m.dequeue(c.now)
		if m.st.CEMarks != c.marks {
			t.Errorf("sojourn %d: %d marks, want %d", c.now, m.st.CEMarks, c.marks)
		}
	}
}

// TestOptionsAsTc checks the spellings that tc accepts.
func TestOptionsAsTc(t *testing.T) {
	q, err := newQdisc([]string{"limit", "0", "target", "1ms", "ecn", "noecn"}, sched.Env{MTU: 1514})
	if err != nil || q.Limit != 1000 || q.ECN || q.Target != time.Millisecond {
		t.Errorf("%+v, %v", q, err)
	}
}
