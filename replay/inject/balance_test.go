package inject

import (
	"slices"
	"testing"
	"time"

	"github.com/uqtool/uq/traces"
)

// TestBalance closes the account with the processes' counters.
func TestBalance(t *testing.T) {
	ta := newTally()
	for range 100 {
		ta.add(&Fate{At: 1, Arrived: true, Recorded: true, Received: 1, Record: traces.Record{Verdict: traces.Accept}})
	}
	for range 60 {
		ta.add(&Fate{At: 1})
	}
	for range 20 {
		ta.add(&Fate{At: 1, Arrived: true, Recorded: true, Record: traces.Record{Verdict: traces.Accept}})
	}
	a := accounts{queued: 145, maxLen: 1000}
	a.source.Link.TxPackets, a.router.In.RxPackets = 170, 170
	a.router.Live.Packets, a.router.Live.Losses.Missing, a.router.Discarded = 120, 15, 25
	a.router.Out.TxPackets, a.sink.Missed = 108, 10
	b := ta.close(&a, rest{})
	want := Lost{Link: 10, RcvBuf: 15, QueueFull: 10, Router: 25, Released: 12, Missed: 8}
	if b.Sent != 180 || b.Delivered != 100 || b.Lost != want || b.Unexplained != 0 {
		t.Errorf("%+v, want lost %+v", b, want)
	}
	ta = newTally()
	ta.add(&Fate{At: 1})
	a = accounts{}
	a.source.Link.TxPackets, a.router.In.RxPackets = 1, 1
	if b := ta.close(&a, rest{}); b.Unexplained != 1 {
		t.Errorf("nothing explains the loss, yet %+v", b)
	}
}

func TestSpread(t *testing.T) {
	s := newSpread()
	for _, ns := range []int64{-5, 0, 1000, 1001, 50_000, 99_000, int64(2 * time.Hour)} {
		s.add(ns)
	}
	h := s.histogram()
	if want := []Bucket{{1000, 3}, {2000, 1}, {50_000, 1}, {100_000, 1}, {-1, 1}}; !slices.Equal(h.Buckets, want) || h.Count != 7 {
		t.Errorf("%+v, want %v", h, want)
	}
}

func TestDifference(t *testing.T) {
	c := newComparer()
	c.live = []reality{{0, 0, 100, false}, {1, 1, -1, false}, {2, 2, 130, true}, {3, 3, 500, false}}
	s := &outcomes{of: []outcome{{90, false}, {-1, false}, {150, true}, {-1, false}}}
	d := c.differ(s, func(r *reality) uint64 { return r.arrival })
	if d.Compared != 2 || d.Sojourn.Max != 20 || d.Drops != (Pair{2, 1, 1}) || d.Marks != (Pair{1, 1, 1}) || d.Drops.Equal() || !d.Marks.Equal() {
		t.Errorf("%+v", d)
	}
}
