package sim_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/uqtool/uq/sim"
	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/report"
	"github.com/uqtool/uq/sim/sched/builtin"
)

// threeStations is a cell that memory's 60 Mbit/s fill by more than half.
const threeStations = "wifi ht20 5ghz sta 10.0.0.2 mcs15 sgi sta 10.0.0.3 mcs15 sgi sta 10.0.0.4 mcs13"

// BenchmarkWiFi is the simulator with an access point of three stations, as
// RunAll runs it in uq sim: medium, scheduler and report by station.
func BenchmarkWiFi(b *testing.B) {
	for _, qdisc := range []string{"pfifo", "fq_codel", "mac80211", "mac80211 airtime", "mac80211 airtime aql"} {
		b.Run(qdisc, func(b *testing.B) {
			c, pool := report.NewCollector(), &pkt.Pool{}
			port, err := egress.Maker{Qdiscs: builtin.Kinds()}.Port(egress.Config{Qdisc: qdisc, Link: threeStations, Seed: 1}, c, pool)
			if err != nil {
				b.Fatal(err)
			}
			c.WatchCell(port.Link())
			b.ReportAllocs()
			b.ResetTimer()
			if _, err := sim.RunAll(towards(b.N), []sim.Lane{{Port: port, Pool: pool}}); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(b.N)/1e6/b.Elapsed().Seconds(), "Mpkt/s")
		})
	}
}

// stations is memory's traffic for three stations.
type stations struct{ *memory }

// towards makes n packets for three stations.
func towards(n int) stations {
	m := newMemory(n)
	for i := range m.flows {
		k := pkt.FlowKey{Proto: pkt.ProtoUDP, SrcPort: uint16(i)}
		k.SetAddrs(netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr(fmt.Sprintf("10.0.0.%d", 2+i%3)))
		m.flows[i] = pkt.NewFlow(k, uint32(i), 1)
	}
	return stations{m}
}

// Next implements sim.Source.
func (s stations) Next(p *pkt.Packet) (bool, error) {
	ok, err := s.memory.Next(p)
	p.L3Len, p.HdrLen = 1500, 28
	return ok, err
}
