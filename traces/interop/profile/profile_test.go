package profile

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/scenario"
	"github.com/uqtool/uq/sim/tc"
)

// iboxText is a profile with an uplink that was measured.
func iboxText(edit ...string) string {
	return strings.NewReplacer(edit...).Replace(`{
	"measurement_node": "there", "peer_cloud_server": "cloud here", "data_flow_direction": "upload",
	"link_type": "cellular", "data_source_url": "https://example.org/7/",
	"config": {
		"uplink": {"bottleneck_bandwidth": 2904, "buffer_size_bytes": 85043, "buffer_size_packets": 56, "propagation_delay": 231,
			"cross_traffic_pattern": [0, 976, 1500]},
		"downlink": {"bottleneck_bandwidth": 100000, "buffer_size_bytes": 15000000, "buffer_size_packets": 10000, "propagation_delay": 0,
			"cross_traffic_pattern": []},
		"__comment": "units"}}`)
}

// rattanText is a config of cells a, b, c ... from left to right, and one delay
// back.
func rattanText(cells ...string) string {
	var b strings.Builder
	at := "left"
	links := "[links]\n"
	for i, c := range cells {
		id := string(rune('a' + i))
		fmt.Fprintf(&b, "[cells.%s]\n%s\n", id, c)
		links += at + " = \"" + id + "\"\n"
		at = id
	}
	links += at + " = \"right\"\nright = \"z\"\nz = \"left\"\n"
	return b.String() + "[cells.z]\ntype = \"Delay\"\ndelay = \"7ms\"\n" + links
}

const (
	plainBw   = "type = \"Bw\"\nbandwidth = \"30Mbps\"\nqueue = \"DropTail\"\nqueue_config = { packet_limit = 60 }"
	plainWait = "type = \"Delay\"\ndelay = \"10ms\""
	plainLoss = "type = \"Loss\"\npattern = [0.001]"
)

