package mac80211_test

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/link/wifi"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/sched/builtin"
)

// counted is a Sink that counts what each station is delivered.
type counted struct{ packets []int }

func (c *counted) Event(e egress.Event) {
	if e.Kind == egress.Deliver {
		c.packets[e.Packet.Flow.ID]++
	}
}

// play runs a scheduler over a medium with a flow for each station, which gets a
// packet of l3 bytes every gap, and returns Mbit/s of payload bytes for each.
func play(t testing.TB, qdisc string, conf wifi.Config, l3, payload int, gap, span time.Duration) ([]float64, *egress.Port) {
	t.Helper()
	n := len(conf.Stations)
	pool, sink := &pkt.Pool{}, &counted{packets: make([]int, n)}
	m := wifi.New(conf, link.Env{Seed: 1})
	port, err := egress.New(func(d sched.DropFunc) (sched.Scheduler, error) {
		return builtin.New(qdisc, sched.Env{
			Drop: d, Seed: 1, Stations: m.Stations(), Station: m.Station, Airtime: m.Airtime, Weight: m.Weight,
		})
	}, m, sink, pool)
	if err != nil {
		t.Fatal(err)
	}
	var flows []*pkt.Flow
	for i := range n {
		k := pkt.FlowKey{Proto: pkt.ProtoUDP, SrcPort: uint16(i)}
		k.SetAddrs(netip.MustParseAddr("10.0.9.9"), conf.Stations[i].Addr)
		flows = append(flows, pkt.NewFlow(k, uint32(i), 1))
	}
	for id, now := uint64(0), pkt.Time(0); now < pkt.Time(span); now = now.Add(gap) {
		for _, f := range flows {
			p := pool.Get()
			*p = pkt.Packet{ID: id, Arrival: now, Flow: f, L3Len: uint32(l3), Len: uint32(l3) + 14, Segs: 1, HdrLen: 28}
			port.Enqueue(now, p)
			id++
		}
	}
	rates := make([]float64, n)
	for i, packets := range sink.packets {
		rates[i] = float64(packets) * float64(payload) * 8e3 / float64(span)
	}
	return rates, port
}

// dcfCell is INET's showcase "rate anomaly": 802.11g at 2.4 GHz, the first of five
// stations at 6 Mbit/s, the others at 54.
func dcfCell() wifi.Config {
	c := wifi.DefaultConfig()
	c.GHz2, c.Hardware = true, 1
	for ac := range c.EDCA {
		c.EDCA[ac], c.StationEDCA[ac] = wifi.DCF(), wifi.DCF()
	}
	for i, kbps := range []int{6000, 54000, 54000, 54000, 54000} {
		c.Stations = append(c.Stations, wifi.Station{
			Addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 2)}), Mode: wifi.Mode{PHY: wifi.OFDM, Width: 20, Kbps: kbps},
		})
	}
	return c
}

// TestCell checks the downlink of the cell against the rates that the exchanges'
// durations give and INET measured: turns for each, and turns by the airtime of
// the frames (1450 and 186 us of exchanges of 1605.5 and 325.5).
func TestCell(t *testing.T) {
	for _, c := range []struct {
		qdisc      string
		slow, fast float64 // Mbit/s of UDP payload
	}{
		{"mac80211", 2.752, 2.752},
		{"mac80211 airtime", 0.681, 5.305},
		{"mac80211 airtime aql", 0.681, 5.305},
	} {
		got, _ := play(t, c.qdisc, dcfCell(), 1028, 1000, time.Millisecond, 20*time.Second)
		for i, want := range []float64{c.slow, c.fast, c.fast, c.fast, c.fast} {
			if math.Abs(got[i]-want) > want*0.02 {
				t.Errorf("%s: station %d gets %.3f Mbit/s, want %.3f within 2 %%", c.qdisc, i, got[i], want)
			}
		}
	}
}

// htCell has three stations of 802.11n at 130, 65 and 6.5 Mbit/s.
func htCell() wifi.Config {
	c := wifi.DefaultConfig()
	for i, mcs := range []int{15, 7, 0} {
		c.Stations = append(c.Stations, wifi.Station{
			Addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 2)}),
			Mode: wifi.Mode{PHY: wifi.HT, Width: 20, MCS: mcs, Streams: mcs/8 + 1, GI: 800},
		})
	}
	return c
}

