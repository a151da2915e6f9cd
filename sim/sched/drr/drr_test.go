package drr

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/sched/codel"
	"github.com/uqtool/uq/sim/sched/fifo"
	"github.com/uqtool/uq/sim/sched/tbf"
)

func kinds() sched.Kinds {
	return sched.Kinds{
		{Name: "drr", Children: MaxClasses, New: New},
		{Name: "pfifo", New: fifo.NewPackets},
		{Name: "bfifo", New: fifo.NewBytes},
		{Name: "codel", New: codel.New},
		{Name: "tbf", Children: 1, New: tbf.New},
	}
}

func make1(t rapid.TB, spec string, drop sched.DropFunc) *Qdisc {
	t.Helper()
	s, err := kinds().New(spec, sched.Env{Drop: drop})
	if err != nil {
		t.Fatal(err)
	}
	return s.(*Qdisc)
}

// inClass is a packet of n bytes whose flow falls into class c of classes.
func inClass(id uint64, c, classes, n int) *pkt.Packet {
	return &pkt.Packet{ID: id, Len: uint32(n), Flow: &pkt.Flow{ID: uint32(c), Hash: uint32((uint64(c)<<32 + uint64(classes) - 1) / uint64(classes))}}
}

// TestShares is the paper's fairness measure: among classes that are always
// backlogged no two differ in bytes sent by more than a quantum and the largest
// packet, after any number of packets of any sizes.
func TestShares(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		classes := rapid.IntRange(2, 8).Draw(t, "classes")
		quantum := rapid.IntRange(1, 10000).Draw(t, "quantum")
		most := rapid.SliceOfN(rapid.IntRange(1, 9000), classes, classes).Draw(t, "largest packets")
		length := rapid.IntRange(0, 1<<20)
		q := make1(t, fmt.Sprintf("drr classes %d quantum %d", classes, quantum), nil)
		sent, queued := make([]int, classes), make([]int, classes)
		var id uint64
		for range rapid.IntRange(1, 300).Draw(t, "packets") {
			for c := range classes {
				for ; queued[c] < 2; queued[c]++ {
					q.Enqueue(0, inClass(id, c, classes, 1+length.Draw(t, "length")%most[c]))
					id++
				}
			}
			p := q.Dequeue(0)
			sent[p.Flow.ID] += int(p.Len)
			queued[p.Flow.ID]--
			if off := slices.Max(sent) - slices.Min(sent); off > quantum+slices.Max(most) {
				t.Fatalf("bytes sent %v differ by %d, quantum %d and packets of %v", sent, off, quantum, most)
			}
		}
	})
}

// TestOrder is the paper's example worked by hand: quantum 500, packets of 200,
// 750 and 20 in class 0, 500 in class 1.
func TestOrder(t *testing.T) {
	q := make1(t, "drr classes 4 quantum 500", nil)
	for i, n := range []int{200, 750, 20} {
		q.Enqueue(0, inClass(uint64(i), 0, 4, n))
	}
	q.Enqueue(0, inClass(3, 1, 4, 500))
	q.Enqueue(0, inClass(4, 1, 4, 500))
	var ids []uint64
	for p := q.Dequeue(0); p != nil; p = q.Dequeue(0) {
		ids = append(ids, p.ID)
	}
	// 0: deficit 500-200 = 300 < 750, +500; 3; 1 (800-750), 2 (50-20); 4.
	if want := []uint64{0, 3, 1, 2, 4}; !slices.Equal(ids, want) {
		t.Errorf("sent %v, want %v", ids, want)
	}
}

