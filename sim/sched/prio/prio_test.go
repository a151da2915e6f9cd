package prio

import (
	"fmt"
	"strings"
	"testing"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/sched/codel"
	"github.com/uqtool/uq/sim/sched/fifo"
	"github.com/uqtool/uq/sim/sched/tbf"
)

func kinds() sched.Kinds {
	return sched.Kinds{
		{Name: "prio", Children: MaxBands, New: New},
		{Name: "pfifo", New: fifo.NewPackets},
		{Name: "bfifo", New: fifo.NewBytes},
		{Name: "codel", New: codel.New},
		{Name: "tbf", Children: 1, New: tbf.New},
	}
}

func make1(t *testing.T, spec string) *Qdisc {
	t.Helper()
	s, err := kinds().New(spec, sched.Env{Drop: func(pkt.Time, *pkt.Packet, pkt.Reason) {}})
	if err != nil {
		t.Fatal(err)
	}
	return s.(*Qdisc)
}

// TestPriorities is the table of tc-prio(8): TOS, Linux's priority, band; for
// every value of the bits around those four as well.
func TestPriorities(t *testing.T) {
	q := make1(t, "prio")
	for _, c := range []struct {
		tos            uint8
		priority, band int
	}{
		{0x00, 0, 1}, {0x02, 0, 1}, {0x04, 0, 1}, {0x06, 0, 1},
		{0x08, 2, 2}, {0x0a, 2, 2}, {0x0c, 2, 2}, {0x0e, 2, 2},
		{0x10, 6, 0}, {0x12, 6, 0}, {0x14, 6, 0}, {0x16, 6, 0},
		{0x18, 4, 1}, {0x1a, 4, 1}, {0x1c, 4, 1}, {0x1e, 4, 1},
	} {
		for around := range 16 { // precedence and the lowest bit
			ds := c.tos | uint8(around>>1<<5) | uint8(around&1)
			p := &pkt.Packet{DSField: ds, Flow: &pkt.Flow{}}
			if got := Priority(p); got != c.priority || q.priomap[got] != c.band {
				t.Errorf("DS field %#x: priority %d band %d, want %d and %d", ds, got, q.priomap[got], c.priority, c.band)
			}
			p.Flow = &pkt.Flow{FlowKey: pkt.FlowKey{V6: true}}
			if got := Priority(p); got != 0 {
				t.Errorf("IPv6 traffic class %#x: priority %d", ds, got)
			}
		}
	}
}

// TestStrict checks the order of the bands, and that one that waits does not
// hold back those after it.
func TestStrict(t *testing.T) {
	q := make1(t, "prio [tbf rate 8mbit burst 1000 limit 1m]")
	for id, ds := range []uint8{0x08, 0x00, 0x10, 0x10} { // bands 2, 1, 0, 0
		q.Enqueue(0, &pkt.Packet{ID: uint64(id), Len: 1000, DSField: ds, Flow: &pkt.Flow{}})
	}
	for i, want := range []string{"2", "1", "0", "wait"} {
		got := "wait"
		if i == 1 {
			if head := q.Peek(0); head == nil || head.ID != 1 {
				t.Errorf("peek shows %v, want packet 1", head)
			}
		}
		if p := q.Dequeue(0); p != nil {
			got = fmt.Sprint(p.ID)
		}
		if got != want {
			t.Errorf("%d: %s, want %s", i, got, want)
		}
	}
	if q.NextWake() != 1e6 {
		t.Errorf("wakes at %v, want a millisecond", q.NextWake())
	}
	if n, bytes := q.Backlog(); n != 1 || bytes != 1000 {
		t.Errorf("backlog %d packets %d bytes", n, bytes)
	}
	if p := q.Dequeue(1e6); p == nil || p.ID != 3 || q.NextWake() != pkt.Never && q.Dequeue(1e6) != nil {
		t.Errorf("after the wait %v", p)
	}
}

// TestPeekKeeps checks that peeking changes neither order nor backlog, whether
// the band can be peeked at (a FIFO) or not (CoDel).
func TestPeekKeeps(t *testing.T) {
	for _, spec := range []string{"prio [pfifo] [pfifo]", "prio [codel] [codel]"} {
		q := make1(t, spec)
		for id, ds := range []uint8{0, 0, 0x10, 0x10} {
			q.Enqueue(0, &pkt.Packet{ID: uint64(id), Len: 100, DSField: ds, Flow: &pkt.Flow{}})
		}
		for _, want := range []uint64{2, 3, 0, 1} {
			before, _ := q.Backlog()
			if a, b := q.Peek(1), q.Peek(1); a != b || a.ID != want {
				t.Errorf("%s: peek shows %d then %d, want %d", spec, a.ID, b.ID, want)
			}
			if n, _ := q.Backlog(); n != before {
				t.Errorf("%s: peeking changed the backlog from %d to %d", spec, before, n)
			}
			if p := q.Dequeue(1); p.ID != want {
				t.Errorf("%s: sent %d, want %d", spec, p.ID, want)
			}
		}
		if q.Peek(1) != nil || q.Dequeue(1) != nil {
			t.Errorf("%s: not empty", spec)
		}
	}
}

func TestWords(t *testing.T) {
	const standard = "priomap 1 2 2 2 1 2 0 0 1 1 1 1 1 1 1 1"
	for in, want := range map[string]string{
		"prio":                         "prio bands 3 " + standard,
		"prio bands 5":                 "prio bands 5 " + standard,
		"prio priomap 0 0":             "prio bands 3 priomap 0 0 2 2 1 2 0 0 1 1 1 1 1 1 1 1",
		"prio [codel]":                 "prio bands 3 " + standard + " [codel limit 1000p target 5ms interval 100ms]",
		"prio [pfifo] [pfifo limit 2]": "prio bands 3 " + standard + " [pfifo limit 1000p] [pfifo limit 2p]",
		"prio [prio [prio]]":           "prio bands 3 " + standard + " [prio bands 3 " + standard + " [prio bands 3 " + standard + "]]",
		"prio bands 2":                 "priority 1 goes to band 2 of 2",
		"prio bands 17":                "want 2 to 16",
		"prio bands 1":                 "want 2 to 16",
		"prio priomap 0 0 3":           "priority 2 goes to band 3 of 3",
		"prio priomap":                 "want numbers",
		"prio priomap 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0": "at most 16",
		"prio [pfifo] [pfifo] [pfifo] [pfifo]":           "raise bands to 4",
		"prio [pfifo limt 3]":                            `band 1:1: pfifo: What is "limt"?`,
	} {
		got := ""
		if s, err := kinds().New(in, sched.Env{}); err != nil {
			got = err.Error()
		} else if got = sched.Line(s); got != want {
			t.Errorf("%s prints as %s, want %s", in, got, want)
		} else if s, err = kinds().New(got, sched.Env{}); err != nil || sched.Line(s) != got {
			t.Errorf("%s: %v", got, err)
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

// TestInside: a class a band, the implied ones left out of the line.
func TestInside(t *testing.T) {
	in := make1(t, "prio bands 12 [codel]").Inside()
	if len(in) != 12 || in[0].ID != "1:1" || in[11].ID != "1:c" || in[0].Implied || !in[1].Implied {
		t.Errorf("%+v", in)
	}
}
