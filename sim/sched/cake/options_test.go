package cake

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/tc"
)

const rest = "nonat nowash no-ack-filter split-gso"

// TestLine has what tc prints for what it is given.
func TestLine(t *testing.T) {
	for words, want := range map[string]string{
		"":                              "bandwidth unlimited diffserv3 triple-isolate " + rest + " rtt 100ms raw overhead 0",
		"bandwidth 20mbit":              "bandwidth 20Mbit diffserv3 triple-isolate " + rest + " rtt 100ms raw overhead 0",
		"bandwidth 20mbit docsis":       "bandwidth 20Mbit diffserv3 triple-isolate " + rest + " rtt 100ms noatm overhead 18 mpu 64",
		"bandwidth 2.5mbit unlimited":   "bandwidth unlimited diffserv3 triple-isolate " + rest + " rtt 100ms raw overhead 0",
		"bandwidth 0":                   "bandwidth unlimited diffserv3 triple-isolate " + rest + " rtt 100ms raw overhead 0",
		"bandwidth unlimited":           "bandwidth unlimited diffserv3 triple-isolate " + rest + " rtt 100ms raw overhead 0",
		"bandwidth 1001bit":             "bandwidth 1Kbit diffserv3 triple-isolate " + rest + " rtt 100ms raw overhead 0",
		"autorate-ingress":              "bandwidth unlimited autorate-ingress diffserv3 triple-isolate " + rest + " rtt 100ms raw overhead 0",
		"autorate-ingress unlimited":    "bandwidth unlimited diffserv3 triple-isolate " + rest + " rtt 100ms raw overhead 0",
		"besteffort flows rtt 50ms":     "bandwidth unlimited besteffort flows " + rest + " rtt 50ms raw overhead 0",
		"diffserv hosts lan":            "bandwidth unlimited diffserv4 hosts " + rest + " rtt 1ms raw overhead 0",
		"lan rtt 7ms nat wash ingress":  "bandwidth unlimited diffserv3 triple-isolate nat wash ingress no-ack-filter split-gso rtt 7ms raw overhead 0",
		"ack-filter no-split-gso":       "bandwidth unlimited diffserv3 triple-isolate nonat nowash ack-filter no-split-gso rtt 100ms raw overhead 0",
		"ack-filter-aggressive":         "bandwidth unlimited diffserv3 triple-isolate nonat nowash ack-filter-aggressive split-gso rtt 100ms raw overhead 0",
		"pppoe-ptm ether-vlan":          "bandwidth unlimited diffserv3 triple-isolate " + rest + " rtt 100ms ptm overhead 34",
		"conservative":                  "bandwidth unlimited diffserv3 triple-isolate " + rest + " rtt 100ms atm overhead 48",
		"ethernet via-ethernet":         "bandwidth unlimited diffserv3 triple-isolate " + rest + " rtt 100ms noatm overhead 38 mpu 84",
		"raw pppoe-llcsnap":             "bandwidth unlimited diffserv3 triple-isolate " + rest + " rtt 100ms raw atm overhead 40",
		"overhead -20 mpu 10":           "bandwidth unlimited diffserv3 triple-isolate " + rest + " rtt 100ms noatm overhead -20 mpu 10",
		"memlimit 8m fwmark 0xff":       "bandwidth unlimited diffserv3 triple-isolate " + rest + " rtt 100ms raw overhead 0 memlimit 8Mb fwmark 0xff",
		"interplanetary":                "bandwidth unlimited diffserv3 triple-isolate " + rest + " rtt 1000s raw overhead 0",
		"memlimit 0 fwmark 0 rtt 500ns": "bandwidth unlimited diffserv3 triple-isolate " + rest + " rtt 500ns raw overhead 0",
	} {
		r := newRig(t, words)
		if got := sched.Line(r.q); got != "cake "+want {
			t.Errorf("%q prints\n%s, want\n%s", words, got, "cake "+want)
		}
		if again := newRig(t, strings.TrimPrefix(sched.Line(r.q), "cake ")); sched.Line(again.q) != sched.Line(r.q) {
			t.Errorf("%q: read again it prints %s", words, sched.Line(again.q))
		}
	}
}

