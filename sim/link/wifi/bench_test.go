package wifi_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/uqtool/uq/sim"
	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/link/wifi"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/sched/builtin"
)

// arrivals is a Source: packets of 1500 bytes for each flow in turn.
type arrivals struct {
	left  int
	id    uint64
	gap   pkt.Time
	flows []*pkt.Flow
}

func (a *arrivals) Next(p *pkt.Packet) (bool, error) {
	if a.left == 0 {
		return false, nil
	}
	a.left--
	p.ID, p.Arrival, p.Flow = a.id, pkt.Time(a.id)*a.gap, a.flows[a.id%uint64(len(a.flows))]
	p.Len, p.L3Len, p.Segs, p.HdrLen, p.DSField = 1514, 1500, 1, 28, 0
	a.id++
	return true, nil
}

// delivered counts the packets that arrive.
type delivered int

func (d *delivered) Event(e egress.Event) {
	if e.Kind == egress.Deliver {
		*d++
	}
}

// newCell makes a port over a cell of three stations at 144 Mbit/s, offered 120 in
// all.
func newCell(tb testing.TB, qdisc string, conf wifi.Config) (*egress.Port, *pkt.Pool, *arrivals, *delivered) {
	a := &arrivals{gap: 100e3}
	for i := range 3 {
		addr := netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 2)})
		s := conf.Stations[0]
		s.Addr, s.Mode = addr, wifi.Mode{PHY: wifi.HT, Width: 20, MCS: 15, GI: 400}
		conf.Stations = append(conf.Stations, s)
		k := pkt.FlowKey{Proto: pkt.ProtoUDP, SrcPort: uint16(i)}
		k.SetAddrs(netip.MustParseAddr("10.0.9.9"), addr)
		a.flows = append(a.flows, pkt.NewFlow(k, uint32(i), 1))
	}
	conf.Stations = conf.Stations[1:]
	m := wifi.New(conf, link.Env{Seed: 1})
	pool, sink := &pkt.Pool{}, new(delivered)
	port, err := egress.New(func(d sched.DropFunc) (sched.Scheduler, error) {
		return builtin.New(qdisc, sched.Env{
			Drop: d, Seed: 1, Stations: m.Stations(), Station: m.Station, Airtime: m.Airtime, Weight: m.Weight,
		})
	}, m, sink, pool)
	if err != nil {
		tb.Fatal(err)
	}
	return port, pool, a, sink
}

// BenchmarkCell is the simulator with a cell of three stations: what a packet
// costs from its arrival to its delivery.
func BenchmarkCell(b *testing.B) {
	for _, qdisc := range []string{"pfifo", "fq_codel", "mac80211", "mac80211 airtime", "mac80211 airtime aql"} {
		for _, lossy := range []bool{false, true} {
			name, conf := qdisc, wifi.DefaultConfig()
			conf.Stations = make([]wifi.Station, 1)
			if lossy {
				name, conf.Stations[0].Error = name+" lossy", 1<<32/20
			}
			b.Run(name, func(b *testing.B) {
				port, pool, src, sink := newCell(b, qdisc, conf)
				src.left = b.N
				b.ReportAllocs()
				b.ResetTimer()
				if _, err := sim.Run(src, port, pool); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(b.N)/1e6/b.Elapsed().Seconds(), "Mpkt/s")
				b.ReportMetric(float64(*sink)/float64(b.N), "delivered")
			})
		}
	}
}

// TestAllocations checks that a cell that runs allocates nothing for a packet,
// whatever its options.
func TestAllocations(t *testing.T) {
	for name, change := range map[string]func(*wifi.Config){
		"plain":   func(*wifi.Config) {},
		"amsdu":   func(c *wifi.Config) { c.AMSDU = 3839 },
		"txop":    func(c *wifi.Config) { c.EDCA[pkt.ACBE].TXOP = 4 * time.Millisecond },
		"beacons": func(c *wifi.Config) { c.BeaconInterval = 100 * wifi.TU },
		"minstrel": func(c *wifi.Config) {
			c.Stations[0].Minstrel, c.Stations[0].Errors = true, []uint32{0, 0, 1 << 28, 1 << 29, 1 << 31}
		},
		"uplink": func(c *wifi.Config) { c.Stations[0].Uplink = &wifi.Uplink{AC: pkt.ACBK, Bytes: 1500} },
		"lossy":  func(c *wifi.Config) { c.Stations[0].Error = 1 << 29 },
	} {
		for _, qdisc := range []string{"pfifo", "mac80211 airtime"} {
			conf := wifi.DefaultConfig()
			conf.Stations = make([]wifi.Station, 1)
			change(&conf)
			port, pool, src, _ := newCell(t, qdisc, conf)
			some := func() {
				for range 1000 {
					p := pool.Get()
					src.left = 1
					if _, err := src.Next(p); err != nil {
						t.Fatal(err)
					}
					port.Enqueue(p.Arrival, p)
				}
			}
			for range 30 { // what holds packets grows to its size
				some()
			}
			if n := testing.AllocsPerRun(20, some); n > 0 {
				t.Errorf("%s, %s: %v allocations for a thousand packets", name, qdisc, n)
			}
		}
	}
}
