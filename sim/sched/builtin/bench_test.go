package builtin

import (
	"testing"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/sched/schedtest"
)

// BenchmarkCalls is what a scheduler alone costs for one packet, in and out: 40
// flows in turn, about 60 packets queued, 30 µs between packets.
func BenchmarkCalls(b *testing.B) {
	for _, spec := range []string{
		"pfifo", "pfifo_fast", "prio", "prio [fq_codel] [fq_codel] [fq_codel]", "red limit 1m avpkt 1000 adaptive", "sfq", "sfq perturb 1",
		"drr", "drr classes 64 [codel]", "tbf rate 10gbit burst 100k latency 50ms", "tbf rate 10gbit burst 100k latency 50ms [fq_codel]", "fq_codel",
	} {
		b.Run(spec, func(b *testing.B) {
			var pool pkt.Pool
			s, err := New(spec, sched.Env{Seed: 1, Drop: func(_ pkt.Time, p *pkt.Packet, _ pkt.Reason) { pool.Put(p) }})
			if err != nil {
				b.Fatal(err)
			}
			flows := make([]*pkt.Flow, 40)
			for i := range flows {
				flows[i] = schedtest.TestFlow(i, 1)
			}
			now := pkt.Time(0)
			b.ReportAllocs()
			for i := range b.N {
				p := pool.Get()
				p.ID, p.Arrival, p.Flow, p.Len, p.Segs, p.DSField = uint64(i), now, flows[i%len(flows)], 1514, 1, uint8(i%3*8)
				s.Enqueue(now, p)
				if i >= 60 {
					if q := s.Dequeue(now); q != nil {
						pool.Put(q)
					}
				}
				now += 30000
			}
			b.ReportMetric(float64(b.N)/1e6/b.Elapsed().Seconds(), "Mpkt/s")
		})
	}
}