// TestPresets has every word for a link and a round-trip time.
func TestPresets(t *testing.T) {
	for word, want := range map[string]string{
		"raw": "raw overhead 0", "conservative": "atm overhead 48",
		"ipoa-vcmux": "atm overhead 8", "ipoa-llcsnap": "atm overhead 16", "bridged-vcmux": "atm overhead 24", "bridged-llcsnap": "atm overhead 32",
		"pppoa-vcmux": "atm overhead 10", "pppoa-llc": "atm overhead 14", "pppoe-vcmux": "atm overhead 32", "pppoe-llcsnap": "atm overhead 40",
		"pppoe-ptm": "ptm overhead 30", "bridged-ptm": "ptm overhead 22",
		"docsis": "noatm overhead 18 mpu 64", "ethernet": "noatm overhead 38 mpu 84", "ether-vlan": "noatm overhead 4", "via-ethernet": "raw overhead 0",
	} {
		if line := sched.Line(newRig(t, word).q); !strings.HasSuffix(line, " "+want) {
			t.Errorf("%s: %s, want %s at the end", word, line, want)
		}
	}
	for word, want := range map[string][2]int{
		"datacentre": {5, 100}, "lan": {50, 1000}, "metro": {500, 10000}, "regional": {1500, 30000}, "internet": {5000, 100000},
		"oceanic": {15000, 300000}, "satellite": {50000, 1000000}, "interplanetary": {50000000, 1000000000}, "rtt 40ms": {2000, 40000},
	} {
		q := newRig(t, word).q
		if got := [2]int{int(q.target.Microseconds()), int(q.rtt.Microseconds())}; got != want {
			t.Errorf("%s: target and rtt %v us, want %v", word, got, want)
		}
	}
}

// TestErrors checks that what is wrong is named, with a way out.
func TestErrors(t *testing.T) {
	for words, want := range map[string]string{
		"bandwith 20mbit":           `What is "bandwith"? Did you mean "bandwidth"?`,
		"bandwidth":                 `illegal "bandwidth": want a RATE`,
		"bandwidth 20mb":            `illegal "bandwidth": rate "20mb": unknown unit`,
		"bandwidth 7bit":            `want at least 8bit, or unlimited`,
		"rtt 100":                   `tc would read it as 100us`,
		"rtt 0ms":                   `illegal "rtt": want more than 0`,
		"rtt 3h":                    `unknown unit "h"`,
		"lan metro":                 `illegal "metro": duplicate "lan": "metro" is the second value`,
		"overhead 257":              `illegal "overhead": valid range is -64 to 256`,
		"overhead -65":              `valid range is -64 to 256`,
		"overhead":                  `want a NUMBER`,
		"mpu -1":                    `illegal "mpu": valid range is 0 to 256`,
		"mpu 1x":                    `valid range is 0 to 256`,
		"fwmark 0x1ffffffff":        `illegal "fwmark": mask "0x1ffffffff": want 32 bits`,
		"memlimit 8x":               `illegal "memlimit": size "8x"`,
		"nodiffserv4":               `What is "nodiffserv4"? Did you mean "diffserv4"?`,
		"pppoe-llc":                 `What is "pppoe-llc"? Did you mean "pppoa-llc"?`,
		"triple-isolated":           `Did you mean "triple-isolate"?`,
		"limit 1000":                `What is "limit"?`,
		"bandwidth 1mbit xyzzyquux": `Usage: ... cake [ bandwidth RATE ] [ unlimited ]`,
	} {
		_, err := New(strings.Fields(words), sched.Env{})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "cake: ") {
			t.Errorf("%q: %v, want %s", words, err, want)
		}
	}
	_, err := New([]string{"help"}, sched.Env{})
	help, ok := err.(*tc.Help)
	if !ok || !strings.Contains(help.Options, "triple-isolate") || strings.Count(help.Options, "\n") < 50 {
		t.Errorf("help: %v", err)
	}
}

