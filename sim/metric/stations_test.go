package metric

import (
	"strings"
	"testing"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/report"
)

// TestStations asks about the air and the stations of an access point, with and
// without a scheduler that knows them: all packets are for the first, at mcs0.
func TestStations(t *testing.T) {
	for _, c := range []struct{ qdisc, assert, want string }{
		{"fq_codel", "station(10.0.0.2).down_arrived == 300", "ok is 300, limit 300"},
		{"fq_codel", "station(10.0.0.2).down_delivered == delivered", "ok is 300, limit 300"},
		{"fq_codel", "station(10.0.0.2).down_bytes == 300000b", "ok is 300000b, limit 300000b"},
		{"fq_codel", "station(0).airtime_share == 100%", "ok is 1, limit 1"},
		{"fq_codel", "station(10.0.0.9).airtime == 0", "ok is 0, limit 0"},
		{"fq_codel", "station(0).airtime == station(0).down_airtime", "ok"},
		{"fq_codel", "station(0).down_throughput / throughput == 1", "ok is 1, limit 1"},
		{"fq_codel", "station(0).down_latency_p99 >= station(0).down_latency_p50 - 1ns", "ok"},
		{"fq_codel", "station(10.0.0.2).down_mpdus >= 1", "ok"},
		{"fq_codel", "air_down > 50%", "ok"},
		{"fq_codel", "jain_airtime == 1", "ok is 1, limit 1"},
		{"mac80211", "station(10.0.0.2).sent_packets == station(10.0.0.2).down_delivered", "ok"},
		{"mac80211", "station(0).tx_airtime_us > 0us", "ok"},
		{"fq_codel", "station(0).up_latency_p99 < 1ms", "NONE fq_codel.station(0) has no up_latency_p99: nothing was sent"},
		{"fq_codel", "station(0).up_mpdus < 1", "NONE fq_codel.station(0) has no up_mpdus: nothing was sent"},
		{"fq_codel", "station(10.0.0.3).airtime == 0", `INVALID fq_codel has no station "10.0.0.3": there are 10.0.0.2, 10.0.0.9 or group`},
		{"fq_codel", "station(0).airtme == 0", `INVALID fq_codel.station(0) has no metric "airtme": did you mean airtime?`},
		{"fq_codel", "station(0).sent_packets == 0", `INVALID fq_codel.station(0) has no metric "sent_packets": there are `},
		{"fq_codel", "flow(udp).station(0).airtime == 0", "INVALID fq_codel.flow(udp) has no stations: a WiFi link has, or mac80211"},
	} {
		a, err := Parse(c.assert)
		if err != nil {
			t.Fatal(err)
		}
		as := []*Assertion{a}
		r := Check(as, []Lane{laneOn(t, "wifi ht20 sta 10.0.0.2 mcs0 sta 10.0.0.9 mcs15", c.qdisc, as, nil, 300)})[0]
		if got := state(r) + " " + r.String(); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %s:\n got %s\nwant %s", c.qdisc, c.assert, got, c.want)
		}
	}
}

// TestOwn asks about what a station makes up itself, of which the run knows
// nothing.
func TestOwn(t *testing.T) {
	for s, want := range map[string]string{
		"station(any).up_throughput > 2mbit":                                        "ok",
		"station(any).up_own == station(any).up_delivered":                          "ok",
		"station(any).up_latency_p50 < 1s":                                          "NONE pfifo.station(any) has no up_latency_p50",
		"station(any).down_delivered + station(any).up_own == delivered":            "FAIL",
		"station(any).down_delivered + station(any).up_own > delivered":             "ok",
		"station(any).down_retries + station(any).up_retries == station(0).retries": "ok",
	} {
		as := []*Assertion{parsed(t, s)}
		r := Check(as, []Lane{laneOn(t, "wifi ht20 sta any mcs7 sends be 1500 5ms", "pfifo", as, nil, 300)})[0]
		if got := state(r) + " " + r.String(); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", s, got, want)
		}
	}
}

// TestNothingLeft checks that a metric nothing was measured for fails an
// assertion: a qdisc that lets nothing through has no small delay, and is not
// fair.
func TestNothingLeft(t *testing.T) {
	for s, want := range map[string]string{
		"sojourn_p99 < 20ms": "pfifo has no sojourn_p99: no packet left the qdisc",
		"sojourn_max < 20ms": "pfifo has no sojourn_max: no packet left the qdisc",
		"loss < 1%":          "pfifo has no loss: no packet arrived",
		"jain > 0.5":         "pfifo has no jain: nothing was delivered",
		"jain_airtime > 0.5": "pfifo has no jain_airtime: nothing was sent",
	} {
		a, err := Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		r := Check([]*Assertion{a}, []Lane{laneOn(t, "wifi ht20 sta any mcs0", "pfifo", nil, nil, 0)})[0]
		if r.OK || r.Invalid || r.Error != want {
			t.Errorf("%s: %+v, want %s", s, r, want)
		}
	}
}

// TestManyFlows checks that flows past those a report tells apart are selected by
// what they are, and that nothing counted of the others alone passes for all.
func TestManyFlows(t *testing.T) {
	as := []*Assertion{parsed(t, "flow(udp).drops + flow(tcp).drops + flow(10.1.0.0/16).drops == 0")}
	l := lane(t, "pfifo limit 10", as, nil, 0)
	c, p := report.NewCollector(), &pkt.Packet{Len: 1000, L3Len: 986, Segs: 1}
	for i := range 3 {
		for _, f := range []*pkt.Flow{
			testFlow(uint32(i), pkt.ProtoUDP, "10.0.0.1:6000", "10.0.0.2:5201"),
			testFlow(pkt.OtherFlows, pkt.ProtoUDP, "10.1.0.1:6000", "10.0.0.2:5201"),
			testFlow(pkt.OtherFlows, pkt.ProtoTCP, "10.0.0.1:6000", "10.1.0.2:80"),
		} {
			p.Flow = f
			for _, e := range []egress.Event{{Kind: egress.Enqueue, Packet: p}, {Kind: egress.Drop, Reason: pkt.Overlimit, Packet: p}} {
				c.Event(e)
				l.Probe.Event(e)
			}
		}
	}
	l.Run = report.NewRun(l.Port, c, 2)
	for s, want := range map[string]string{
		"flow(udp).drops == 0":             "FAIL is 6, limit 0: 6 off",
		"flow(udp).drops_overlimit == 6":   "ok is 6, limit 6",
		"flow(tcp).arrived == 3":           "ok is 3, limit 3",
		"flow(10.1.0.0/16).arrived == 6":   "ok is 6, limit 6",
		"flow_count < 10":                  "NONE pfifo has no flow_count: more flows arrived than the 65536 that are told apart",
		"jain > 0.1":                       "NONE pfifo has no jain: more flows arrived than the 65536 that are told apart",
		"flow(10.1.0.0/16).flow_count < 3": "NONE pfifo.flow(10.1.0.0/16) has no flow_count: more flows arrived than the 65536 that are told apart",
	} {
		r := Check([]*Assertion{parsed(t, s)}, []Lane{l})[0]
		if got := state(r) + " " + r.String(); got != want {
			t.Errorf("%s:\n got %s\nwant %s", s, got, want)
		}
	}
}
