package replay

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/traces"
)

// readFile is where these tests' links are read from.
func readFile(name string) ([]byte, error) {
	switch name {
	case "lte.up":
		return []byte("0\n1\n1\n1\n2\n3\n3\n4\n5\n6\n7\n"), nil
	case "other.up":
		return []byte("1\n2\n"), nil
	case "steps.csv":
		return []byte("0s,30mbit\n20ms,0\n30ms,10mbit\n100ms,loop\n"), nil
	}
	return nil, fmt.Errorf("open %s: no such file", name)
}

// TestParityOfLinks is the promise of TestParity for every link that can run
// live.
func TestParityOfLinks(t *testing.T) {
	for i, spec := range []string{
		"rate 20mbit overhead 22 atm mpu 64 delay 3ms", "schedule lte.up delay 2ms", "rate-file steps.csv delay 1ms",
		"rate 20mbit delay 10ms 9ms", "rate 20mbit delay 10ms 2ms 30% distribution paretonormal", "unlimited delay 5ms 5ms",
		"rate 20mbit loss 5% 20%", "rate 20mbit loss gemodel 2% 20% delay 5ms", "rate 20mbit loss state 2% 20% 10% 30% 1%", "rate 20mbit loss 20% ecn",
		"rate 20mbit delay 5ms reorder 20% 10% gap 3", "rate 20mbit slot 2ms 9ms packets 20", "unlimited slot distribution normal 3ms 1ms limit 30",
		"rate 20mbit delay 40ms limit 20", "rate 20mbit front loss 5%", "rate 20mbit front loss 10% ecn", "rate 20mbit front slot 2ms 5ms packets 30",
		"schedule lte.up delay 5ms 5ms loss 2% slot 1ms front loss 2% slot 1ms 3ms packets 9",
		"wifi ht20 sta 10.0.2.2 mcs7 sta fd00::2 mcs1 error 10%", "wifi g sta 10.0.2.2 11mbit sta fd00::1 6mbit error 5%",
		"wifi ht40 sta fd00::1 mcs3 error 20% delay 2ms 1ms loss 2%",
	} {
		for _, qdisc := range []string{"pfifo limit 100", "fq_codel", "mac80211 airtime"} {
			t.Run(qdisc+"/"+spec, func(t *testing.T) {
				conf := traces.Scheduler{Qdisc: qdisc, Link: spec, Seed: uint64(i)}
				s := play(t, conf, LiveOptions{}, func(s *session) {
					g := newTraffic(t, uint64(i))
					g.ect, g.gso = uint8(i%3), i%4 == 0
					s.burst(g, 1500, 600*time.Microsecond)
					time.Sleep(20 * time.Second)
				})
				if s.err != nil {
					t.Fatal(s.err)
				}
				checkParity(t, s, conf)
			})
		}
	}
}

// TestOtherFile checks that a run over a file is not verified with another one.
func TestOtherFile(t *testing.T) {
	conf := traces.Scheduler{Qdisc: "pfifo", Link: "schedule lte.up delay 1ms"}
	l, err := ports.Link(egress.Config{Link: conf.Link})
	if err != nil {
		t.Fatal(err)
	}
	conf.Link = link.Pin(conf.Link, l)
	s := play(t, conf, LiveOptions{}, func(s *session) {
		s.burst(newTraffic(t, 1), 100, time.Millisecond)
		time.Sleep(time.Second)
	})
	if v, err := verify(t, s.trace.Bytes()); err != nil || v.Divergence != nil || v.Decisions != 100 {
		t.Errorf("%+v, %v", v, err)
	}
	other := ports
	other.ReadFile = func(string) ([]byte, error) { return readFile("other.up") }
	gone := ports
	gone.ReadFile = func(name string) ([]byte, error) { return readFile(name + ".gone") }
	for want, m := range map[string]egress.Maker{"schedule lte.up is another file than the link was described with": other, "no such file": gone} {
		r, err := traces.NewReader(bytes.NewReader(s.trace.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Verify(r, m); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
