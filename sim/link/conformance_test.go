package link_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/link/linktest"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/tc"
)

// files are what tests' links read.
var files = map[string]string{
	"12mbit.up": "0\n1\n2\n3\n4\n5\n",
	"lte.up":    "3\n3\n3\n10\n11\n50\n50\n400\n",
	"steps.csv": "time,rate\n# an outage\n0s,20mbit\n20ms,0\n50ms,3mbit\n1s,loop\n",
	"last.csv":  "0,1mbit\n5s,10mbit\n",
}

func readFile(name string) ([]byte, error) {
	if s, ok := files[name]; ok {
		return []byte(s), nil
	}
	return nil, fmt.Errorf("open %s: no such file", name)
}

// specs have every wire and every impairment.
var specs = []string{
	"rate 10mbit", "rate 10mbit delay 3ms overhead 22 atm mpu 64", "rate 1gbit ptm", "unlimited", "unlimited delay 3ms",
	"schedule 12mbit.up", "mahimahi lte.up delay 5ms", "rate-file steps.csv", "rate-file last.csv atm delay 1ms",
	"rate 10mbit delay 5ms 4ms", "rate 10mbit delay 5ms 1ms 30% distribution normal", "rate 10mbit delay 5ms 1ms distribution pareto",
	"unlimited delay 5ms 1ms distribution paretonormal", "rate 10mbit loss 3% 20%", "rate 10mbit loss gemodel 2% 20% 90% 1%",
	"rate 10mbit loss state 3% 40% 5% 50% 1%", "rate 10mbit loss 10% ecn", "rate 10mbit duplicate 10%", "rate 10mbit corrupt 5% 10%",
	"rate 10mbit delay 2ms reorder 25% 50% gap 3", "rate 10mbit slot 1ms 8ms packets 20 bytes 20k", "unlimited slot distribution normal 5ms 1ms packets 7",
	"rate 10mbit delay 30ms limit 10", "unlimited slot 0 packets 1", "unlimited loss 20% duplicate 20% corrupt 20% delay 1ms 1ms reorder 5% slot 1ms limit 50",
	"rate 10mbit front loss 5%", "rate 10mbit front duplicate 20% loss 10%", "unlimited front duplicate 30%", "rate 10mbit front corrupt 5%",
	"rate 10mbit front loss 10% ecn", "rate 10mbit front slot 1ms 8ms packets 20", "unlimited front slot 2ms bytes 10k", "unlimited front slot 0 packets 1",
	"schedule lte.up loss 1% front slot 1ms 2ms loss gemodel 1% duplicate 1%", "rate-file steps.csv delay 20ms 5ms loss 1% front loss 1%",
}

func TestConformance(t *testing.T) {
	for _, spec := range specs {
		t.Run(spec, func(t *testing.T) {
			linktest.Conformance(t, func() (link.Link, error) { return link.New(spec, link.Env{Seed: 7, ReadFile: readFile}) })
		})
	}
}

// contention is a link of one's own: it contends, then sends up to three packets
// at once.
type contention struct{ won bool }

func (c *contention) Kind() string        { return "contention" }
func (c *contention) Options() []tc.Field { return nil }
func (c *contention) Transmit(now pkt.Time, src link.Source, out link.Outcome) (pkt.Time, bool) {
	if c.won = !c.won; c.won {
		return now + 100e3, true
	}
	for n := range 3 {
		p := src.Take(now)
		if p == nil {
			return now, false
		}
		out.Deliver(now+100e3*pkt.Time(n+1), p)
	}
	return now + 300e3, true
}

// TestThirdParty runs the suite on a link that is not uq's, and makes sure it can
// fail.
func TestThirdParty(t *testing.T) {
	linktest.Conformance(t, func() (link.Link, error) { return &contention{}, nil })
}

// TestLines checks that what a link prints makes the same link.
func TestLines(t *testing.T) {
	for _, spec := range specs {
		l, err := link.New(spec, link.Env{ReadFile: readFile})
		if err != nil {
			t.Fatal(err)
		}
		line := link.Line(l)
		again, err := link.New(line, link.Env{ReadFile: readFile})
		if err != nil || link.Line(again) != line {
			t.Errorf("%s prints as %q, which is %v, %v", spec, line, again, err)
		}
		if pinned := link.Pin(spec, l); strings.Contains(line, "sha256") != strings.Contains(pinned, "sha256") {
			t.Errorf("%s is pinned as %q", spec, pinned)
		}
	}
}
