package sim_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/uqtool/uq/sim"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched/schedtest"
	"github.com/uqtool/uq/traces"
	"github.com/uqtool/uq/traces/synth"
)

// memory is a Source that makes packets up: 40 flows offering 60 Mbit/s in
// bursts, as fast as a Source can be.
type memory struct {
	n, limit int
	flows    []*pkt.Flow
	at       pkt.Time
}

func newMemory(n int) *memory {
	m := &memory{limit: n}
	for i := range 40 {
		m.flows = append(m.flows, schedtest.TestFlow(i, 1))
	}
	return m
}

func (m *memory) Next(p *pkt.Packet) (bool, error) {
	if m.n == m.limit {
		return false, nil
	}
	m.at += pkt.Time(20000 + uint64(m.n)*2654435761%360000)
	p.ID, p.Arrival, p.Flow = uint64(m.n), m.at, m.flows[uint64(m.n)*40503%1024%40]
	p.Len, p.Segs, p.DSField = 1514, 1, 0
	m.n++
	return true, nil
}

// benchQdiscs are all schedulers, each with the words it cannot do without.
var benchQdiscs = []string{
	"pfifo", "bfifo", "pfifo_fast", "prio", "red limit 400000 min 30000 max 90000 avpkt 1000 burst 55", "sfq", "drr",
	"tbf rate 50mbit burst 70kb latency 50ms", "codel", "fq_codel", "pie", "fq_pie", "cobalt",
	"cake", "cake bandwidth 50mbit docsis diffserv4 ack-filter", "dualpi2", "mac80211",
}

// BenchmarkRun is the simulator without a trace: what the port, the scheduler
// and the report cost for one packet, arrival to delivery, at 50 Mbit/s.
func BenchmarkRun(b *testing.B) {
	for _, qdisc := range benchQdiscs {
		b.Run(qdisc, func(b *testing.B) {
			r := newRig(b, qdisc, "rate 50mbit", nil)
			b.ReportAllocs()
			b.ResetTimer()
			if _, err := sim.Run(newMemory(b.N), r.port, r.pool); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(b.N)/1e6/b.Elapsed().Seconds(), "Mpkt/s")
		})
	}
}

// BenchmarkTrace is what uq sim does: four million packets of mixed traffic read
// from a compressed trace on disk, through a qdisc at 50 Mbit/s, into a report.
func BenchmarkTrace(b *testing.B) {
	const packets = 4000000
	path := writeTrace(b, packets)
	for _, qdisc := range benchQdiscs {
		b.Run(qdisc, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				simulateFile(b, path, qdisc, packets)
			}
			b.ReportMetric(float64(b.N)*packets/1e6/b.Elapsed().Seconds(), "Mpkt/s")
		})
	}
}

// BenchmarkTraceOneCore is BenchmarkTrace where decoding and simulating share one
// processor: what a packet costs in all.
func BenchmarkTraceOneCore(b *testing.B) {
	const packets = 4000000
	path := writeTrace(b, packets)
	for _, qdisc := range []string{"pfifo", "fq_codel", "cake"} {
		b.Run(qdisc, func(b *testing.B) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // here: b.Run sets it
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				simulateFile(b, path, qdisc, packets)
			}
			b.ReportMetric(float64(b.N)*packets/1e6/b.Elapsed().Seconds(), "Mpkt/s")
		})
	}
}

func simulateFile(b *testing.B, path, qdisc string, packets uint64) {
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	tr, err := traces.NewReader(f)
	if err != nil {
		b.Fatal(err)
	}
	src, err := traces.NewSource(tr, traces.SourceOptions{Seed: 1, NoTransport: !strings.Contains(qdisc, "ack-filter")})
	if err != nil {
		b.Fatal(err)
	}
	ahead := traces.NewPrefetch(src)
	defer ahead.Close()
	r := newRig(b, qdisc, "rate 50mbit", nil)
	if n, err := sim.Run(ahead, r.port, r.pool); n != packets || err != nil {
		b.Fatalf("%d packets, %v", n, err)
	}
}

func writeTrace(b *testing.B, packets int) string {
	path := filepath.Join(b.TempDir(), "mix.zst")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	g, err := synth.New(synth.Mix, 1)
	if err != nil {
		b.Fatal(err)
	}
	w, err := traces.NewWriter(f, traces.Header{LinkHeader: 14}, traces.WriterOptions{})
	if err != nil {
		b.Fatal(err)
	}
	var r traces.Record
	for range packets {
		g.Next(&r)
		if err := w.Append(&r); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(traces.End{Clean: true}); err != nil {
		b.Fatal(err)
	}
	return path
}

// TestSteadyStateAllocates checks that the loop allocates nothing per packet: a
// run four times as long makes as many allocations, give or take a growing
// table.
func TestSteadyStateAllocates(t *testing.T) {
	for _, qdisc := range []string{"pfifo limit 100", "codel limit 100", "fq_codel limit 100", "pie limit 100", "fq_pie limit 100", "cake bandwidth 40mbit memlimit 200k", "dualpi2 limit 100", "sfq", "tbf rate 40mbit burst 10kb limit 100k"} {
		short, long := allocations(t, qdisc, 50000), allocations(t, qdisc, 200000)
		if long > short+20 {
			t.Errorf("%s: %d allocations for 50000 packets, %d for 200000", qdisc, short, long)
		}
	}
}

func allocations(t *testing.T, qdisc string, packets int) uint64 {
	r, src := newRig(t, qdisc, "rate 50mbit", nil), newMemory(packets)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := sim.Run(src, r.port, r.pool); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	return after.Mallocs - before.Mallocs
}