// TestCellShares checks airtime in a cell of 802.11n with aggregates, errors and
// weights: what the medium counts for each station is within one percent of its
// part, and so is what the scheduler has been told.
func TestCellShares(t *testing.T) {
	for _, qdisc := range []string{"mac80211 airtime", "mac80211 airtime aql", "mac80211 airtime weight 512 512 512"} {
		conf := htCell()
		for i := range conf.Stations {
			conf.Stations[i].Error, conf.Stations[i].Weight = uint32(i)<<28, 256<<i
		}
		parts := []float64{1. / 7, 2. / 7, 4. / 7}
		if qdisc == "mac80211 airtime weight 512 512 512" {
			parts = []float64{1. / 3, 1. / 3, 1. / 3}
		}
		_, port := play(t, qdisc, conf, 1500, 1472, 100*time.Microsecond, 20*time.Second)
		stats := port.Link().(*wifi.Medium).Stats()
		all, told := time.Duration(0), int64(0)
		tins := port.Scheduler().(sched.Tinned).Tins()
		airtime := func(i int) int64 {
			for _, f := range tins[i] {
				if f.Key == "tx_airtime_us" {
					return f.Num
				}
			}
			return 0
		}
		for i := range parts {
			all, told = all+stats.Stations[i].Down, told+airtime(i)
		}
		for i, want := range parts {
			got := float64(stats.Stations[i].Down) / float64(all)
			if math.Abs(got-want) > want/100 {
				t.Errorf("%s: station %d has %.2f %% of the airtime, want %.2f", qdisc, i, 100*got, 100*want)
			}
			if line := fmt.Sprintf("%.4f", float64(airtime(i))/float64(told)); line != fmt.Sprintf("%.4f", got) {
				t.Errorf("%s: the scheduler says %s for station %d, the medium %.4f", qdisc, line, i, got)
			}
		}
	}
}

// TestCellSharesWithOptions checks that airtime stays as it is to be under what a
// medium does besides.
func TestCellSharesWithOptions(t *testing.T) {
	for name, change := range map[string]func(*wifi.Config){
		"A-MSDU":                    func(c *wifi.Config) { c.AMSDU = 3839 },
		"TXOP":                      func(c *wifi.Config) { c.EDCA[pkt.ACBE].TXOP = 2528 * time.Microsecond },
		"RTS":                       func(c *wifi.Config) { c.RTS = 1 },
		"beacons":                   func(c *wifi.Config) { c.BeaconInterval = 100 * wifi.TU },
		"one aggregate in hardware": func(c *wifi.Config) { c.Hardware = 1 },
		"rate control": func(c *wifi.Config) {
			for i := range c.Stations {
				c.Stations[i].Minstrel, c.Stations[i].Errors = true, wifi.ErrorsAt(c.Stations[i].Mode, 12+6*i)
			}
		},
		"2.4 GHz, protected": func(c *wifi.Config) {
			c.GHz2, c.Protect = true, wifi.Mode{PHY: wifi.DSSS, Kbps: 1000}
		},
	} {
		conf := htCell()
		change(&conf)
		_, port := play(t, "mac80211 airtime", conf, 1500, 1472, 100*time.Microsecond, 20*time.Second)
		stats := port.Link().(*wifi.Medium).Stats()
		all := time.Duration(0)
		for _, s := range stats.Stations[:3] {
			all += s.Down
		}
		for i, s := range stats.Stations[:3] {
			if part := float64(s.Down) / float64(all); math.Abs(part-1./3) > 0.01/3 {
				t.Errorf("%s: station %d has %.2f %% of the airtime, want 33.33", name, i, 100*part)
			}
		}
	}
}