// TestJSON has tc's keys and values; rates are in bytes per second.
func TestJSON(t *testing.T) {
	r := newRig(t, "bandwidth 20mbit wash raw atm ack-filter-aggressive fwmark 15 mpu 64")
	got := map[string]any{}
	for _, f := range r.q.Options() {
		switch {
		case f.Hidden:
		case f.Value != nil:
			got[f.Key] = f.Value
		default:
			got[f.Key] = f.Num
		}
	}
	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"ack-filter":"aggressive","atm":"atm","bandwidth":2500000,"diffserv":"diffserv3","flowmode":"triple-isolate",` +
		`"fwmark":"0xf","ingress":false,"mpu":64,"nat":false,"overhead":0,"raw":true,"rtt":100000,"split_gso":true,"wash":true}`
	if string(b) != want {
		t.Errorf("options %s, want %s", b, want)
	}
	keys := func(fields []tc.Field) string {
		var ks []string
		for _, f := range fields {
			ks = append(ks, f.Key)
		}
		return strings.Join(ks, " ")
	}
	if got, want := keys(r.q.Stats()), "overlimits memory_used memory_limit capacity_estimate min_network_size max_network_size min_adj_size max_adj_size avg_hdr_offset"; got != want {
		t.Errorf("statistics %s, want %s", got, want)
	}
	want = "threshold_rate sent_bytes backlog_bytes target_us interval_us peak_delay_us avg_delay_us base_delay_us sent_packets " +
		"way_indirect_hits way_misses way_collisions drops ecn_mark ack_drops sparse_flows bulk_flows unresponsive_flows max_pkt_len flow_quantum"
	for _, tin := range r.q.Tins() {
		if got := keys(tin); got != want {
			t.Errorf("tin %s, want %s", got, want)
		}
	}
}

// TestWash checks that the DSCP goes and ECN stays, after the tin was chosen.
func TestWash(t *testing.T) {
	for words, want := range map[string]uint8{"wash": 2, "nowash": 46<<2 | 2} {
		r := newRig(t, words)
		r.enq(flowFrom(1, 1, 1), 100, ecn(2), dscp(46))
		if n := r.q.tins[2].packets; n != 1 {
			t.Errorf("%s: %d packets in the voice tin", words, n)
		}
		if p := r.deq(); p.DSField != want {
			t.Errorf("%s: DS field %#x, want %#x", words, p.DSField, want)
		}
	}
}

// TestSplitsGSO checks what a simulation asks.
func TestSplitsGSO(t *testing.T) {
	for words, want := range map[string]bool{"": true, "split-gso": true, "no-split-gso": false} {
		if got := newRig(t, words).q.SplitsGSO(); got != want {
			t.Errorf("%q: %v", words, got)
		}
	}
}

// TestStats follows a few packets through the counters.
func TestStats(t *testing.T) {
	r := newRig(t, "bandwidth 8mbit docsis besteffort")
	f := flowFrom(1, 1, 1)
	for _, n := range []int{28, 982, 482} {
		r.enq(f, n)
	}
	for r.deq() != nil {
	}
	values := map[string]int64{}
	for _, fields := range append(r.q.Tins(), r.q.Stats()) {
		for _, f := range fields {
			values[f.Key] = f.Num
		}
	}
	for key, want := range map[string]int64{
		"min_network_size": 28, "max_network_size": 982, "min_adj_size": 64, "max_adj_size": 1000,
		"sent_packets": 3, "sent_bytes": 28 + 982 + 482 + 42, "max_pkt_len": 996, "capacity_estimate": 1e6, "threshold_rate": 1e6,
		"memory_used": 64 + 1024 + 512 + 3*576, "memory_limit": 4 << 20, "way_misses": 1, "backlog_bytes": 0,
		// The last left 64+1000 us after it came; the averages start at 0.
		"overlimits": 2, "peak_delay_us": (64*3/4 + 1064) / 4, "avg_delay_us": 4, "base_delay_us": 4,
	} {
		if got := values[key]; got < want-10 && strings.HasSuffix(key, "_us") || got > want+10 || got != want && !strings.HasSuffix(key, "_us") {
			t.Errorf("%s is %d, want %d", key, got, want)
		}
	}
}

// FuzzOptions demands that any line either is refused with a reason or prints
// itself so that it reads as the same.
func FuzzOptions(f *testing.F) {
	for _, s := range []string{
		"bandwidth 20mbit rtt 50ms diffserv4 ack-filter", "raw pppoe-ptm ether-vlan atm overhead -5 mpu 7", "lan lan", "memlimit 32mb fwmark 0xf nat nowash",
		"autorate-ingress bandwidth 1gbit ingress egress hosts", "interplanetary no-split-gso unlimited", "bandwidth", "rtt 1e5",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		if len(spec) > 1000 {
			return
		}
		s, err := New(strings.Fields(spec), sched.Env{MTU: 1514})
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without words")
			}
			return
		}
		// What tc rounds to three digits is round the second time.
		line := sched.Line(s)
		for range 2 {
			again, err := New(strings.Fields(line)[1:], sched.Env{MTU: 1514})
			if err != nil {
				t.Fatalf("%q prints %q, which does not read: %v", spec, line, err)
			}
			got := sched.Line(again)
			if got != line && !rounded(spec) {
				t.Errorf("%q prints %q, then %q", spec, line, got)
			}
			line, spec = got, ""
		}
	})
}

// rounded says that a value may need more digits than tc prints.
func rounded(spec string) bool {
	return strings.Contains(spec, "rtt") || strings.Contains(spec, "bandwidth") || strings.Contains(spec, "memlimit")
}
