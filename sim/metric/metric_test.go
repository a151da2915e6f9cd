package metric

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/report"
	"github.com/uqtool/uq/sim/sched/builtin"
)

// testFlow is a flow between two hosts.
func testFlow(id uint32, proto uint8, src, dst string) *pkt.Flow {
	k := pkt.FlowKey{Proto: proto}
	a, b := netip.MustParseAddrPort(src), netip.MustParseAddrPort(dst)
	k.SetAddrs(a.Addr(), b.Addr())
	k.SrcPort, k.DstPort = a.Port(), b.Port()
	return pkt.NewFlow(k, id, 1)
}

// testFlows are an elephant, a call and a ping.
func testFlows() []*pkt.Flow {
	return []*pkt.Flow{
		testFlow(0, pkt.ProtoTCP, "10.0.0.1:5000", "10.0.0.2:80"),
		testFlow(1, pkt.ProtoUDP, "10.0.0.1:6000", "10.0.0.2:5201"),
		testFlow(2, pkt.ProtoICMP, "10.0.0.3:0", "10.0.0.2:0"),
	}
}

// lane runs 300 packets of 1000 bytes, 1 ms apart, through a qdisc at 1 Mbit/s,
// which takes 8 ms for each: four of five are of the elephant, then a call's and
// a ping's by turns. Without packets nothing happens.
func lane(t *testing.T, qdisc string, as []*Assertion, names Flows, packets int) Lane {
	t.Helper()
	return laneOn(t, "rate 1mbit", qdisc, as, names, packets)
}

func laneOn(t *testing.T, link, qdisc string, as []*Assertion, names Flows, packets int) Lane {
	t.Helper()
	probe, err := NewProbe(as, names)
	if err != nil {
		t.Fatal(err)
	}
	c, pool := report.NewCollector(), &pkt.Pool{}
	var sink egress.Sink = c
	if probe != nil {
		sink = egress.Tee(c, probe)
	}
	m := egress.Maker{Qdiscs: builtin.Kinds()}
	port, err := m.Port(egress.Config{Qdisc: qdisc, Link: link, Seed: 1}, sink, pool)
	if err != nil {
		t.Fatal(err)
	}
	c.WatchCell(port.Link())
	flows := testFlows()
	for i := range packets {
		p := pool.Get()
		f := 0
		if i%5 == 4 {
			f = 1 + i/5%2
		}
		p.ID, p.Arrival, p.Flow = uint64(i), pkt.Time(i)*pkt.Time(time.Millisecond), flows[f]
		p.Len, p.L3Len, p.HdrLen, p.Segs = 1000, 986, 28, 1
		port.Enqueue(p.Arrival, p)
	}
	port.Drain()
	return Lane{Words: qdisc, Run: report.NewRun(port, c, 2), Port: port, Probe: probe}
}

func check(t *testing.T, s string, names Flows, qdiscs ...string) []Result {
	t.Helper()
	a, err := Parse(s)
	if err != nil {
		return []Result{{Error: err.Error(), Invalid: true}}
	}
	var lanes []Lane
	for _, q := range qdiscs {
		lanes = append(lanes, lane(t, q, []*Assertion{a}, names, 300))
	}
	return Check([]*Assertion{a}, lanes)
}

