package egress

import (
	"fmt"
	"slices"
	"testing"

	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/sched/fifo"
)

// TestWatch checks that each opportunity is told of, the unused ones too: two
// packets of 1000 bytes at 8 Mbit/s take a millisecond each.
func TestWatch(t *testing.T) {
	pool := &pkt.Pool{}
	port, err := New(func(d sched.DropFunc) (sched.Scheduler, error) {
		return fifo.NewPackets(nil, sched.Env{Drop: d})
	}, &link.Rate{BitsPerSec: 8e6}, Tee(), pool)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	port.Watch(func(from, until pkt.Time, busy bool) { got = append(got, fmt.Sprint(from, until, busy)) })
	f := pkt.NewFlow(pkt.FlowKey{}, 0, 1)
	for _, at := range []pkt.Time{5e6, 5e6} {
		p := pool.Get()
		p.Flow, p.Len, p.Arrival = f, 1000, at
		port.Enqueue(at, p)
	}
	port.Drain()
	want := []string{
		"0.005000000 0.006000000 true",
		"0.006000000 0.007000000 true",
		"0.007000000 0.007000000 false",
	}
	if !slices.Equal(got, want) {
		t.Errorf("opportunities %q, want %q", got, want)
	}
}

// TestWatchOutcomes checks that outcomes are told of with the opportunity that they
// come from, and change nothing.
func TestWatchOutcomes(t *testing.T) {
	port, events, pool := newPort(t, &queue{}, &link.Rate{BitsPerSec: 8e6, Delay: 5e6})
	var got []string
	port.WatchOutcomes(func(since pkt.Time, q *pkt.Packet) { got = append(got, fmt.Sprint(int64(since), " ", q.ID)) })
	for id := range uint64(2) {
		p := pool.Get()
		p.ID, p.Len, p.Flow = id, 1000, &pkt.Flow{}
		port.Enqueue(0, p)
	}
	port.Drain()
	if want := "[0 0 1000000 1]"; fmt.Sprint(got) != want {
		t.Errorf("outcomes %v, want %s", got, want)
	}
	if n := len(*events); n != 6 || (*events)[n-1] != "7000000 deliver 1" {
		t.Errorf("events %v", *events)
	}
}