// TestHeldClass checks what a class that waits does to the others, as in Linux:
// while its turn lasts they wait too, and the next wake is its own.
func TestHeldClass(t *testing.T) {
	q := make1(t, "drr classes 2 [tbf rate 8mbit burst 1000 limit 1m] [pfifo]", nil)
	for id := range uint64(3) {
		q.Enqueue(0, inClass(id, 0, 2, 1000))
	}
	q.Enqueue(0, inClass(3, 1, 2, 1000))
	if p := q.Dequeue(0); p == nil || p.ID != 0 {
		t.Fatalf("first %v", p)
	}
	if p := q.Dequeue(0); p != nil || q.NextWake() != 1e6 {
		t.Fatalf("%v instead of a wait until 1 ms, %v", p, q.NextWake())
	}
	if n, bytes := q.Backlog(); n != 3 || bytes != 3000 {
		t.Errorf("backlog %d packets %d bytes", n, bytes)
	}
	// 514 of deficit are left of the quantum: the turn passes on.
	if p := q.Dequeue(1e6); p == nil || p.ID != 3 {
		t.Errorf("after the wait %v, want 3", p)
	}
}

// TestEmptiedClass: a class whose scheduler drops its last packet when it is
// asked gives its turn away.
func TestEmptiedClass(t *testing.T) {
	k := append(kinds(), sched.Kind{Name: "spite", New: func(_ []string, env sched.Env) (sched.Scheduler, error) {
		return &spite{drop: env.Drop}, nil
	}})
	drops := 0
	s, err := k.New("drr classes 2 [spite] [pfifo]", sched.Env{Drop: func(pkt.Time, *pkt.Packet, pkt.Reason) { drops++ }})
	if err != nil {
		t.Fatal(err)
	}
	s.Enqueue(0, inClass(0, 0, 2, 1000))
	s.Enqueue(0, inClass(1, 1, 2, 1000))
	if p := s.Dequeue(0); p == nil || p.ID != 1 || drops != 1 {
		t.Errorf("sent %v after %d drops, want packet 1 after 1", p, drops)
	}
	if n, bytes := s.Backlog(); n != 0 || bytes != 0 {
		t.Errorf("backlog %d packets %d bytes", n, bytes)
	}
}

// spite drops what it has when it is asked for it.
type spite struct {
	sched.Named
	pkt.FIFO
	drop sched.DropFunc
}

func (s *spite) Enqueue(_ pkt.Time, p *pkt.Packet) { s.Push(p) }
func (s *spite) Dequeue(now pkt.Time) *pkt.Packet {
	for p := s.Pop(); p != nil; p = s.Pop() {
		s.drop(now, p, pkt.AQM)
	}
	return nil
}
func (s *spite) Backlog() (packets, bytes int) { return s.Len(), s.Bytes() }

// TestWords has lines, how they print, and which qdisc serves which class.
func TestWords(t *testing.T) {
	for in, want := range map[string]string{
		"drr":                        "drr classes 1024 quantum 1514b",
		"drr classes 64 [codel]":     "drr classes 64 quantum 1514b [codel limit 1000p target 5ms interval 100ms]",
		"drr classes 3 quantum 3000": "drr classes 3 quantum 3000b",
		"drr classes 3 [pfifo limit 1] [bfifo limit 9k]": "drr classes 3 quantum 1514b [pfifo limit 1p] [bfifo limit 9Kb]",
		"drr classes 1 [pfifo] [pfifo]":                  "raise classes to 2",
		"drr classes 5000":                               "want 1 to 4096",
		"drr [pffo]":                                     `class 1:1: unknown qdisc "pffo"`,
		"drr flows 3":                                    `What is "flows"?`,
	} {
		got := ""
		if s, err := kinds().New(in, sched.Env{}); err != nil {
			got = err.Error()
		} else {
			got = sched.Line(s)
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
	q := make1(t, "drr classes 3 [pfifo limit 1] [bfifo limit 9k]", nil)
	for c := range 3 {
		q.Enqueue(0, inClass(0, c, 3, 100))
	}
	for i, in := range q.Inside() {
		d := in.Scheduler.(sched.Describer)
		if want := []string{"pfifo", "bfifo", "bfifo"}[i]; d.Kind() != want || in.ID != fmt.Sprintf("1:%d", i+1) || in.Implied != (i > 1) {
			t.Errorf("class %d is %s %s, implied %v", i, in.ID, d.Kind(), in.Implied)
		}
	}
}
