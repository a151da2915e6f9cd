package egress_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched/builtin"
)

// towards is a flow between two addresses.
func towards(id int, src, dst string) *pkt.Flow {
	k := pkt.FlowKey{Proto: pkt.ProtoUDP, SrcPort: uint16(id)}
	k.SetAddrs(netip.MustParseAddr(src), netip.MustParseAddr(dst))
	return pkt.NewFlow(k, uint32(id), 1)
}

// account follows each packet from its first event to its last.
type account struct {
	t     interface{ Fatalf(string, ...any) }
	state map[uint64]egress.Kind
	n     map[string]int
	last  pkt.Time
}

// Event implements egress.Sink.
func (a *account) Event(e egress.Event) {
	if e.Time < a.last {
		a.t.Fatalf("%s at %v, after %v", e.Kind, e.Time, a.last)
	}
	a.last = e.Time
	id, what := e.Packet.ID, e.Kind.String()
	was, known := a.state[id]
	in := e.Kind == egress.Enqueue || e.Kind == egress.Uplink
	switch {
	case in == known:
		a.t.Fatalf("packet %d: %s, after %v", id, what, was)
	case e.Packet.Up != (e.Kind == egress.Uplink || was == egress.Uplink):
		a.t.Fatalf("packet %d: %s, up %v", id, what, e.Packet.Up)
	case was == egress.Uplink && e.Kind == egress.Drop && e.Reason != pkt.LinkLoss:
		a.t.Fatalf("packet %d of a station was dropped for %s", id, e.Reason)
	case was == egress.Uplink && e.Kind == egress.Dequeue:
		a.t.Fatalf("packet %d of a station passed the scheduler", id)
	}
	switch e.Kind {
	case egress.Deliver, egress.Drop:
		delete(a.state, id)
		if was == egress.Uplink {
			what += " up"
		}
	case egress.Enqueue, egress.Uplink:
		a.state[id] = e.Kind
	}
	a.n[what]++
}

// TestUplink checks what a port tells of packets that come from a station: they
// arrive, contend, and reach the far end or do not; those for another station,
// and for all, are the scheduler's.
func TestUplink(t *testing.T) {
	var got strings.Builder
	sink := sinkOf(func(e egress.Event) {
		fmt.Fprintf(&got, "%d %s", e.Packet.ID, e.Kind)
		if e.Reason != pkt.NoReason {
			got.WriteString(" " + e.Reason.String())
		}
		got.WriteString("; ")
	})
	pool := &pkt.Pool{}
	port, err := egress.Maker{Qdiscs: builtin.Kinds()}.Port(egress.Config{Qdisc: "mac80211 airtime aql", Seed: 1,
		Link: "wifi ht20 uplink_queue 2 sta 10.0.0.2 mcs7 sta 10.0.0.3 mcs7"}, sink, pool)
	if err != nil {
		t.Fatal(err)
	}
	flows := []*pkt.Flow{towards(0, "10.0.0.2", "192.0.2.1"), towards(1, "192.0.2.1", "10.0.0.2"), towards(2, "10.0.0.2", "10.0.0.3"), towards(3, "10.0.0.2", "224.0.0.251")}
	// The last does not fit the two that station may hold.
	for i, f := range []int{0, 1, 2, 3, 0, 0, 0} {
		p := pool.Get()
		p.ID, p.Arrival, p.Flow, p.L3Len, p.Len, p.Segs, p.HdrLen = uint64(i), 1e6, flows[f], 1500, 1514, 1, 28
		port.Enqueue(1e6, p)
	}
	port.Drain()
	const want = "0 uplink; 1 enqueue; 2 enqueue; 3 enqueue; 4 uplink; 5 uplink; 6 uplink; 6 drop link_loss; 0 deliver; 2 dequeue; 1 dequeue; 2 deliver; 3 dequeue; 1 deliver; 4 deliver; 5 deliver; 3 deliver; "
	if got.String() != want || pool.Out() != 0 {
		t.Errorf("%d packets out after\n%s, want\n%s", pool.Out(), got.String(), want)
	}
}

