package metric

import (
	"fmt"
	"testing"

	"github.com/uqtool/uq/sim/pkt"
)

// TestSelectors matches a flow of each family.
func TestSelectors(t *testing.T) {
	four := testFlow(0, pkt.ProtoUDP, "10.0.1.2:47843", "10.0.2.2:5201")
	six := testFlow(1, pkt.ProtoTCP, "[fd00::1]:5000", "[fd00:1::2]:443")
	for _, c := range []struct {
		s         string
		four, six bool
	}{
		{"udp", true, false}, {"tcp", false, true}, {"icmp", false, false},
		{"5201", true, false}, {":5201", true, false}, {"47843", true, false}, {"443", false, true},
		{"udp:5201", true, false}, {"tcp:5201", false, false},
		{"10.0.1.2", true, false}, {"10.0.1.2:47843", true, false}, {"10.0.1.2:5201", false, false},
		{"10.0.0.0/8", true, false}, {"10.0.0.0/8:5201", true, false}, {"0.0.0.0/0", true, false},
		{"udp:10.0.2.2:5201", true, false}, {"udp:10.0.2.2", true, false},
		{">10.0.2.2", true, false}, {"10.0.2.2>", false, false}, {"udp:>:5201", true, false}, {"udp:*>*:5201", false, false},
		{"10.0.1.2>10.0.2.2:5201", true, false}, {"10.0.1.0/24:47843>10.0.2.0/24", true, false},
		{"udp 10.0.1.2:47843>10.0.2.2:5201", true, false}, {"17 10.0.1.2:47843>10.0.2.2:5201", true, false},
		{"fd00::1", false, true}, {"[fd00::1]", false, true}, {"[fd00::1]:5000", false, true}, {"tcp:[fd00:1::2]:443", false, true},
		{"fd00::/16", false, true}, {"tcp [fd00::1]:5000>[fd00:1::2]:443", false, true},
		{"udp, 443", true, true}, {"icmp, 10.9.9.9", false, false},
	} {
		sel, err := parseSelector(c.s)
		if c.s == "udp:*>*:5201" {
			if err == nil {
				t.Errorf("%s was read", c.s)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.s, err)
			continue
		}
		if a, b := sel.match(&four.FlowKey), sel.match(&six.FlowKey); a != c.four || b != c.six {
			t.Errorf("%s: %v %v, want %v %v", c.s, a, b, c.four, c.six)
		}
	}
	for _, s := range []string{"", "voip", "udp,", "10.0.0", "10.0.1.2:x", "65536", "[fd00::1", "fe80::1%eth0", "udp:voip"} {
		if _, err := parseSelector(s); err == nil {
			t.Errorf("%q was read as a selector", s)
		}
	}
}

func TestFlowNames(t *testing.T) {
	for name, c := range map[string]struct {
		f    Flows
		want string
	}{
		"fine":    {Flows{"voip": "udp:5201", "web-1": "tcp:80, tcp:443"}, "<nil>"},
		"taken":   {Flows{"udp": "tcp"}, `flow "udp": a selector by itself: choose another name`},
		"no name": {Flows{"a b": "tcp"}, `flow "a b": a name has letters, digits, _ and -`},
		"bad":     {Flows{"voip": "upd"}, `flow voip: "upd" selects no flows: "upd" is no protocol, address or port: want ` + selectorHelp},
	} {
		if _, err := c.f.Names(); fmt.Sprint(err) != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	f := Flows{}
	for _, c := range []struct{ s, want string }{
		{"voip=udp:5201", "<nil>"}, {" web = tcp:80, tcp:443 ", "<nil>"}, {"voip=tcp", "voip is udp:5201 already"},
		{"voip", "want NAME=SELECTOR, for example voip=udp:5201"}, {"=udp", `flow "": a name has letters, digits, _ and -`},
		{"call=", `flow call: "" selects no flows: nothing named: want ` + selectorHelp}, {"udp=tcp", `flow "udp": a selector by itself: choose another name`},
	} {
		if err := f.Define(c.s); fmt.Sprint(err) != c.want {
			t.Errorf("--flow %s: %v, want %s", c.s, err, c.want)
		}
	}
	for _, c := range []struct{ s, want string }{
		{"voip", "<nil>"}, {"web", "<nil>"}, {"viop", `no flows are named "viop": did you mean voip?`},
		{"game", `"game" selects no flows: "game" is no protocol, address or port: want ` + selectorHelp + "; or name them: --flow game=udp:5201, in a scenario [flows]"},
		{"10.0.0", `"10.0.0" selects no flows: "10.0.0" is no protocol, address or port: want ` + selectorHelp},
	} {
		if _, err := f.selector(c.s); fmt.Sprint(err) != c.want {
			t.Errorf("flow(%s): %v, want %s", c.s, err, c.want)
		}
	}
	a, err := Parse("flow(voip).drops == fq_codel.flow( web ).drops + flow(icmp).drops")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := a.Expand(Flows{"voip": "udp:5201", "web": "tcp:80"}), "flow(udp:5201).drops == fq_codel.flow(tcp:80).drops + flow(icmp).drops"; got != want {
		t.Errorf("expands to %s, want %s", got, want)
	}
}
