package cake

import (
	"strings"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/pkt"
)

// TestSets walks one flow through what it may count as, beside another that is
// always bulk. Each line says what is done and what the flow is then.
func TestSets(t *testing.T) {
	r := newRig(t, "besteffort dual-srchost")
	f, other := flowFrom(1, 1, 1), flowFrom(1, 1, 2)
	tin := r.q.tins[0]
	var q *flow
	enq := func() {
		r.enq(f, 1500)
		q = lastServed(r, tin)
	}
	deq := func() {
		r.now = r.now.Add(200 * time.Microsecond)
		r.pool.Put(r.q.Dequeue(r.now))
		r.enq(other, 486, ecn(pkt.ECT0)) // as many as leave
	}
	for range 8 {
		r.enq(other, 486, ecn(pkt.ECT0))
	}
	for range 5 {
		deq() // at the fifth other has used up a quantum and is bulk
	}
	hosts := func() uint16 { return tin.src.bulk[q.src] }
	for i, step := range []struct {
		do    func()
		what  string
		set   set
		hosts uint16
	}{
		{enq, "a first packet", sparse, 1},
		{deq, "sent, the quantum is used up but for nothing", sparse, 1},
		{deq, "found empty with its quantum used up", waiting, 1},
		{enq, "a packet while it waits in the rotation: bulk, and its host has two", bulk, 2},
		{deq, "", bulk, 2},
		{deq, "", bulk, 2},
	} {
		step.do()
		r.check()
		if q.set != step.set || hosts() != step.hosts {
			t.Errorf("step %d, %s: set %d, %d bulk flows of the host, want %d and %d\n%s", i, step.what, q.set, hosts(), step.set, step.hosts, r.q.DebugFlows())
		}
	}
	for range 20 { // found empty: it decays for an interval of 100 ms
		deq()
	}
	if q.set != decaying || hosts() != 1 {
		t.Errorf("empty for 4 ms: set %d, %d bulk flows of the host", q.set, hosts())
	}
	for range 600 {
		deq()
	}
	if q.set != idle {
		t.Errorf("empty for 120 ms: set %d", q.set)
	}
}

// TestDecayingKeepsCount checks that a flow that was signalled and runs empty
// keeps its count while it decays by one at a time, and goes on from there.
func TestDecayingKeepsCount(t *testing.T) {
	r := newRig(t, "besteffort flows")
	f := flowFrom(1, 1, 1)
	for range 400 {
		r.enq(f, 1000)
	}
	q := lastServed(r, r.q.tins[0])
	for range 60 {
		r.now = r.now.Add(5 * ms)
		r.deq()
	}
	count := q.vars.Count
	for r.deq() != nil {
	}
	for range 3 { // once another has had its turn the flow is found empty
		r.enq(flowFrom(2, 2, 2), 1500)
		r.deq()
	}
	if q.set != decaying || q.vars.Count < count || count < 5 {
		t.Errorf("set %d, count %d after %d", q.set, q.vars.Count, count)
	}
	count = q.vars.Count
	for range 200 {
		r.now = r.now.Add(20 * ms)
		r.enq(flowFrom(2, 2, 2), 100)
		r.deq()
	}
	if q.set != idle || q.vars.Count != 0 {
		t.Errorf("four seconds later: set %d, count %d, before %d", q.set, q.vars.Count, count)
	}
}

// TestLastPacket checks that the last packet of a queue is delivered whatever
// its control law says.
func TestLastPacket(t *testing.T) {
	r := newRig(t, "besteffort flows")
	f := flowFrom(1, 1, 1)
	r.enq(f, 1000)
	q := lastServed(r, r.q.tins[0])
	q.vars.PDrop = 1<<32 - 1
	r.enq(f, 1000)
	if p := r.deq(); p == nil || p.ID != 1 || len(r.dropped) != 1 {
		t.Errorf("left: %v, %d dropped; want the second packet after the first was dropped", p, len(r.dropped))
	}
}

// TestDecayingPolledOnce checks that each call looks at one decaying flow before
// the others, so that they come to rest while traffic goes on.
func TestDecayingPolledOnce(t *testing.T) {
	r := newRig(t, "besteffort flows")
	for i := range 10 {
		r.enq(flowFrom(1, 1, i), 100)
	}
	for range 10 {
		r.deq()
	}
	bulk := flowFrom(2, 2, 2)
	for range 100 {
		r.enq(bulk, 100, ecn(pkt.ECT0))
	}
	r.deq() // finds the ten empty
	if n := strings.Count(r.q.DebugFlows(), "decaying"); n != 10 {
		t.Fatalf("%d flows decay, want 10", n)
	}
	r.now = r.now.Add(time.Second)
	for left := 9; left >= 0; left-- {
		r.deq()
		if n := strings.Count(r.q.DebugFlows(), "decaying"); n != left {
			t.Errorf("%d flows decay, want %d", n, left)
		}
	}
}

// TestDropEndsTurn checks that in ingress mode a dropped packet counts as the
// flow's turn; else the next one of the flow takes its place, here the last,
// since BLUE drops all others.
func TestDropEndsTurn(t *testing.T) {
	for words, want := range map[string]uint64{"egress": 2, "ingress": 3} {
		r := newRig(t, "besteffort flows "+words)
		first, second := flowFrom(1, 1, 1), flowFrom(1, 1, 2)
		for range 3 {
			r.enq(first, 1500)
		}
		lastServed(r, r.q.tins[0]).vars.PDrop = 1<<32 - 1
		r.enq(second, 1500)
		r.q.tins[0].par.Target = time.Hour // only BLUE drops
		before := len(r.dropped)
		p := r.deq()
		if p.ID != want || len(r.dropped) == before {
			t.Errorf("%s: packet %d left after %d drops, want packet %d", words, p.ID, len(r.dropped), want)
		}
	}
}

// TestIngressManyFlows checks that in ingress mode a flow is not signalled for
// the delay that two packets of each bulk flow make, which no control law could
// take away; else it is.
func TestIngressManyFlows(t *testing.T) {
	for words, signalled := range map[string]bool{"egress": true, "ingress": false} {
		r := newRig(t, "besteffort flows bandwidth 10mbit "+words)
		var flows []*pkt.Flow
		for i := range 20 {
			flows = append(flows, flowFrom(1, 1, i))
			r.enq(flows[i], 1500, ecn(pkt.ECT0))
		}
		for range 2000 { // each has a packet or two: 24 to 48 ms
			p := r.deq()
			r.enq(p.Flow, 1500, ecn(pkt.ECT0))
			if len(flows) > 0 {
				r.enq(flows[0], 1500, ecn(pkt.ECT0))
				flows = flows[1:]
			}
			r.pool.Put(p)
		}
		if marks := r.q.tins[0].count.marks; marks > 0 != signalled {
			t.Errorf("%s: %d marks", words, marks)
		}
	}
}
