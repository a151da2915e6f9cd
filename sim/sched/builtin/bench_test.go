package builtin

import (
	"testing"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/sched/schedtest"
)

// loop passes packets of 40 flows through a scheduler that holds about sixty.
type loop struct {
	sched sched.Scheduler
	pool  pkt.Pool
	flows [40]*pkt.Flow
	now   pkt.Time
	n     int
}

func newLoop(t testing.TB, spec string) *loop {
	t.Helper()
	l := &loop{}
	for i := range l.flows {
		l.flows[i] = schedtest.TestFlow(i, 1)
	}
	s, err := New(spec, sched.Env{Seed: 1, Drop: func(_ pkt.Time, p *pkt.Packet, _ pkt.Reason) { l.pool.Put(p) }})
	if err != nil {
		t.Fatal(err)
	}
	l.sched = s
	return l
}

// pass is one packet in and, from the sixtieth on, one out, 30 µs after the last.
func (l *loop) pass() {
	p := l.pool.Get()
	p.ID, p.Arrival, p.Flow, p.DSField = uint64(l.n), l.now, l.flows[l.n%len(l.flows)], uint8(l.n%3*8|l.n%2)
	p.Len, p.L3Len, p.Segs = 1514, 1500, 1
	l.sched.Enqueue(l.now, p)
	if l.n++; l.n > 60 {
		if q := l.sched.Dequeue(l.now); q != nil {
			l.pool.Put(q)
		}
	}
	l.now += 30000
}

// busy has lines that keep their schedulers at work in such a loop, one or more
// for every kind.
func busy() []string {
	return []string{
		"pfifo", "bfifo", "pfifo_fast", "prio", "prio [fq_codel] [fq_codel] [fq_codel]", "red limit 1m avpkt 1000 adaptive", "sfq", "sfq perturb 1",
		"drr", "drr classes 64 [codel]", "tbf rate 10gbit burst 100k latency 50ms", "tbf rate 10gbit burst 100k latency 50ms [fq_codel]",
		"codel target 1ms ecn", "cobalt", "fq_codel", "pie target 1ms", "fq_pie target 1ms", "dualpi2", "cake", "cake bandwidth 300mbit diffserv8",
		"mac80211",
	}
}

// BenchmarkCalls is what a scheduler alone costs for one packet, in and out.
func BenchmarkCalls(b *testing.B) {
	for _, spec := range busy() {
		b.Run(spec, func(b *testing.B) {
			l := newLoop(b, spec)
			b.ReportAllocs()
			for range b.N {
				l.pass()
			}
			b.ReportMetric(float64(b.N)/1e6/b.Elapsed().Seconds(), "Mpkt/s")
		})
	}
}

// TestAllocations checks that a packet costs none, once the tables stand, in any
// scheduler.
func TestAllocations(t *testing.T) {
	covers(t, busy())
	for _, spec := range busy() {
		l := newLoop(t, spec)
		for range 5000 {
			l.pass()
		}
		if n := testing.AllocsPerRun(5000, l.pass); n != 0 {
			t.Errorf("%s: %v allocations a packet", spec, n)
		}
	}
}
