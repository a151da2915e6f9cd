package wifi

import (
	"net/netip"
	"testing"

	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
)

// TestRoute checks whom a packet is for and who sends it: what goes from station
// to station, or to all, has come up already.
func TestRoute(t *testing.T) {
	const group = link.Group
	stations := []Station{
		{Addr: netip.MustParseAddr("10.0.0.2")},
		{Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("fd00::2/128")}},
		{Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.64/26")}},
	}
	other := append(stations[:3:3], Station{})
	for _, c := range []struct {
		src, dst         string
		stations         []Station
		receiver, sender int
		stranger         bool
	}{
		{"192.0.2.1", "10.0.0.2", stations, 0, nobody, false},
		{"192.0.2.1", "10.0.0.3", stations, 1, nobody, false},
		{"192.0.2.1", "10.0.0.65", stations, 2, nobody, false}, // the longest prefix
		{"2001:db8::1", "fd00::2", stations, 1, nobody, false},
		{"192.0.2.1", "198.51.100.1", stations, 2, nobody, true},
		{"192.0.2.1", "198.51.100.1", other, 3, nobody, false},
		{"10.0.0.2", "192.0.2.1", stations, 2, 0, false},
		{"10.0.0.70", "192.0.2.1", other, 3, 2, false},
		{"10.0.0.2", "10.0.0.65", stations, 2, nobody, false},
		{"10.0.0.2", "224.0.0.251", stations, group, nobody, false},
		{"192.0.2.1", "255.255.255.255", stations, group, nobody, false},
		{"fd00::2", "ff02::fb", stations, group, nobody, false},
	} {
		conf := Config{Stations: c.stations}
		k := pkt.FlowKey{Proto: pkt.ProtoUDP}
		k.SetAddrs(netip.MustParseAddr(c.src), netip.MustParseAddr(c.dst))
		p := &pkt.Packet{Flow: pkt.NewFlow(k, 0, 1)}
		if r, s := conf.route(p); r != c.receiver || s != c.sender {
			t.Errorf("%s: for %d, of %d; want %d, %d", p.Flow, r, s, c.receiver, c.sender)
		}
		for i := range conf.Stations {
			conf.Stations[i].Mode = ht(20, 7, 800)
		}
		m := New(conf, link.Env{})
		for range 2 { // found, and remembered
			if n := m.Station(p); n != c.receiver {
				t.Errorf("%s: the medium has it for %d, want %d", p.Flow, n, c.receiver)
			}
			if n, ok := m.Sender(p); ok != (c.sender >= 0) || ok && n != c.sender {
				t.Errorf("%s: the medium has it of %d, %v; want %d", p.Flow, n, ok, c.sender)
			}
		}
		if cell := (&Cell{Medium: m}); cell.Stranger(p) != c.stranger {
			t.Errorf("%s: stranger %v, want %v", p.Flow, !c.stranger, c.stranger)
		}
	}
}