// TestCheck is what a reader can work out by hand: pfifo holds 10 packets behind
// the one on the wire, so of 300 packets in 300 ms at 8 ms each 38 leave while
// others arrive and 10 after them, the last ones 80 ms after they came.
func TestCheck(t *testing.T) {
	names := Flows{"call": "udp:5201"}
	for _, c := range []struct{ assert, want string }{
		{"arrived == 300", "ok is 300, limit 300"},
		{"arrived_bytes == 300000b", "ok is 300000b, limit 300000b"},
		{"delivered == 48", "ok is 48, limit 48"},
		{"pfifo.drops < 253", "ok is 252, limit 253: 1 (0.395%) to spare"},
		{"pfifo.drops < 252", "FAIL is 252, limit 252"},
		{"drops <= 126", "FAIL is 252, limit 126: 126 (100%) too much"},
		{"drops_overlimit == drops", "ok is 252, limit 252"},
		{"drops_aqm == 1", "FAIL is 0, limit 1: 1 (100%) off"},
		{"drops != 252", "FAIL is 252, limit 252"},
		{"drops != 0", "ok is 252, limit 0: 252 off"},
		{"loss < 84.5%", "ok is 0.84, limit 0.845: 0.005 (0.592%) to spare"},
		{"drops / arrived <= 0.84", "ok is 0.84, limit 0.84"},
		{"sojourn_max > 1s", "FAIL is 80ms, limit 1s: 920ms (92%) too little"},
		{"sojourn_max == 80ms", "ok is 80ms, limit 80ms"},
		{"80ms == sojourn_max", "ok is 80ms, limit 80ms"},
		{"0.1s >= sojourn_max", "ok is 80ms, limit 100ms: 20ms (20%) to spare"},
		{"sojourn_max - sojourn_p50 < 2 * 5ms", "ok is 0, limit 10ms: 10ms (100%) to spare"},
		{"sojourn_max < 1ms", "FAIL is 80ms, limit 1ms: 79ms (7900%) too much"},
		{"sojourn_max < 5ms * 2", "FAIL is 80ms, limit 10ms: 70ms (700%) too much"},
		{"(sojourn_max + 20ms) / 2 == 50ms", "ok is 50ms, limit 50ms"},
		{"sojourn_max / 8ms == 10", "ok is 10, limit 10"},
		{"throughput <= 1mbit", "ok is 1Mbit, limit 1Mbit"},
		{"throughput > 900kbit", "ok is 1Mbit, limit 900Kbit: 100Kbit (11.1%) to spare"},
		{"bytes == 48k - 1152b", "ok is 48000b, limit 48000b"},
		{"max_qlen == 10p", "ok is 10, limit 10"},
		{"qlen == 0", "ok is 0, limit 0"},
		{"backlog == 0", "ok is 0b, limit 0b"},
		{"flow_count == 3", "ok is 3, limit 3"},
		{"pfifo.digest == xxh64:0123456789abcdef", "FAIL is xxh64:07abeb3c2c4579b3, want xxh64:0123456789abcdef"},
		{"digest != xxh64:0123456789abcdef", "ok is xxh64:07abeb3c2c4579b3"},
		{"jain >= 1", "FAIL is 0.484237, limit 1: 0.515763 (51.6%) too little"},
		{"duration > 300ms", "ok is 384ms, limit 300ms: 84ms (28%) to spare"},
		{"flow(udp).arrived == 30", "ok is 30, limit 30"},
		{"flow(call).arrived + flow(icmp).arrived == 60", "ok is 60, limit 60"},
		{"flow(udp, icmp).arrived == 60", "ok is 60, limit 60"},
		{"flow(udp, icmp).flow_count == 2", "ok is 2, limit 2"},
		{"flow(10.0.0.3).arrived_bytes == 30000b", "ok is 30000b, limit 30000b"},
		{"run(1).flow(tcp 10.0.0.1:5000>10.0.0.2:80).arrived == 240", "ok is 240, limit 240"},
		{"run(pfifo limit 10).arrived == 300", "ok is 300, limit 300"},
		{"run(pfifo  limit 10p).arrived == 300", "ok is 300, limit 300"},
		{"pfifo.flow(call).throughput < throughput / 2", "ok is 166.667Kbit, limit 500Kbit: 333.333Kbit (66.7%) to spare"},
		{"throughput > 0.0", "ok is 1Mbit, limit 0: 1Mbit to spare"},
		{"backlog <= 0", "ok is 0b, limit 0b"},
	} {
		says(t, c.assert, names, c.want)
	}
}