// TestParse has the words that profiles become: link, qdisc and a piece of the
// notes.
func TestParse(t *testing.T) {
	up, down := Options{Direction: Up, LinkHeader: 14}, Options{Direction: Down, LinkHeader: 14}
	ether, raw := Options{LinkHeader: 14}, Options{}
	bw := func(rest string) string { return "type = \"Bw\"\nbandwidth = \"1Mbps\"\n" + rest }
	replay := func(rest string) string { return "type = \"BwReplay\"\ntrace = \"lte.up\"\n" + rest }
	huge := "pfifo limit 2147483647"
	for _, c := range []struct {
		name, text  string
		o           Options
		link, qdisc string
		note        string
	}{
		{"iBox, what was measured", iboxText(), ether, "rate 2904kbit delay 231ms", "bfifo limit 85043", "link-layer header of 14 bytes"},
		{"iBox, a download", iboxText(`"upload"`, `"download"`), ether, "rate 100mbit", "bfifo limit 15000000", "did not measure it"},
		{"iBox, defaults", iboxText(), down, "rate 100mbit", "bfifo limit 15000000", "did not measure the downlink"},
		{"iBox, without a direction", iboxText(`"upload"`, `"both"`), up, "rate 2904kbit delay 231ms", "bfifo limit 85043", ""},
		{"iBox, halves", iboxText("2904", "2904.5", "231", "0.25"), ether, "rate 2904500bit delay 250us", "bfifo limit 85043", ""},
		{"iBox, a small buffer", iboxText("85043", "900"), ether, "rate 2904kbit delay 231ms", "bfifo limit 900", "smaller than a packet"},

		{"rattan", rattanText(plainBw, plainWait, plainLoss), ether, "rate 30mbit overhead -14 delay 10ms loss 0.1%", "pfifo limit 60", "random numbers are others"},
		{"rattan, its own run", rattanText(plainBw) + "[commands]\nleft = [\"ping\"]\n[env]\nmode = \"Isolated\"\n", raw, "rate 30mbit", "pfifo limit 60", "rattan's own run is not here: commands, env."},
		{"rattan, back", rattanText(plainBw), down, "unlimited delay 7ms", "pfifo", "No cell has a bandwidth"},
		{"rattan, older", strings.ReplaceAll(rattanText(plainBw), "[cells.", "[devices."), ether, "rate 30mbit overhead -14", "pfifo limit 60", ""},
		{"rattan, a trace without link layer", rattanText(plainBw), raw, "rate 30mbit", "pfifo limit 60", ""},
		{"rattan, its own link layer", rattanText(bw(`bw_type = "LinkLayer"`)), ether, "rate 1mbit overhead 24", huge, "is overhead 24"},
		{"rattan, the same on raw", rattanText(bw(`bw_type = "LinkLayer"`)), raw, "rate 1mbit overhead 38", huge, ""},
		{"rattan, parts", rattanText("type = \"Bw\"\nbandwidth = { gbps = 1, bps = 200000000 }"), raw, "rate 1200mbit", huge, ""},
		{"rattan, sums", rattanText("type = \"Bw\"\nbandwidth = \"1Gbps 200.5Mbps 7bps\""), raw, "rate 1200500007bit", huge, ""},
		{"rattan, no limit", rattanText("type = \"Bw\""), raw, "unlimited", huge, ""},
		{"rattan, bytes", rattanText(bw("queue = \"DropTail\"\nqueue_config = { byte_limit = 9000 }")), ether, "rate 1mbit overhead -14", "bfifo limit 9000", "byte_limit counts 0 bytes"},
		{"rattan, CoDel", rattanText(bw(`queue = "CoDel"`)), raw, "rate 1mbit", "codel limit 2147483647", "codel is Linux's"},
		{"rattan, CoDel's words", rattanText(bw(`queue = "CoDel"` + "\n" + `queue_config = { packet_limit = 99, target = "1ms 500us", interval = "30ms", mtu = 3000 }`)), raw,
			"rate 1mbit", "codel limit 99 target 1500us interval 30ms", "mtu 3000"},
		{"rattan, mahimahi", rattanText(replay(""), plainWait), ether, "schedule FILE delay 10ms", huge, "1504 bytes"},
		{"rattan, mahimahi of old", rattanText("type = \"BwReplay\"\nmahimahi_trace = \"lte.up\""), ether, "schedule FILE", huge, ""},
		{"rattan, delays add up", rattanText(plainWait, plainBw, plainWait), raw, "rate 30mbit delay 20ms", "pfifo limit 60", ""},
		{"rattan, a loss before the queue", rattanText(plainLoss, plainBw, plainWait), raw, "rate 30mbit delay 10ms front loss 0.1%", "pfifo limit 60", "before they reach the queue"},
		{"rattan, a loss alone", rattanText(plainLoss), raw, "unlimited loss 0.1%", "pfifo", ""},
		{"rattan, no loss", rattanText(plainBw, "type = \"Loss\"\npattern = [0]", plainLoss, "type = \"Loss\""), raw, "rate 30mbit loss 0.1%", "pfifo limit 60", ""},
		{"rattan, all lost", rattanText("type = \"Loss\"\npattern = [1]"), raw, "unlimited loss 100%", "pfifo", ""},
		{"rattan, other cells", rattanText(plainBw), raw, "rate 30mbit", "pfifo limit 60", `not on the way from left to right are not here: "z". The other direction is --direction down`},
		{"rattan, qdiscs instead", rattanText(bw(`queue = "DropHead"`)), Options{Qdiscs: []string{"sfq", "cake"}}, "rate 1mbit", "sfq, cake", `replaces the config's queue, "DropHead"`},
		{"rattan, numbered sides", strings.NewReplacer("left =", "left1 =", "\"left\"", "\"left1\"").Replace(rattanText(plainBw)), raw, "rate 30mbit", "pfifo limit 60", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := Parse([]byte(c.text), c.o)
			if err != nil {
				t.Fatal(err)
			}
			file := ""
			if p.File != "" {
				file = "FILE"
			}
			if got := p.Link(file); got != c.link {
				t.Errorf("link %q, want %q", got, c.link)
			}
			if got := strings.Join(p.Qdiscs, ", "); got != c.qdisc {
				t.Errorf("qdiscs %q, want %q", got, c.qdisc)
			}
			if notes := strings.Join(p.Notes, "\n"); !strings.Contains(notes, c.note) {
				t.Errorf("notes %q, want %q", notes, c.note)
			}
		})
	}
}

