package replay

import (
	"testing"
	"time"

	"github.com/uqtool/uq/record"
	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/record/nfq/nfqtest"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// TestFlowsPastTable: ever new flows fill the table and then cost nothing more,
// and each still has its own hash.
func TestFlowsPastTable(t *testing.T) {
	conf := traces.Scheduler{Qdisc: "fq_codel", Link: "unlimited", Seed: 5}
	l, err := NewLive(nfqtest.New(), LiveOptions{Clock: record.StartClock(), Ports: ports, Scheduler: conf})
	if err != nil {
		t.Fatal(err)
	}
	var k pkt.FlowKey
	next := func() *pkt.Flow {
		k.Proto = pkt.ProtoUDP
		if k.SrcPort++; k.SrcPort == 0 {
			k.DstPort++
		}
		_, e := l.held.push()
		defer l.held.pop()
		return l.flow(&k, e)
	}
	for i := range uint32(traces.MaxFlows) {
		if f := next(); f.ID != i {
			t.Fatalf("flow %d has number %d", i, f.ID)
		}
	}
	if n := testing.AllocsPerRun(1000, func() { next() }); n != 0 {
		t.Errorf("%v allocations for a flow past the table", n)
	}
	if f := next(); *f != *pkt.NewFlow(k, pkt.OtherFlows, conf.Seed) {
		t.Errorf("%+v", f)
	}
}

// TestParityManyFlows: a flow past the table is decided about as in a
// simulation, while the ring of held packets grows under it.
func TestParityManyFlows(t *testing.T) {
	const n = traces.MaxFlows + 5000
	conf := traces.Scheduler{Qdisc: "fq_codel limit 2000 target 100us interval 1ms", Link: "rate 100mbit", Seed: 3}
	s := play(t, conf, LiveOptions{}, func(s *session) {
		g := newTraffic(t, 12)
		p := g.packet()
		for p.Payload[0]>>4 != 4 { // a UDP packet over IPv4
			p = g.packet()
		}
		for i := range n {
			q := nfq.Packet{Len: p.Len, Hook: p.Hook, Payload: append([]byte(nil), p.Payload...)}
			q.Payload[20], q.Payload[21], q.Payload[23] = byte(i>>8), byte(i), byte(i>>16)
			s.q.Push(q)
			if i%100 == 99 {
				time.Sleep(2 * time.Millisecond)
			}
		}
		time.Sleep(20 * time.Second)
	})
	v, err := verify(t, s.trace.Bytes())
	if s.err != nil || err != nil || v.Divergence != nil || v.Decisions != n || s.result.Run.Dropped == 0 {
		t.Fatalf("%v, %v, %v: %d decisions, %d drops", s.err, err, v.Divergence, v.Decisions, s.result.Run.Dropped)
	}
	if d := simulated(t, s.trace.Bytes(), conf); d != s.result.Run.Digest {
		t.Errorf("digests: live %s, simulated %s", s.result.Run.Digest, d)
	}
}