// TestCheckInvalid has what cannot be checked, and why.
func TestCheckInvalid(t *testing.T) {
	for _, c := range []struct{ assert, want string }{
		{"red.digest != xxh64:0123456789abcdef", `INVALID no qdisc "red" was run: there are pfifo`},
		{"flow(udp:53).drops == 0", "INVALID no flow matches flow(udp:53): of 3 flows the largest are tcp 10.0.0.1:5000>10.0.0.2:80, udp 10.0.0.1:6000>10.0.0.2:5201"},
		{"fq_codel.drops == 0", `INVALID no qdisc "fq_codel" was run: there are pfifo`},
		{"pfif.drops == 0", `INVALID no qdisc "pfif" was run: did you mean pfifo?`},
		{"run(2).drops == 0", "INVALID run(2): want 1 to 1"},
		{"run(pfifo limit 11).drops == 0", `INVALID no qdisc "pfifo limit 11" was run: there are pfifo limit 10`},
		{"sojourn_p9 < 20ms", `INVALID pfifo has no metric "sojourn_p9": did you mean sojourn_p95, sojourn_mean, sojourn_p50 or sojourn_p99?`},
		{"dropped == 0", `INVALID pfifo has no metric "dropped": did you mean drops, drops_overlimit, drops_overmemory or drops_aqm?`},
		{"marked == 0", `INVALID pfifo has no metric "marked": did you mean marks?`},
		{"backlog_max < 20", `INVALID pfifo has no metric "backlog_max": did you mean sojourn_max, max_qlen or backlog?`},
		{"tin(0).drops == 0", "INVALID pfifo has no tins: cake has"},
		{"class(1:1).drops == 0", "INVALID pfifo has no qdiscs inside"},
		{"station(0).drops == 0", "INVALID pfifo has no stations: a WiFi link has, or mac80211"},
		{"flow(udp).qlen == 0", `INVALID pfifo.flow(udp) has no metric "qlen": did you mean max_qlen?`},
		{"flow(udp).flow(tcp).drops == 0", "INVALID pfifo.flow(udp) has no flows of its own: write flow(tcp) right behind the qdisc"},
		{"band(1).drops == 0", `INVALID pfifo has no scope "band": there are flow(...), tin(...), station(...) or class(...)`},
		{"sojourn_p99 < 20", `INVALID time "20" has no unit: tc would read it as 20us; write 20us or 20ms`},
		{"throughput > 5", `INVALID rate "5" has no unit: tc would read it as 5bit; write 5kbit or 5mbit`},
		{"bytes < 5", `INVALID size "5" has no unit: write 5b for bytes, or 5k`},
		{"sojourn_p99 < 20mbit", `INVALID time "20mbit": unknown unit "mbit"; write it like 5ms, 100us or 1.5s`},
		{"drops < 20ms", `INVALID "20ms": want packets`},
		{"drops < sojourn_p99", "INVALID compares packets with a time"},
		{"sojourn_p99 + drops < 1s", "INVALID adds a time with packets"},
		{"sojourn_p99 * drops < 1s", "INVALID multiplies or divides a time by packets"},
		{"throughput / drops_aqm < 1", "INVALID multiplies or divides a rate by packets"},
		{"drops / drops_aqm < 1", "NONE divides by 0"},
	} {
		says(t, c.assert, nil, c.want)
	}
}

// says checks an assertion over a pfifo against what is said of it.
func says(t *testing.T, assert string, names Flows, want string) {
	t.Helper()
	rs := check(t, assert, names, "pfifo limit 10")
	if len(rs) != 1 {
		t.Fatalf("%s: %d results", assert, len(rs))
	}
	if got := state(rs[0]) + " " + rs[0].String(); got != want {
		t.Errorf("%s:\n got %s\nwant %s", assert, got, want)
	}
}

func state(r Result) string {
	switch {
	case r.Invalid:
		return "INVALID"
	case r.OK:
		return "ok"
	case r.Measured == nil && r.Digest == "":
		return "NONE"
	}
	return "FAIL"
}

// TestQdiscs checks which runs an assertion speaks of.
func TestQdiscs(t *testing.T) {
	for _, c := range []struct{ assert, want string }{
		{"drops > 0", "pfifo#1 true, pfifo#2 false, fq_codel true"},
		{"sojourn_p99 <= pfifo#2.sojourn_p99", "pfifo#1 true, pfifo#2 true, fq_codel true"},
		{"fq_codel.flow(udp).sojourn_p99 < pfifo#2.flow(udp).sojourn_p99 * 0.5", " true"},
		{"run(3).flow(udp).sojourn_p99 < run(2).flow(udp).sojourn_p99 * 50%", " true"},
		{"fq_codel.ecn_mark == fq_codel.marks", " true"},
		{"fq_codel.memory_used <= 32Mb", " true"},
		{"fq_codel.maxpacket < 2000", " true"},
		{"pfifo.drops > 0", " several runs are of pfifo: write pfifo#1, or run(2) for the second of all"},
		{"ecn_mark == 0", `pfifo#1 pfifo#1 has no metric "ecn_mark": did you mean marks, marks_overlimit, marks_overmemory or marks_aqm?, pfifo#2 pfifo#2 has no metric "ecn_mark": did you mean marks, marks_overlimit, marks_overmemory or marks_aqm?, fq_codel true`},
		{"fq_codel.maxpacket < 2k", ` "2k": what it is compared with is a plain number of tc's: give no unit`},
	} {
		var got []string
		for _, r := range check(t, c.assert, nil, "pfifo limit 10", "pfifo limit 1000", "fq_codel") {
			s := fmt.Sprint(r.OK)
			if r.Invalid {
				s = r.Error
			}
			got = append(got, r.Qdisc+" "+s)
		}
		if s := strings.Join(got, ", "); s != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.assert, s, c.want)
		}
	}
}

