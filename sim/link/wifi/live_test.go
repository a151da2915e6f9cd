package wifi_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/link/wifi"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/random"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/sched/builtin"
)

// events is a Sink that writes them down.
type events []string

func (s *events) Event(e egress.Event) {
	*s = append(*s, fmt.Sprint(e.Time, e.Kind, e.Packet.ID, e.Reason))
}

// busyCell has a station that sleeps, one that sends besides, and one that is slow
// and loses; it has beacons.
func busyCell() wifi.Config {
	c := wifi.DefaultConfig()
	c.BeaconInterval, c.DTIM = 100*wifi.TU, 2
	for i, mcs := range []int{15, 7, 0} {
		c.Stations = append(c.Stations, wifi.Station{
			Addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 2)}), Mode: wifi.Mode{PHY: wifi.HT, Width: 20, MCS: mcs, GI: 800},
		})
	}
	c.Stations[0].Sleep, c.Stations[0].Linger = 2, 10*time.Millisecond
	c.Stations[1].Uplink = &wifi.Uplink{AC: pkt.ACVI, Bytes: 300, Gap: 7 * time.Millisecond}
	c.Stations[2].Error, c.Stations[2].Minstrel = 1<<30, true
	return c
}

// TestLateDriver checks that who drives a port over a cell late sees what who does
// it in time sees: nothing that the medium decides depends on when it is asked.
func TestLateDriver(t *testing.T) {
	for _, qdisc := range []string{"pfifo", "mac80211 airtime"} {
		inTime, late := drivenBy(t, qdisc, true), drivenBy(t, qdisc, false)
		if !slices.Equal(inTime, late) {
			for i := range min(len(inTime), len(late)) {
				if inTime[i] != late[i] {
					t.Fatalf("%s: event %d is %s in time and %s late", qdisc, i, inTime[i], late[i])
				}
			}
			t.Fatalf("%s: %d events in time, %d late", qdisc, len(inTime), len(late))
		}
		if len(inTime) < 5000 {
			t.Errorf("%s: %d events only", qdisc, len(inTime))
		}
	}
}

// drivenBy plays packets to and from the stations of a busy cell, and to all, with
// pauses, and returns the port's events.
func drivenBy(t *testing.T, qdisc string, inTime bool) events {
	m := wifi.New(busyCell(), link.Env{Seed: 1})
	pool, sink := &pkt.Pool{}, events{}
	port, err := egress.New(func(d sched.DropFunc) (sched.Scheduler, error) {
		return builtin.New(qdisc, sched.Env{Drop: d, Seed: 1, Stations: m.Stations(), Station: m.Station, Airtime: m.Airtime, Weight: m.Weight})
	}, m, &sink, pool)
	if err != nil {
		t.Fatal(err)
	}
	var flows []*pkt.Flow
	for i, ends := range [][2]string{
		{"192.0.2.1", "10.0.0.2"}, {"192.0.2.1", "10.0.0.3"}, {"192.0.2.1", "10.0.0.4"}, {"10.0.0.2", "192.0.2.1"},
		{"10.0.0.4", "192.0.2.1"}, {"192.0.2.1", "224.0.0.251"},
	} {
		k := pkt.FlowKey{Proto: pkt.ProtoUDP}
		k.SetAddrs(netip.MustParseAddr(ends[0]), netip.MustParseAddr(ends[1]))
		flows = append(flows, pkt.NewFlow(k, uint32(i), 1))
	}
	rng := random.Stream(1, "arrivals")
	now := pkt.Time(0)
	for id := range uint64(4000) {
		gap := rng.Int64N(1e6)
		if id%500 == 0 {
			gap = rng.Int64N(1e9)
		}
		now += pkt.Time(gap)
		for inTime && port.Next() <= now {
			port.Advance(port.Next())
		}
		p := pool.Get()
		*p = pkt.Packet{ID: id, Arrival: now, Flow: flows[rng.IntN(len(flows))], L3Len: uint32(40 + rng.IntN(1461)), Segs: 1, HdrLen: 28}
		p.Len = p.L3Len + 14
		port.Enqueue(now, p)
	}
	port.Drain()
	if n := pool.Out(); n > 0 {
		t.Errorf("%s: %d packets did not leave", qdisc, n)
	}
	return sink
}
