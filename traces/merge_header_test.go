package traces_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// TestMergeDevices has devices of two machines in one list, each packet's its own.
func TestMergeDevices(t *testing.T) {
	a := pack(t, `{"devices":[{"index":2,"name":"eth0"},{"index":3,"name":"eth1"}]}`, `{"clean":true}`, "p time=0.1 flow=udp,10.0.0.1:1>10.0.0.2:2 path=forward,2,3")
	b := pack(t, `{"devices":[{"index":2,"name":"wlan0"},{"index":3,"name":"eth1"},{"index":7,"name":"tun0"}]}`, `{"clean":true}`, "p time=0.2 flow=udp,10.0.0.1:1>10.0.0.2:2 path=forward,2,3", "p time=0.3 flow=udp,10.0.0.1:1>10.0.0.2:2 path=forward,7,0")
	m := merging(t, nil, a, b)
	want := []traces.Device{{Index: 2, Name: "eth0"}, {Index: 3, Name: "eth1"}, {Index: 7, Name: "tun0"}, {Index: 8, Name: "wlan0"}}
	if diff := cmp.Diff(want, m.Header().Devices); diff != "" {
		t.Errorf("devices (-want +got):\n%s", diff)
	}
	items, err := readItems(m)
	if err != nil {
		t.Fatal(err)
	}
	var paths []traces.Path
	for _, it := range items {
		paths = append(paths, it.Record.Path)
	}
	if want := []traces.Path{{Hook: 2, InDev: 2, OutDev: 3}, {Hook: 2, InDev: 8, OutDev: 3}, {Hook: 2, InDev: 7}}; !slices.Equal(paths, want) {
		t.Errorf("paths %v, want %v", paths, want)
	}
}

// TestMergeHeader has what the merged header keeps and what is told instead.
func TestMergeHeader(t *testing.T) {
	anchor := func(ns string) string { return `"anchor":{"monotonic_ns":1,"realtime_ns":` + ns + `}` }
	for _, c := range []struct {
		name    string
		a, b    string
		offsets []pkt.Time
		check   func(h traces.Header) bool
		note    string
	}{
		{"what was merged", `{"comment":"at home"}`, `{"synthetic":"cbr seed 1"}`, []pkt.Time{0, 2e9},
			func(h traces.Header) bool {
				return h.Comment == "merged from a (at home), b from 2s on (cbr seed 1)" && h.Synthetic == ""
			}, ""},
		{"made up", `{"synthetic":"x"}`, `{"synthetic":"y"}`, nil, func(h traces.Header) bool { return h.Synthetic == "x; y" }, ""},
		{"outcomes are not there", `{"not_captured":["payload"]}`, `{"not_captured":["payload","options"]}`, nil,
			func(h traces.Header) bool {
				return slices.Equal(h.NotCaptured, []string{"payload", "options", "what became of the packets"})
			}, ""},
		{"the first's framing", `{"link_header":14}`, `{}`, nil, func(h traces.Header) bool { return h.LinkHeader == 14 }, "the first one's 14 bytes"},
		{"addresses in part", `{"anonymized":"crypto-pan"}`, `{}`, nil, func(h traces.Header) bool { return h.Anonymized == "crypto-pan in 1 of 2 traces" }, ""},
		{"all addresses", `{"anonymized":"crypto-pan"}`, `{"anonymized":"crypto-pan"}`, nil, func(h traces.Header) bool { return h.Anonymized == "crypto-pan" }, ""},
		{"no scheduler", `{"scheduler":{"qdisc":"pfifo","link":"rate 1mbit"}}`, `{}`, nil, func(h traces.Header) bool { return h.Scheduler == nil }, "a scheduler decided a trace"},
		{"one bottleneck", `{"scenario":{"bottleneck":"rate 1mbit","traffic":["x"]}}`, `{"scenario":{"traffic":["y"]}}`, nil,
			func(h traces.Header) bool {
				return h.Scenario.Bottleneck == "rate 1mbit" && slices.Equal(h.Scenario.Traffic, []string{"x", "y"})
			}, ""},
		{"two bottlenecks", `{"scenario":{"bottleneck":"rate 1mbit"}}`, `{"scenario":{"bottleneck":"rate 2mbit"}}`, nil,
			func(h traces.Header) bool { return h.Scenario.Bottleneck == "" }, "different bottlenecks"},
		{"one MTU", `{"capture":{"segment_mtu":1500,"gso":true}}`, `{"capture":{"segment_mtu":1500}}`, nil,
			func(h traces.Header) bool { return h.Capture.SegmentMTU == 1500 && h.Capture.GSO }, ""},
		{"two MTUs", `{"capture":{"segment_mtu":1500}}`, `{"capture":{"segment_mtu":1400}}`, nil, func(h traces.Header) bool { return h.Capture.SegmentMTU == 0 }, "different MTUs"},
		{"clocks that agree", "{" + anchor("5000") + "}", "{" + anchor("7000") + "}", []pkt.Time{0, 2000}, func(h traces.Header) bool { return h.Anchor.RealtimeNs == 5000 }, ""},
		{"clocks that do not", "{" + anchor("5000") + "}", "{" + anchor("7000") + "}", nil, func(h traces.Header) bool { return h.Anchor == nil }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			end := `{"clean":true}`
			m := merging(t, c.offsets, pack(t, c.a, end), pack(t, c.b, end))
			if h := m.Header(); !c.check(h) {
				t.Errorf("header %+v", h)
			}
			switch notes := strings.Join(m.Notes(), "\n"); {
			case c.note == "" && notes != "":
				t.Errorf("notes %q", notes)
			case !strings.Contains(notes, c.note):
				t.Errorf("notes %q, want %q", notes, c.note)
			}
		})
	}
}
