package sfq

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
)

// dropped is what a test's queue gave up, in order.
type dropped struct {
	ids []uint64
	why []pkt.Reason
}

func make1(t *testing.T, words string) (*Qdisc, *dropped) {
	t.Helper()
	d := &dropped{}
	s, err := New(strings.Fields(words), sched.Env{Seed: 1, Name: "sfq", MTU: sched.EthernetMTU, Drop: func(_ pkt.Time, p *pkt.Packet, why pkt.Reason) {
		d.ids, d.why = append(d.ids, p.ID), append(d.why, why)
	}})
	if err != nil {
		t.Fatal(err)
	}
	return s.(*Qdisc), d
}

// inBucket is a packet whose flow falls into bucket b of divisor, unperturbed.
func inBucket(id uint64, b, divisor, n int) *pkt.Packet {
	return &pkt.Packet{ID: id, Len: uint32(n), Flow: &pkt.Flow{ID: uint32(b), Hash: uint32(uint64(b) << 32 / uint64(divisor))}}
}

func drain(q *Qdisc) (ids []uint64) {
	for {
		p := q.Dequeue(0)
		if p == nil {
			return ids
		}
		ids = append(ids, p.ID)
	}
}

func numbers[T int | uint64](from, to T) (n []T) {
	for ; from < to; from++ {
		n = append(n, from)
	}
	return n
}

// TestWhoIsCut has which packet goes when the queue is full.
func TestWhoIsCut(t *testing.T) {
	for _, c := range []struct {
		name, words string
		flows       []int // of the packets 0, 1, ...
		drops       []uint64
		left        []uint64
	}{
		{"newest of the longest", "limit 4", []int{1, 1, 1, 2, 3}, []uint64{2}, []uint64{0, 3, 4, 1}},
		{"its oldest", "limit 4 headdrop", []int{1, 1, 1, 2, 3}, []uint64{0}, []uint64{1, 3, 4, 2}},
		{"of equals the one that grew last", "limit 4", []int{1, 1, 2, 2, 3}, []uint64{3}, []uint64{0, 2, 4, 1}},
		{"all of one packet: the next to be served", "", numbers[int](0, 128), []uint64{0}, numbers[uint64](1, 128)},
		{"no more flows than limit", "limit 3", []int{1, 2, 3, 4}, []uint64{3}, []uint64{0, 1, 2}},
		{"past depth", "depth 2", []int{1, 1, 1, 2}, []uint64{2}, []uint64{0, 3, 1}},
		{"past depth, the oldest", "depth 2 headdrop", []int{1, 1, 1, 2}, []uint64{0}, []uint64{1, 3, 2}},
		{"no flow left", "flows 2", []int{1, 2, 3, 1}, []uint64{2}, []uint64{0, 1, 3}},
	} {
		q, d := make1(t, c.words)
		for i, f := range c.flows {
			q.Enqueue(0, inBucket(uint64(i), f, q.divisor, 1514))
		}
		if !slices.Equal(d.ids, c.drops) {
			t.Errorf("%s: dropped %v, want %v", c.name, d.ids, c.drops)
		}
		if left := drain(q); !slices.Equal(left, c.left) {
			t.Errorf("%s: sent %v, want %v", c.name, left, c.left)
		}
	}
}

// TestShares checks fairness in bytes: of two backlogged flows neither is ever
// ahead by more than a quantum and a packet, whatever their packets' sizes.
func TestShares(t *testing.T) {
	for _, words := range []string{"", "quantum 300", "quantum 9000"} {
		q, _ := make1(t, words)
		sizes, sent := [2]int{1514, 100}, [2]int{}
		id := uint64(0)
		for round := range 20000 {
			for f := range sizes {
				for q.table[f] == none || q.slots[q.table[f]].q.len < 40 {
					q.Enqueue(0, inBucket(id, f, q.divisor, sizes[f]))
					id++
				}
			}
			p := q.Dequeue(0)
			sent[p.Flow.ID] += int(p.Len)
			if off := max(sent[0]-sent[1], sent[1]-sent[0]); off > q.quantum+1514 {
				t.Fatalf("%q: after %d packets %v bytes", words, round, sent)
			}
		}
	}
}

