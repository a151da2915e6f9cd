package nft

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/uqtool/uq/sim/pkt"
)

func TestRuleString(t *testing.T) {
	for _, tt := range []struct {
		rule Rule
		want string
	}{
		{Rule{Hook: Forward, OutDev: "to-server"},
			`hook forward priority 0: oifname "to-server" counter queue to 0`},
		{Rule{Hook: Forward, Priority: -10, Queue: 3, Bypass: true},
			`hook forward priority -10: counter queue flags bypass to 3`},
		{Rule{Hook: Forward, Queue: 3, Queues: 4, Bypass: true},
			`hook forward priority 0: counter queue flags bypass to 3-6`},
		{Rule{Hook: Forward, Queue: 65534, Queues: 2, Bypass: true, Fanout: true},
			`hook forward priority 0: counter queue flags bypass,fanout to 65534-65535`},
		{Rule{Hook: Forward, Queues: 2, Fanout: true},
			`hook forward priority 0: counter queue flags fanout to 0-1`},
		{Rule{Hook: Output, Proto: pkt.ProtoTCP, Port: 80, Bypass: true},
			`hook output priority 0: meta l4proto tcp th sport 80 counter queue flags bypass to 0; ` +
				`meta l4proto tcp th dport 80 counter queue flags bypass to 0`},
		{Rule{Hook: Input, DstPort: 53},
			`hook input priority 0: meta l4proto tcp th dport 53 counter queue to 0; ` +
				`meta l4proto udp th dport 53 counter queue to 0`},
		{Rule{Hook: Input, InDev: "eth0", Src: netip.MustParsePrefix("10.1.2.3/8")},
			`hook input priority 0: icmpv6 type 133-137 accept; ` +
				`iifname "eth0" ip saddr 10.0.0.0/8 counter queue to 0`},
		{Rule{Hook: Forward, Dst: netip.MustParsePrefix("fd00::/64"), Proto: pkt.ProtoICMPv6},
			`hook forward priority 0: ip6 daddr fd00::/64 meta l4proto ipv6-icmp counter queue to 0`},
		{Rule{Hook: Postrouting, Proto: pkt.ProtoUDP, Queue: 4, Except: 0x20},
			`hook postrouting priority 0: meta mark & 0x20 == 0x20 accept; meta l4proto udp counter queue to 4`},
		{Rule{Hook: Forward, Priority: 5, Mark: 1, SetCE: true},
			`hook forward priority 5: meta mark & 0x1 == 0x1 ip ecn set ce; meta mark & 0x1 == 0x1 ip6 ecn set ce`},
	} {
		if err := tt.rule.Validate(); err != nil {
			t.Errorf("%s: %v", tt.want, err)
		}
		if d := cmp.Diff(tt.want, tt.rule.String()); d != "" {
			t.Error(d)
		}
	}
}

func TestScript(t *testing.T) {
	want := `table inet uq-7 {
	chain record {
		type filter hook forward priority 0; policy accept;
		oifname "b" counter queue to 1
	}
}
`
	if d := cmp.Diff(want, Script("uq-7", Rule{Hook: Forward, OutDev: "b", Queue: 1})); d != "" {
		t.Error(d)
	}
}

func TestValidateRefuses(t *testing.T) {
	for _, tt := range []struct {
		rule Rule
		want string
	}{
		{Rule{}, "hook"},
		{Rule{Hook: "ingress"}, "hook"},
		{Rule{Hook: Output, InDev: "a"}, "no input device"},
		{Rule{Hook: Prerouting, OutDev: "a"}, "no output device"},
		{Rule{Hook: Forward, OutDev: "a-name-of-sixteen"}, "at most 15"},
		{Rule{Hook: Forward, Port: 1, SrcPort: 2}, "either port"},
		{Rule{Hook: Forward, Queue: 65534, Queues: 3}, "want 1 to 2"},
		{Rule{Hook: Forward, Queues: -1}, "at most 65535"},
		{Rule{Hook: Forward, Fanout: true}, "more than one queue"},
		{Rule{Hook: Forward, Port: 1, Proto: pkt.ProtoICMP}, "no ports"},
		{Rule{Hook: Forward, Src: netip.MustParsePrefix("10.0.0.0/8"), Dst: netip.MustParsePrefix("fd00::/8")}, "one is IPv4"},
		{Rule{Hook: Forward, Src: netip.MustParsePrefix("10.0.0.0/8"), Proto: pkt.ProtoICMPv6}, "use icmp"},
		{Rule{Hook: Forward, Src: netip.MustParsePrefix("fd00::/8"), Proto: pkt.ProtoICMP}, "use icmpv6"},
	} {
		if err := tt.rule.Validate(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: error %v, want %q", tt.rule, err, tt.want)
		}
	}
}