// TestUplinkIsCharged checks that what is received of a station counts as its
// airtime: one that sends, too, is sent to the less, and has no more in all.
func TestUplinkIsCharged(t *testing.T) {
	for _, c := range []struct {
		qdisc string
		gap   time.Duration
	}{{"mac80211 airtime", 2 * time.Millisecond}, {"mac80211 airtime", 800 * time.Microsecond}, {"mac80211 airtime aql", time.Millisecond}} {
		conf := htCell()
		conf.Stations[1].Uplink = &wifi.Uplink{AC: pkt.ACBE, Bytes: 1500, Gap: c.gap}
		_, port := play(t, c.qdisc, conf, 1500, 1472, 100*time.Microsecond, 20*time.Second)
		all, up := int64(0), int64(0)
		var airtime [3]int64
		for i, tin := range port.Scheduler().(sched.Tinned).Tins() {
			for _, f := range tin {
				if f.Key == "rx_airtime_us" {
					up += f.Num
				}
				if i < 3 && (f.Key == "tx_airtime_us" || f.Key == "rx_airtime_us") {
					airtime[i] += f.Num
					all += f.Num
				}
			}
		}
		for i, a := range airtime {
			if part := float64(a) / float64(all); math.Abs(part-1./3) > 0.01/3 {
				t.Errorf("%s: station %d is charged %.2f %% of the airtime, want 33.33", c.qdisc, i, 100*part)
			}
		}
		// What the medium counts besides is what was lost in collisions.
		if s := port.Link().(*wifi.Medium).Stats().Stations[1]; up < 1e6 || up > int64(s.Up/time.Microsecond) || up < int64(s.Up/time.Microsecond)*3/4 {
			t.Errorf("%s: %d us are charged for receiving, it sent for %v", c.qdisc, up, s.Up)
		}
	}
}

// pings is a Sink that notes how long packets of one flow take.
type pings struct {
	flow  uint32
	delay []time.Duration
}

func (p *pings) Event(e egress.Event) {
	if e.Kind == egress.Deliver && e.Packet.Flow.ID == p.flow {
		p.delay = append(p.delay, e.Packet.Sojourn(e.Time))
	}
}

// TestLatency checks the order of magnitude of "Ending the Anomaly": what a packet
// every 50 ms to a fast station takes while each of the cell's stations is flooded,
// with one queue for all and with mac80211's.
func TestLatency(t *testing.T) {
	median := func(qdisc string) time.Duration {
		pool, sink := &pkt.Pool{}, &pings{flow: 3}
		m := wifi.New(htCell(), link.Env{Seed: 1})
		port, err := egress.New(func(d sched.DropFunc) (sched.Scheduler, error) {
			return builtin.New(qdisc, sched.Env{Drop: d, Seed: 1, Stations: m.Stations(), Station: m.Station, Airtime: m.Airtime})
		}, m, sink, pool)
		if err != nil {
			t.Fatal(err)
		}
		var flows []*pkt.Flow
		for i, host := range []byte{2, 3, 4, 2} {
			k := pkt.FlowKey{Proto: pkt.ProtoUDP, SrcPort: uint16(i)}
			k.SetAddrs(netip.MustParseAddr("10.0.9.9"), netip.AddrFrom4([4]byte{10, 0, 0, host}))
			flows = append(flows, pkt.NewFlow(k, uint32(i), 1))
		}
		for n := range uint64(100000) { // 20 s, 5000 packets a second for each
			now := pkt.Time(n * 200000)
			for i, f := range flows {
				l3 := uint32(1500)
				if i == 3 {
					if l3 = 100; n%250 != 0 {
						continue
					}
				}
				p := pool.Get()
				*p = pkt.Packet{ID: n*4 + uint64(i), Arrival: now, Flow: f, L3Len: l3, Len: l3 + 14, Segs: 1, HdrLen: 28}
				port.Enqueue(now, p)
			}
		}
		slices.Sort(sink.delay)
		return sink.delay[len(sink.delay)/2]
	}
	fifo := median("pfifo limit 1000")
	for _, qdisc := range []string{"mac80211", "mac80211 airtime", "mac80211 airtime aql"} {
		// a turn of each station, at most 4 ms and a contention, and what is in hardware
		if got := median(qdisc); got > 20*time.Millisecond || fifo < 10*got {
			t.Errorf("%s: median %v, pfifo's %v; want at most 20 ms and a tenth", qdisc, got, fifo)
		}
	}
}

// BenchmarkCell is a cell of three HT stations with the scheduler above it, all
// saturated: what a packet costs from its arrival to its delivery or drop.
func BenchmarkCell(b *testing.B) {
	for _, qdisc := range []string{"mac80211", "mac80211 airtime", "mac80211 airtime aql"} {
		b.Run(qdisc, func(b *testing.B) {
			b.ReportAllocs()
			n := time.Duration(b.N)
			play(b, qdisc, htCell(), 1500, 1472, 300*time.Microsecond, n/3*300*time.Microsecond)
			b.ReportMetric(float64(b.N)/1e6/b.Elapsed().Seconds(), "Mpkt/s")
		})
	}
}