// TestParseRefuses by name, with a way out.
func TestParseRefuses(t *testing.T) {
	cell := func(text string) string { return rattanText(text) }
	bw := func(rest string) string { return cell("type = \"Bw\"\nbandwidth = \"1Mbps\"\n" + rest) }
	for _, c := range []struct{ name, text, want string }{
		{"nothing", " \n", "it is empty"},
		{"neither", "a: b", "neither iBox's JSON nor rattan's TOML"},
		{"too much", strings.Repeat(" ", MaxBytes+1), "more than 1048576 bytes"},
		{"JSON cut", iboxText()[:200], "read the iBox profile"},
		{"two profiles", iboxText() + iboxText(), "something follows it"},
		{"an unknown key", iboxText("__comment", "remark"), `unknown field "remark"`},
		{"no direction", iboxText(`"upload"`, `"both"`), `"both": want upload or download: choose with --direction`},
		{"no uplink", iboxText(`"uplink"`, `"downlink"`), "has no uplink: take the other with --direction"},
		{"no rate", iboxText("2904", "0"), "bottleneck_bandwidth is 0"},
		{"a negative rate", iboxText("2904", "-1"), `bottleneck_bandwidth: "-1"`},
		{"a rate beyond all", iboxText("2904", "99999999999999999999"), "too much"},
		{"half a byte", iboxText("85043", "1.5"), "finer than uq can hold"},
		{"no buffer", iboxText(`"buffer_size_bytes": 85043,`, ""), "buffer_size_bytes is missing"},
		{"too long a delay", iboxText("231", "3600001"), "propagation_delay: 3600001 is too much"},
		{"too much cross traffic", iboxText("976", "10000001"), "cross_traffic_pattern[1]: 10000001 is too much"},
		{"cross traffic for days", iboxText("[0, 976, 1500]", "["+strings.Repeat("1,", maxSeconds)+"1]"), "has 3601 values: want at most 3600"},

		{"an unknown section", "[cell.a]\n", `unknown section "cell"`},
		{"cells twice", "[cells.a]\n[devices.b]\n[links]", "write one of them"},
		{"no cells", "[links]\n", "no [cells.NAME]"},
		{"no links", "[cells.a]\n", "no [links]"},
		{"links to nowhere", "[cells.a]\ntype=\"Delay\"\n[links]\nleft=\"b\"", `leads to "b", which is no cell`},
		{"links that end", "[cells.a]\ntype=\"Delay\"\n[links]\nleft=\"a\"", `ends at "a"`},
		{"links that go round", "[cells.a]\n[cells.b]\n[links]\nleft=\"a\"\na=\"b\"\nb=\"a\"", `goes round at "a"`},
		{"links that lead back", "[cells.a]\n[links]\nleft=\"a\"\na=\"left\"", "leads back to it"},
		{"links that begin nowhere", "[cells.a]\n[links]\nright=\"a\"\na=\"left\"", `[links] has no "left": choose with --direction`},
		{"several devices", "[cells.a]\n[links]\nleft1=\"a\"\nleft2=\"a\"\na=\"right\"", "several devices on the left"},
		{"links that are no names", "[cells.a]\n[links]\nleft=1", "links.left: want the name of a cell"},
		{"a cell that is none", "[cells]\na=1\n[links]\nleft=\"a\"\na=\"right\"", "want a table"},
		{"no type", cell("delay = \"1ms\""), "has no type"},
		{"an unknown type", cell("type = \"Magic\""), `unknown type "Magic": uq takes Bw`},
		{"a router", "[cells.a]\ntype=\"Router\"\negress_connections=[\"b\"]\n[links]\nleft=\"a\"", "type Router has no equal in uq: a uq link has one way"},
		{"a token bucket", cell("type = \"TokenBucket\""), "type TokenBucket has no equal in uq: write the qdisc \"tbf"},
		{"a delay from a file", cell("type = \"DelayReplay\"\ntrace = \"x\""), "type DelayReplay has no equal"},
		{"a loss from a file", cell("type = \"LossReplay\"\ntrace = \"x\""), "loss gemodel"},
		{"a cell of one's own", cell("type = \"Custom\""), "type Custom has no equal"},
		{"an unknown key in a cell", cell("type = \"Delay\"\nwait = \"1ms\""), `unknown key "wait"`},
		{"a delay without a unit", cell("type = \"Delay\"\ndelay = \"10\""), `"10": want numbers with units`},
		{"a delay in months", cell("type = \"Delay\"\ndelay = \"1month\""), `unit "month": want ns, us, ms, s or min`},
		{"a delay that is a number", cell("type = \"Delay\"\ndelay = 10"), "delay: want a string"},
		{"a delay beyond Mars", cell("type = \"Delay\"\ndelay = \"61min\""), "want at most 1h0m0s"},
		{"delays beyond Mars", rattanText("type = \"Delay\"\ndelay = \"40min\"", "type = \"Delay\"\ndelay = \"40min\""), "add up to more than"},
		{"two rates", rattanText(plainBw, plainBw), `cell "b": cell "a" has a bandwidth already: a uq link has one bottleneck`},
		{"a rate of 0", cell("type = \"Bw\"\nbandwidth = \"0Mbps\""), "bandwidth 0 sends nothing"},
		{"a rate in bytes", cell("type = \"Bw\"\nbandwidth = \"1MBps\""), `unit "MBps": want bps, kbps`},
		{"a rate without a unit", cell("type = \"Bw\"\nbandwidth = 5"), `want "30Mbps" or`},
		{"parts beyond their size", cell("type = \"Bw\"\nbandwidth = { gbps = 1, bps = 1000000000 }"), "bps below that"},
		{"parts unknown", cell("type = \"Bw\"\nbandwidth = { mbps = 1 }"), `unknown key "bandwidth.mbps"`},
		{"an unknown layer", bw("bw_type = \"L2\""), `bw_type "L2": want NetworkLayer or LinkLayer`},
		{"an unknown queue", bw("queue = \"Stack\""), `unknown queue "Stack"`},
		{"a queue that uq has not", bw("queue = \"DropHead\""), "write DropTail, or give the qdiscs to run with --qdisc"},
		{"RED", bw("queue = \"Red\""), "write its tc words, or give the qdiscs"},
		{"both limits", bw("queue = \"DropTail\"\nqueue_config = { packet_limit = 1, byte_limit = 2 }"), "take one out"},
		{"no room at all", bw("queue = \"DropTail\"\nqueue_config = { packet_limit = 0 }"), "queue_config.packet_limit 0"},
		{"CoDel by bytes", bw("queue = \"CoDel\"\nqueue_config = { byte_limit = 10 }"), "write packet_limit"},
		{"an unknown key in a queue", bw("queue = \"DropTail\"\nqueue_config = { limit = 1 }"), `unknown key "queue_config.limit"`},
		{"a queue's word that is another's", bw("queue = \"Infinite\"\nqueue_config = { packet_limit = 1 }"), `unknown key "queue_config.packet_limit"`},
		{"a rate from a model", cell("type = \"BwReplay\"\ntrace = \"bw.json\""), "netem-trace's models has no equal"},
		{"a rate from a model in words", cell("type = \"BwReplay\"\ntrace_config_str = \"{}\""), "netem-trace's models has no equal"},
		{"a rate from nowhere", cell("type = \"BwReplay\""), "has no trace"},
		{"a variable", cell("type = \"BwReplay\"\ntrace = \"$HOME/x\""), "write the name out"},
		{"a loss pattern", cell("type = \"Loss\"\npattern = [0.1, 0.2]"), "a loss pattern of 2 values"},
		{"a loss beyond all", cell("type = \"Loss\"\npattern = [1.5]"), "want a loss rate"},
		{"a loss of nothing", cell("type = \"Loss\"\npattern = [1e-12]"), "want a loss rate"},
		{"a loss of no number", cell("type = \"Loss\"\npattern = [nan]"), "finite"},
		{"losses", rattanText(plainLoss, plainLoss), `cell "a" loses packets already`},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := Parse([]byte(c.text), Options{LinkHeader: 14})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v of %+v, want %q", err, p, c.want)
			}
		})
	}
	if _, err := Parse([]byte(iboxText()), Options{Direction: "sideways"}); err == nil {
		t.Error("a direction that is none: no error")
	}
	if _, err := Parse([]byte(rattanText(plainBw)), Options{LinkHeader: 100}); err == nil || !strings.Contains(err.Error(), "another --trace") {
		t.Errorf("a link-layer header longer than overhead can be: %v", err)
	}
}