// TestPerturb checks that two flows which share a bucket are told apart sooner or
// later, that each keeps its order over every change, and that the changes depend
// on the time alone.
func TestPerturb(t *testing.T) {
	apart := 0
	for period := range 50 {
		q, d := make1(t, "perturb 10 divisor 16")
		for id := range uint64(40) {
			p := inBucket(id, 3, 16, 1000)
			if id%2 == 1 {
				p.Flow.ID, p.Flow.Hash = 99, p.Flow.Hash+12345
			}
			q.Enqueue(0, p)
		}
		if q.byDepth[40] == none {
			t.Fatal("the flows are apart from the start")
		}
		now := pkt.Time(period+1) * 10 * pkt.Time(time.Second)
		last := map[uint32]uint64{}
		var order []uint64
		for {
			p := q.Dequeue(now)
			if p == nil {
				break
			}
			if before, ok := last[p.Flow.ID]; ok && p.ID < before {
				t.Fatalf("period %d: %d after %d", period, p.ID, before)
			}
			last[p.Flow.ID] = p.ID
			order = append(order, p.ID)
		}
		if len(order) != 40 || len(d.ids) != 0 {
			t.Fatalf("%d sent, %d dropped of 40", len(order), len(d.ids))
		}
		if !slices.IsSorted(order) {
			apart++
		}
	}
	if apart < 40 {
		t.Errorf("apart in %d of 50 periods", apart)
	}
}

// TestRehashDrops: a flow that two become is cut to depth, and counted.
func TestRehashDrops(t *testing.T) {
	q, d := make1(t, "perturb 1 divisor 2 depth 20 flows 2")
	for id := range uint64(40) {
		p := inBucket(id, int(id%2), 2, 1000)
		p.Flow.Hash += uint32(id%2) * 98765
		q.Enqueue(0, p)
	}
	for s := pkt.Time(1); s < 30 && len(d.ids) == 0; s++ {
		q.rehashIfDue(s * 1e9)
	}
	if n, bytes := q.Backlog(); len(d.ids) != 20 || n != 20 || bytes != 20000 {
		t.Errorf("%d dropped, %d packets and %d bytes left; want 20, 20, 20000", len(d.ids), n, bytes)
	}
}

// TestRED has what RED per flow does above max by flags and codepoint.
func TestRED(t *testing.T) {
	for _, c := range []struct {
		flags string
		ecn   pkt.ECN
		want  string
	}{
		{"", pkt.ECT0, "forced_drop newest"},
		{"headdrop", pkt.ECT0, "forced_drop oldest"},
		{"ecn", pkt.ECT0, "forced_mark newest"},
		{"ecn", pkt.NotECT, "forced_drop newest"},
		{"ecn headdrop", pkt.ECT0, "forced_mark_head oldest"},
		{"ecn harddrop", pkt.ECT0, "forced_drop newest"},
		{"ecn harddrop headdrop", pkt.ECT0, "forced_drop oldest"},
	} {
		q, d := make1(t, "redflowlimit 100000 min 1000 max 3000 avpkt 100 burst 50 "+c.flags)
		var packets []*pkt.Packet
		enqueue := func() {
			p := inBucket(uint64(len(packets)), 1, q.divisor, 1000)
			p.DSField = uint8(c.ecn)
			packets = append(packets, p)
			q.Enqueue(0, p)
		}
		enqueue()
		for len(packets) < 20 { // an average held below min while the queue grows
			q.slots[q.table[1]].vars.Sample(&q.redPar, 0)
			q.red.ECN, q.redSet = false, false
			enqueue()
		}
		q.redSet, q.red.ECN = true, strings.Contains(c.flags, "ecn")
		for range 5000 { // now far above max
			q.slots[q.table[1]].vars.Sample(&q.redPar, 20000)
		}
		enqueue()
		hit := map[uint64]string{uint64(len(packets) - 1): "newest", 0: "oldest"}
		got := "nothing"
		for id, which := range hit {
			if packets[id].Mark == pkt.AQM || slices.Contains(d.ids, id) {
				got = which
			}
		}
		for _, f := range q.Stats() {
			if f.Num > 0 && strings.HasPrefix(f.Key, "forced") {
				got = f.Key + " " + got
			}
		}
		if got != c.want {
			t.Errorf("%q %s: %s, want %s", c.flags, c.ecn, got, c.want)
		}
	}
}

