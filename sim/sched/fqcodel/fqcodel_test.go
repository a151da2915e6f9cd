package fqcodel

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/sched/fq"
)

// TestDeficits walks through ns-3's deficit example: quantum 90 (below what tc
// allows, so set here), 120-byte packets of two flows.
func TestDeficits(t *testing.T) {
	f, err := newQdisc(nil, sched.Env{MTU: 1514, Drop: func(_ pkt.Time, p *pkt.Packet, why pkt.Reason) { t.Fatalf("dropped %d: %v", p.ID, why) }})
	if err != nil {
		t.Fatal(err)
	}
	f.quantum = 90
	f1, f2 := &pkt.Flow{Hash: 0, ID: 1}, &pkt.Flow{Hash: 1 << 31, ID: 2}
	id := uint64(0)
	enq := func(fl *pkt.Flow) { f.Enqueue(0, &pkt.Packet{ID: id, Flow: fl, Len: 120}); id++ }
	deq := func() string {
		p := f.Dequeue(0)
		if p == nil {
			return "none"
		}
		return fmt.Sprintf("f%d", p.Flow.ID)
	}
	state := func() string {
		s := ""
		for _, idx := range []int{0, 512} {
			where := "inactive"
			f.rounds.New.Each(func(fl *fq.Flow) {
				if fl.Index == idx {
					where = "new"
				}
			})
			f.rounds.Old.Each(func(fl *fq.Flow) {
				if fl.Index == idx {
					where = "old"
				}
			})
			s += fmt.Sprintf("%d %s, ", f.flows[idx].Deficit, where)
		}
		return s
	}
	steps := []struct {
		do         func() string
		what, want string
	}{
		{func() string { enq(f1); return "" }, "", "90 new, 0 inactive, "},
		{deq, "f1", "-30 new, 0 inactive, "},
		{func() string { enq(f1); enq(f1); enq(f2); enq(f2); return "" }, "", "-30 new, 90 new, "},
		{deq, "f2", "60 old, -30 new, "},
		{deq, "f1", "-60 old, 60 old, "},
		{deq, "f2", "30 old, -60 old, "},
		{deq, "f1", "-90 old, 30 old, "},
		{deq, "none", "90 inactive, 30 inactive, "},
	}
	for i, s := range steps {
		if got := s.do(); got != s.what {
			t.Fatalf("step %d: got %q, want %q", i, got, s.what)
		}
		if got := state(); got != s.want {
			t.Fatalf("step %d: state %q, want %q", i, got, s.want)
		}
	}
}

// TestOverflowCount checks that the fattest flow's CoDel count grows by the
// packets cut.
func TestOverflowCount(t *testing.T) {
	f, err := newQdisc([]string{"limit", "10"}, sched.Env{MTU: 1514, Drop: func(pkt.Time, *pkt.Packet, pkt.Reason) {}})
	if err != nil {
		t.Fatal(err)
	}
	fl := &pkt.Flow{Hash: 7 << 22}
	for range 11 {
		f.Enqueue(0, &pkt.Packet{Flow: fl, Len: 1000})
	}
	if got := f.flows[7].vars.Count; got != 6 {
		t.Errorf("count %d after cutting half of 11 packets, want 6", got)
	}
}

// TestClockOrigin plays one flood, which overflows a flow that never dropped
// before, at different instants: what follows must not depend on when it was.
func TestClockOrigin(t *testing.T) {
	var want string
	for _, origin := range []time.Duration{0, time.Second, 3 * time.Second, 3000 * time.Second, 5000 * time.Second} {
		got := ""
		at := func(d time.Duration) pkt.Time { return pkt.Time((origin + d) &^ 1023) } // whole ticks
		f, err := newQdisc([]string{"limit", "100"}, sched.Env{MTU: 1514, Drop: func(now pkt.Time, p *pkt.Packet, why pkt.Reason) {
			got += fmt.Sprintf("%v drop %d %v\n", now-at(0), p.ID, why)
		}})
		if err != nil {
			t.Fatal(err)
		}
		id := uint64(0)
		for i := range 600 {
			now := at(time.Duration(max(0, i-130)) << 20)
			f.Enqueue(now, &pkt.Packet{ID: id, Arrival: now, Flow: &pkt.Flow{}, Len: 1514})
			id++
			if i >= 130 {
				f.Dequeue(now)
			}
		}
		if want == "" {
			want = got
		}
		if got != want || !strings.Contains(got, "aqm") {
			t.Errorf("flood at %v:\n%s\nat 0:\n%s", origin, got, want)
		}
	}
}

// TestZeroLengths checks that packets without a length cannot break overflow.
func TestZeroLengths(t *testing.T) {
	f, err := newQdisc([]string{"limit", "1"}, sched.Env{MTU: 1514, Drop: func(pkt.Time, *pkt.Packet, pkt.Reason) {}})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		f.Enqueue(0, &pkt.Packet{Flow: &pkt.Flow{Hash: 1 << 31}})
	}
}

// TestFattest checks whose packets go: of flows with equal bytes the one of the
// lowest number, as the kernel's scan finds it.
func TestFattest(t *testing.T) {
	var dropped []uint64
	f, err := newQdisc([]string{"limit", "3", "drop_batch", "1"}, sched.Env{MTU: 1514, Drop: func(_ pkt.Time, p *pkt.Packet, _ pkt.Reason) { dropped = append(dropped, p.ID) }})
	if err != nil {
		t.Fatal(err)
	}
	for id, hash := range []uint32{200 << 22, 100 << 22, 200 << 22, 100 << 22} {
		f.Enqueue(0, &pkt.Packet{ID: uint64(id), Flow: &pkt.Flow{Hash: hash}, Len: 1000})
	}
	if len(dropped) != 1 || dropped[0] != 1 {
		t.Errorf("dropped %v, want packet 1 of the lower bucket", dropped)
	}
}

// TestZeros checks that a 0 is the default where it is to tc.
func TestZeros(t *testing.T) {
	f, err := newQdisc(strings.Fields("limit 0 flows 0 quantum 0 drop_batch 0"), sched.Env{MTU: 1514})
	if err != nil {
		t.Fatal(err)
	}
	want := "fq_codel limit 10240p flows 1024 quantum 1514 target 5ms interval 100ms memory_limit 32Mb ecn drop_batch 64"
	if got := sched.Line(f); got != want {
		t.Errorf("prints %q, want %q", got, want)
	}
}

// TestMemoryLimitIsAllowed checks that memory at exactly the limit is no reason
// to drop.
func TestMemoryLimitIsAllowed(t *testing.T) {
	cost := (&pkt.Packet{Len: 1000}).TrueSize()
	for _, c := range []struct{ limit, drops int }{{2 * cost, 0}, {2*cost - 1, 1}} {
		drops := 0
		f, err := newQdisc([]string{"memory_limit", fmt.Sprint(c.limit), "drop_batch", "1"}, sched.Env{MTU: 1514, Drop: func(pkt.Time, *pkt.Packet, pkt.Reason) { drops++ }})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			f.Enqueue(0, &pkt.Packet{Flow: &pkt.Flow{}, Len: 1000})
		}
		if drops != c.drops {
			t.Errorf("limit %d: %d drops, want %d", c.limit, drops, c.drops)
		}
	}
}