// TestScenario is the whole file of each kind.
func TestScenario(t *testing.T) {
	p, err := Parse([]byte(iboxText()), Options{LinkHeader: 14})
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.Scenario("there/\x01profile.json", `my "own".zst`, "", "cross.zst")
	if err != nil {
		t.Fatal(err)
	}
	want := `# From the iBox profile there/` + "\ufffd" + `profile.json: uplink of "cellular", "there" to
# "cloud here", learned from "https://example.org/7/".
# What differs from it:
# - The buffer is its buffer_size_bytes; buffer_size_packets, 56 of the MTU's size,
#   is not taken besides.
# - The other direction is not here: iBox did not measure it, its values are
#   defaults.
# - The profile does not say which headers its rate and its buffer count: uq's count
#   the IP packet and the trace's link-layer header of 14 bytes.
# - Its cross traffic is in cross.zst, not in the trace below. To add it: uq trace
#   merge TRACE cross.zst -o MERGED, and name MERGED as the trace.
link = "rate 2904kbit delay 231ms"

[[run]]
name = "uplink of \"cellular\", \"there\" to \"cloud here\""
trace = "my \"own\".zst"
qdiscs = ["bfifo limit 85043"]
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("scenario (-want +got):\n%s", diff)
	}
	if _, err := scenario.Parse("x.toml", []byte(got)); err != nil {
		t.Error(err)
	}
}

// TestNumbers has decimals and units to the last digit.
func TestNumbers(t *testing.T) {
	for _, c := range []struct {
		text  string
		scale uint64
		want  uint64
		exact bool
		bad   bool
	}{
		{"12", 1, 12, true, false}, {"1.5", 1000, 1500, true, false}, {"0.0005", 1000, 0, false, false},
		{"1.0000", 1, 1, true, false}, {"1.1", 1, 1, false, false}, {"1.25", 60, 75, true, false}, {"1.01", 60, 60, false, false}, {"0.0000000000000000001", 1e18, 0, false, false}, {"1.5", 60, 90, true, false},
		{"18446744073709551615", 1, 1<<64 - 1, true, false}, {"18446744073709551615", 2, 0, false, true},
		{"", 1, 0, false, true}, {".5", 10, 0, false, true}, {"5.", 10, 0, false, true}, {"1e3", 1, 0, false, true}, {"-1", 1, 0, false, true},
	} {
		v, exact, err := decimal(c.text, c.scale)
		if (err != nil) != c.bad || err == nil && (v != c.want || exact != c.exact) {
			t.Errorf("%q by %d: %d, %t, %v", c.text, c.scale, v, exact, err)
		}
	}
	for fraction, want := range map[float64]string{0.1: "10%", 0.001: "0.1%", 1: "100%", 0.125: "12.5%", 0.00001: "0.001%", 0.3: "30%", 0.07: "7%"} {
		if got := percent(fraction); got != want {
			t.Errorf("%v is %q, want %q", fraction, got, want)
		}
	}
	for ns, want := range map[uint64]string{0: "0ns", 1500: "1500ns", 2000: "2us", 3e9: "3s", 60e9: "60s", 86e6: "86ms"} {
		if got := timeText(ns); got != want {
			t.Errorf("%d ns is %q, want %q", ns, got, want)
		}
	}
}

// FuzzParse holds that whatever is taken has words that the link and the scenario
// take, too.
func FuzzParse(f *testing.F) {
	f.Add([]byte(iboxText()), false)
	f.Add([]byte(rattanText(plainLoss, plainBw, plainWait)), false)
	f.Add([]byte(rattanText("type = \"BwReplay\"\ntrace = \"lte.up\"\nqueue = \"CoDel\"", plainLoss)), true)
	f.Add([]byte(rattanText("type = \"Bw\"\nbandwidth = { gbps = 1, bps = 2 }\nbw_type = \"LinkLayer\"")), false)
	f.Fuzz(func(t *testing.T, data []byte, down bool) {
		o := Options{LinkHeader: 14}
		if down {
			o.Direction = Down
		}
		p, err := Parse(data, o)
		if err != nil {
			return
		}
		file := ""
		if p.File != "" {
			file = "FILE"
		}
		env := link.Env{Seed: 1, ReadFile: func(string) ([]byte, error) { return []byte("1\n2\n"), nil }}
		if _, err := link.New(p.Link(file), env); err != nil {
			t.Errorf("link %q: %v", p.Link(file), err)
		}
		for _, q := range p.Qdiscs {
			if words := strings.Fields(q); len(words) > 2 {
				if _, err := tc.ParseSize(words[2]); err != nil {
					t.Errorf("qdisc %q: %v", q, err)
				}
			}
		}
		text, err := p.Scenario("p", "t.zst", file, "c.zst")
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := scenario.Parse("p.toml", []byte(text))
		if err != nil {
			t.Fatalf("scenario:\n%s\n%v", text, err)
		}
		if got := parsed.Runs[0].Cases[0].Link.Text; got != p.Link(file) {
			t.Errorf("the scenario's link is %q, want %q", got, p.Link(file))
		}
	})
}