// TestScopes looks into cake's tins, into qdiscs inside others, and at stations.
func TestScopes(t *testing.T) {
	for _, c := range []struct{ qdisc, assert, want string }{
		{"cake", "cake.tin(Best Effort).sent_packets == cake.arrived", "ok is 300, limit 300"},
		{"cake", "tin(besteffort).target_us == 12.5ms * 1", "FAIL is 5ms, limit 12.5ms: 7.5ms (60%) off"},
		{"cake", "tin(1).sent_bytes == 300000b", "ok is 300000b, limit 300000b"},
		{"cake diffserv4", "tin(video).sent_packets == 0", "ok is 0, limit 0"},
		{"cake bandwidth 2mbit", "capacity_estimate == 2mbit", "ok is 2Mbit, limit 2Mbit"},
		{"cake", "tin(Best Effrt).drops == 0", `INVALID cake has no tin "Best Effrt": there are Bulk, Best Effort or Voice`},
		{"cake diffserv8", "tin(Voice).drops == 0", `INVALID cake has no tin "Voice": there are 0 to 7`},
		{"cake", "tin(3).drops == 0", `INVALID cake has no tin "3": there are Bulk, Best Effort or Voice`},
		{"cake", "tin(1).drop == 0", `INVALID cake.tin(1) has no metric "drop": did you mean drops?`},
		{"prio", "class(1:2).qlen == 0", "ok is 0, limit 0"},
		{"prio", "class(1:2).bytes == bytes", "ok is 300000b, limit 300000b"},
		{"prio [pfifo] [pfifo limit 10] [pfifo]", "class(1:2).drops == drops", "ok is 252, limit 252"},
		{"prio", "class(1:9).qlen == 0", `INVALID prio has no class "1:9": there are 1:1, 1:2 or 1:3`},
		{"tbf rate 1mbit burst 10k limit 30k [ codel ]", "class(1:1).maxpacket <= 1514", "ok is 1000, limit 1514: 514 (33.9%) to spare"},
		{"dualpi2", "dualpi2.ecn_mark == 0", "ok is 0, limit 0"},
		{"pie", "pie.delay < 1s", "ok is 0, limit 1s: 1s (100%) to spare"},
		{"mac80211", "station(0).sent_packets == delivered", "ok is 212, limit 212"},
		{"mac80211", "station(7).drops == 0", `INVALID mac80211 has no station "7": there are 0`},
	} {
		rs := check(t, c.assert, nil, c.qdisc)
		if got := state(rs[0]) + " " + rs[0].String(); got != c.want {
			t.Errorf("%s: %s:\n got %s\nwant %s", c.qdisc, c.assert, got, c.want)
		}
	}
}

