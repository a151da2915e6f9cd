package netns

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/uqtool/uq/replay/netns/traffic"
)

func TestParseBottleneck(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want Bottleneck
		str  string
	}{
		{"rate 20mbit delay 20ms limit 200", Bottleneck{Rate: 20_000_000, Delay: 20 * time.Millisecond, Limit: 200},
			"rate 20mbit delay 20ms limit 200 burst 5000b"},
		{"limit 10p burst 2k rate 1mbit", Bottleneck{Rate: 1_000_000, Limit: 10, Burst: 2048}, "rate 1mbit limit 10 burst 2Kb"},
		{"delay 500us", Bottleneck{Delay: 500 * time.Microsecond}, "delay 500us"},
		{"rate 1mbit", Bottleneck{Rate: 1_000_000}, "rate 1mbit limit 1000 burst 3028b"},
	} {
		got, err := ParseBottleneck(tt.in)
		if err != nil {
			t.Errorf("%q: %v", tt.in, err)
			continue
		}
		if d := cmp.Diff(tt.want, *got); d != "" {
			t.Errorf("%q: %s", tt.in, d)
		}
		if got.String() != tt.str {
			t.Errorf("%q prints %q, want %q", tt.in, got, tt.str)
		}
		again, err := ParseBottleneck(got.String())
		if err != nil || again.String() != tt.str {
			t.Errorf("%q read again: %v, error %v", tt.str, again, err)
		}
	}
}

func TestParseBottleneckRefuses(t *testing.T) {
	for in, want := range map[string]string{
		"":                     "want a rate",
		"rate":                 "no value",
		"rate fast":            "rate",
		"rate 1kbit":           "at least",
		"delay 20":             "delay",
		"delay 1h":             "delay",
		"delay 11s":            "at most 10s",
		"rate 1mbit limit 2g":  "limit",
		"rate 1mbit burst 100": "below one packet",
		"rate 1mbit loss 1%":   "unknown",
		"limit 100":            "want a rate",
	} {
		if b, err := ParseBottleneck(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, error %v: want %q", in, b, err, want)
		}
	}
}

func TestConfigValidate(t *testing.T) {
	mix := &traffic.Mix{Name: "mix", Duration: time.Second}
	for _, tt := range []struct {
		cfg  Config
		want string
	}{
		{Config{Traffic: mix}, ""},
		{Config{Command: []string{"true"}, Direction: Both}, ""},
		{Config{}, "either a command or"},
		{Config{Traffic: mix, Command: []string{"true"}}, "either a command or"},
		{Config{Traffic: mix, Direction: "sideways"}, "direction"},
		{Config{Traffic: mix, Stations: 200}, ""},
		{Config{Traffic: mix, Stations: 201}, "201 stations: want 0 to 200"},
		{Config{Ends: true, Stations: 2}, "no command, server, stations"},
		{Config{Traffic: mix, Queue: 65535}, "queue 65535"},
		{Config{Traffic: &traffic.Mix{Name: "x", Duration: 1}}, "traffic"},
		{Config{Traffic: mix, Bottleneck: &Bottleneck{}}, "bottleneck"},
	} {
		err := tt.cfg.Validate()
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: error %v, want %q", tt.cfg, err, tt.want)
		}
	}
}

func TestScenario(t *testing.T) {
	c := Config{Direction: Down, Congestion: "reno", Bottleneck: &Bottleneck{Rate: 2_000_000},
		Traffic: &traffic.Mix{Name: "udp", Duration: time.Second}}
	b, sources, command := c.Scenario()
	if b != "rate 2mbit limit 1000 burst 3028b" || command != "" {
		t.Errorf("scenario %q, %q", b, command)
	}
	want := "cbr1: UDP 1 x 1400 B each 7.14ms (1600 kbit/s), server to client, IPv4"
	if len(sources) != 5 || sources[0] != want {
		t.Errorf("sources %q, want first %q", sources, want)
	}
	c = Config{Command: []string{"iperf3", "-c", "10.0.2.2"}}
	if b, sources, command = c.Scenario(); b != "" || sources != nil || command != "iperf3 -c 10.0.2.2" {
		t.Errorf("scenario %q, %q, %q", b, sources, command)
	}
}

func TestHiddenIgnoresUsers(t *testing.T) {
	for _, args := range [][]string{{"uq"}, {"uq", "record"}, {"uq", routerCommandForTest, "x"}} {
		if _, ours := Hidden(args, Roles{}); ours {
			t.Errorf("Hidden took %q", args)
		}
	}
}

const routerCommandForTest = "__lab-router"