// TestFreshAverage: a flow that comes back has no average from before, nor has the
// next one in its slot.
func TestFreshAverage(t *testing.T) {
	q, _ := make1(t, "flows 1 redflowlimit 100000 min 1000 max 3000 avpkt 100 burst 50")
	for _, bucket := range []int{1, 1, 2} {
		q.Enqueue(0, inBucket(0, bucket, q.divisor, 1000))
		v := &q.slots[q.table[bucket]].vars
		if avg := v.Average(&q.redPar); avg != 0 {
			t.Errorf("bucket %d begins with an average of %d", bucket, avg)
		}
		for range 1000 {
			v.Sample(&q.redPar, 2000)
		}
		drain(q)
	}
}

// TestLimits has what Linux makes of limits that do not fit each other.
func TestLimits(t *testing.T) {
	for _, c := range []struct{ words, want string }{
		{"", "limit 127 depth 127 flows 128 divisor 1024 quantum 1514"},
		{"limit 3000", "limit 3000 depth 127 flows 128 divisor 1024 quantum 1514"},
		{"limit 100000", "limit 16256 depth 127 flows 128 divisor 1024 quantum 1514"},
		{"limit 100", "limit 100 depth 127 flows 100 divisor 1024 quantum 1514"},
		{"limit 127", "limit 127 depth 127 flows 128 divisor 1024 quantum 1514"},
		{"divisor 64", "limit 127 depth 127 flows 64 divisor 64 quantum 1514"},
		{"flows 10 depth 5 limit 1000", "limit 50 depth 5 flows 10 divisor 1024 quantum 1514"},
	} {
		q, _ := make1(t, c.words)
		if got := fmt.Sprintf("limit %d depth %d flows %d divisor %d quantum %d", q.limit, q.depth, q.flows, q.divisor, q.quantum); got != c.want {
			t.Errorf("%q: %s, want %s", c.words, got, c.want)
		}
	}
}

func TestLine(t *testing.T) {
	for in, want := range map[string]string{
		"": "sfq limit 127p quantum 1514b depth 127 flows 128 divisor 1024",
		"quantum 0 depth 0 flows 0 divisor 0 perturb 0": "sfq limit 127p quantum 1514b depth 127 flows 128 divisor 1024",
		"perturb 10 headdrop":                           "sfq limit 127p quantum 1514b depth 127 headdrop flows 128 divisor 1024 perturb 10sec",
		// tc-sfq(8)'s example
		"limit 3000 flows 512 divisor 16384 redflowlimit 100000 min 8000 max 60000 probability 0.20 ecn headdrop": "sfq limit 3000p quantum 1514b depth 127 headdrop flows 512 divisor 16384 " +
			"redflowlimit 100000 min 8000b max 60000b avpkt 1000b burst 25 probability 0.2 ecn",
	} {
		q, _ := make1(t, in)
		got := sched.Line(q)
		if got != want {
			t.Errorf("%q prints as\n%s, want\n%s", in, got, want)
		}
		q, _ = make1(t, strings.TrimPrefix(got, "sfq"))
		if again := sched.Line(q); again != want {
			t.Errorf("%s reads back as %s", want, again)
		}
	}
}

func TestRefusals(t *testing.T) {
	for words, want := range map[string]string{
		"limit 1":                               "want 2 to",
		"limit 10 depth 1 flows 1":              "raise either",
		"divisor 1000":                          "write 1024",
		"min 1000":                              "(redflowlimit) is missing",
		"ecn":                                   "(redflowlimit) is missing",
		"redflowlimit 1000 max 2000":            "larger than",
		"redflowlimit 10000 min 500 max 500":    "not smaller than",
		"perturb 10ms":                          "whole seconds",
		"redflowlimit 100000 avpkt 100 burst 1": "try burst",
	} {
		if _, err := New(strings.Fields(words), sched.Env{MTU: 1514}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("sfq %s: %v, want %q", words, err, want)
		}
	}
}