// TestUplinkBalance checks under random cells, schedulers and arrivals that every
// packet that arrives, up or down, is delivered or dropped once, in order of time,
// and that the same calls give the same digest.
func TestUplinkBalance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		qdisc := rapid.SampledFrom([]string{"pfifo limit 20", "fq_codel limit 60", "mac80211", "mac80211 airtime", "mac80211 airtime aql limit 40"}).Draw(t, "qdisc")
		cell := "wifi ht20 2.4ghz " + rapid.SampledFrom([]string{"", "rtscts 500 ", "amsdu 3839 ", "beacon 20ms dtim 2 ", "edca be txop 3ms ", "driver_queue 2 hw_queue 1 "}).Draw(t, "cell") +
			"uplink_queue " + rapid.SampledFrom([]string{"3", "100"}).Draw(t, "queue")
		for i := range 3 {
			cell += fmt.Sprintf(" sta 10.0.0.%d mcs%d error %d%%", i+2, rapid.IntRange(0, 15).Draw(t, "mcs"), rapid.SampledFrom([]int{0, 5, 60}).Draw(t, "error"))
		}
		if behind := rapid.SampledFrom([]string{"", " delay 3ms 2ms", " loss 10% duplicate 0%"}).Draw(t, "behind"); behind != "" {
			cell += behind
		}
		n := rapid.IntRange(1, 300).Draw(t, "packets")
		gaps := rapid.SliceOfN(rapid.IntRange(0, 3000), n, n).Draw(t, "gaps") // µs
		kinds := rapid.SliceOfN(rapid.IntRange(0, 7), n, n).Draw(t, "kinds")
		var digests []string
		for range 2 {
			a, d, pool := &account{t: t, state: map[uint64]egress.Kind{}, n: map[string]int{}}, egress.NewDigest(), &pkt.Pool{}
			port, err := egress.Maker{Qdiscs: builtin.Kinds()}.Port(egress.Config{Qdisc: qdisc, Link: cell, Seed: 3}, egress.Tee(a, d), pool)
			if err != nil {
				t.Fatal(err)
			}
			at := pkt.Time(0)
			for i, gap := range gaps {
				at = at.Add(time.Duration(gap) * time.Microsecond)
				p := pool.Get()
				p.ID, p.Arrival, p.Flow, p.L3Len, p.Segs, p.HdrLen = uint64(i), at, mixed[kinds[i]], uint32(60+13*(i%100)), uint16(1+i%3), 40
				p.Len = p.L3Len + 14
				port.Enqueue(at, p)
			}
			port.Drain()
			queued, _ := port.Scheduler().Backlog()
			in, out := a.n["enqueue"]+a.n["uplink"], a.n["deliver"]+a.n["drop"]+a.n["deliver up"]+a.n["drop up"]
			if in != n || out != n || queued != 0 || pool.Out() != 0 || len(a.state) != 0 {
				t.Fatalf("%s over %s: %d arrived, %v, %d queued, %d out of the pool", qdisc, cell, n, a.n, queued, pool.Out())
			}
			digests = append(digests, d.String())
		}
		if digests[0] != digests[1] {
			t.Fatalf("digests %q", digests)
		}
	})
}

// mixed are flows to each station, from each, between them and to all.
var mixed = []*pkt.Flow{
	towards(0, "192.0.2.1", "10.0.0.2"), towards(1, "192.0.2.1", "10.0.0.3"), towards(2, "192.0.2.1", "10.0.0.4"),
	towards(3, "10.0.0.2", "192.0.2.1"), towards(4, "10.0.0.3", "192.0.2.1"), towards(5, "10.0.0.4", "192.0.2.1"),
	towards(6, "10.0.0.2", "10.0.0.4"), towards(7, "192.0.2.1", "255.255.255.255"),
}

type sinkOf func(egress.Event)

// Event implements egress.Sink.
func (f sinkOf) Event(e egress.Event) { f(e) }
