package cake

import (
	"testing"
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/sched/schedtest"
)

// BenchmarkQdisc is the qdisc alone: 40 flows offering 60 Mbit/s in bursts to a
// link, or a shaper, of 50 Mbit/s.
func BenchmarkQdisc(b *testing.B) {
	for _, spec := range [][]string{
		{"besteffort", "flows"},
		{},
		{"bandwidth", "50mbit", "pppoe-ptm"},
		{"bandwidth", "50mbit", "diffserv8", "ack-filter", "ethernet", "ingress"},
	} {
		name := "default"
		if len(spec) > 0 {
			name = spec[len(spec)-1]
		}
		b.Run(name, func(b *testing.B) { benchmark(b, spec) })
	}
}

func benchmark(b *testing.B, words []string) {
	var pool pkt.Pool
	s, err := newQdisc(words, sched.Env{Seed: 1, MTU: 1514, Drop: func(_ pkt.Time, p *pkt.Packet, _ pkt.Reason) { pool.Put(p) }})
	if err != nil {
		b.Fatal(err)
	}
	var flows []*pkt.Flow
	for i := range 40 {
		flows = append(flows, schedtest.TestFlow(i, 1))
	}
	now, free := pkt.Time(0), pkt.Time(0)
	b.ReportAllocs()
	b.ResetTimer()
	for n := range uint64(b.N) {
		now += pkt.Time(20000 + n*2654435761%360000)
		for free <= now {
			p := s.Dequeue(free)
			if p == nil {
				free = min(s.NextWake(), now+1)
				continue
			}
			free = free.Add(time.Duration(p.Len) * 160)
			pool.Put(p)
		}
		p := pool.Get()
		p.ID, p.Arrival, p.Flow, p.Len, p.L3Len, p.Segs = n, now, flows[n*40503%1024%40], 1514, 1500, 1
		s.Enqueue(now, p)
	}
	b.ReportMetric(float64(b.N)/1e6/b.Elapsed().Seconds(), "Mpkt/s")
}