func parsed(t *testing.T, s string) *Assertion {
	t.Helper()
	a, err := Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestValidate finds what is wrong before a packet arrived, but for flows.
func TestValidate(t *testing.T) {
	for s, want := range map[string]string{
		"flow(udp).sojourn_p99 < 20ms":    "",
		"sojourn_p99 < 20ms":              "",
		"loss < 1%":                       "",
		"sojourn_p99 < 20":                `"sojourn_p99 < 20": time "20" has no unit: tc would read it as 20us; write 20us or 20ms`,
		"codel.drops == 0":                `"codel.drops == 0": no qdisc "codel" was run: did you mean fq_codel?`,
		"class(1:45).deficit >= 0":        "",
		"station(10.0.0.7).airtime > 0us": "",
		"airtime > 0us":                   "\"airtime > 0us\": fq_codel has no metric \"airtime\": there are arrived, arrived_bytes, delivered, packets, bytes, drops, loss, marks, duplicated, corrupted, reordered, throughput, ...",
		"drops == 0 == 0":                 `"drops == 0 == 0": wants the end, or one of + - * / at "== 0"`,
	} {
		a, err := Parse(s)
		if err == nil {
			err = Validate([]*Assertion{a}, []Lane{lane(t, "fq_codel", []*Assertion{a}, nil, 0)})
		}
		if got := fmt.Sprint(err); got != want && !(err == nil && want == "") {
			t.Errorf("%s: %s, want %s", s, got, want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for s, want := range map[string]string{
		"":                                 "ends where it wants a metric or a number",
		"drops":                            "ends where it wants a comparison: <, <=, ==, !=, >= or >",
		"drops = 0":                        `wants a comparison: <, <=, ==, !=, >= or > at "= 0"`,
		"drops <":                          "ends where it wants a metric or a number",
		"1 < 2":                            "names no metric, so it says nothing about a run: write, for example, sojourn_p99 < 20ms",
		"flow(udp) < 2":                    "flow(udp) names no metric: write one behind it, for example flow(udp).drops",
		"flow(udp.drops < 2":               `flow( has no ")"`,
		"flow().drops < 2":                 "flow() is empty",
		"fq_codel..drops < 2":              `wants a name at ".drops < 2"`,
		"digest < xxh64:0123456789abcdef":  "compares a digest with <: write == or !=",
		"digest == xxh64:0123456789ABCDEF": `wants a digest such as xxh64:3866878217171540 at "xxh64:0123456789ABCDEF"`,
		"digest ==":                        "ends where it wants a digest such as xxh64:3866878217171540",
		"(drops < 2":                       `wants ")" at "< 2"`,
		"drops < 2 2":                      `wants the end, or one of + - * / at "2"`,
		"drops < -1":                       `wants a metric or a number at "-1"`,
		strings.Repeat("(", 2000):          "longer than 1024 characters",
	} {
		_, err := Parse(s)
		if err == nil || !strings.HasSuffix(err.Error(), ": "+want) {
			t.Errorf("%.40q: %v, want %s", s, err, want)
		}
	}
}

// TestMargin checks that a margin's sign says what ok says.
func TestMargin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		op := rapid.SampledFrom([]string{"<", "<=", "==", "!=", ">=", ">"}).Draw(t, "op")
		l, r := float64(rapid.IntRange(-3, 3).Draw(t, "l")), float64(rapid.IntRange(-3, 3).Draw(t, "r"))
		margin, ok := holds(op, l, r)
		if margin > 0 && !ok || margin < 0 && ok {
			t.Errorf("%v %s %v: margin %v, ok %v", l, op, r, margin, ok)
		}
		if m2, ok2 := holds(mirror(op), r, l); m2 != margin || ok2 != ok {
			t.Errorf("%v %s %v is not %v %s %v", l, op, r, r, mirror(op), l)
		}
	})
}

// TestJSON fixes the keys of a result.
func TestJSON(t *testing.T) {
	rs := check(t, "drops < 504", nil, "pfifo limit 10")
	got, err := json.Marshal(rs)
	if want := `[{"assertion":"drops \u003c 504","qdisc":"pfifo","ok":true,"measured":252,"limit":504,"unit":"packets","margin":252,"margin_percent":50}]`; err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
}

// FuzzParse checks that whatever is accepted can be checked against a run, and
// that a result is a number or an error.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"fq_codel.sojourn_p99 < 20ms", "flow(udp:5201).drops == 0", "run(1).tin(Voice).drops/2 != 3*(drops+1)",
		"class(1:2).flow([fd00::1]:80).x >= 10%", "((((drops))))<1", "a#1.b < .5", "0/0 < drops", "cake.digest != xxh64:0123456789abcdef",
	} {
		f.Add(s)
	}
	tt := &testing.T{}
	lanes := []Lane{lane(tt, "fq_codel", nil, nil, 20), lane(tt, "cake", nil, nil, 20)}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := Parse(s)
		if err != nil {
			return
		}
		if got := a.Expand(nil); got != a.String() {
			t.Errorf("%q expands to %q", a, got)
		}
		for _, r := range Check([]*Assertion{a}, lanes) {
			if (r.Measured == nil && r.Digest == "") == (r.Error == "") {
				t.Errorf("%q: %+v", s, r)
			}
			if _, err := json.Marshal(r); err != nil {
				t.Errorf("%q: %v", s, err)
			}
		}
	})
}
