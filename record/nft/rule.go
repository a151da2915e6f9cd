// Package nft installs the rules that feed an NFQUEUE, through netlink and
// without the nft program, and takes them away again.
//
//	table inet uq-4711 {                    one table a process
//		chain record {                      one chain a Rule
//			type filter hook forward priority 0; policy accept;
//			oifname "to-server" counter queue flags bypass to 0
//		}
//	}
//
// The table carries nft's owner flag where the kernel has it (5.12): it is gone
// with the socket that made it, so even a killed uq leaves no rule behind.
package nft

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/uqtool/uq/sim/pkt"
)

// Hook is a netfilter hook by nft's name.
type Hook string

// The hooks of the IP stack.
const (
	Prerouting  Hook = "prerouting"
	Input       Hook = "input"
	Forward     Hook = "forward"
	Output      Hook = "output"
	Postrouting Hook = "postrouting"
)

// ParseHook reads a hook's name.
func ParseHook(s string) (Hook, error) {
	switch h := Hook(s); h {
	case Prerouting, Input, Forward, Output, Postrouting:
		return h, nil
	}
	return "", fmt.Errorf("hook %q: want prerouting, input, forward, output or postrouting", s)
}

// Rule says which packets go to which queue. Zero fields match everything.
type Rule struct {
	// Name names the chain; "record" when empty.
	Name string
	// Hook and Priority place the chain; priorities are nft's (filter is 0,
	// lower comes first).
	Hook     Hook
	Priority int

	InDev, OutDev string // device by name; the hook must know it
	Proto         uint8  // pkt.ProtoTCP, ProtoUDP, ProtoICMP or ProtoICMPv6
	SrcPort       uint16 // TCP and UDP
	DstPort       uint16
	Port          uint16       // either side; excludes SrcPort and DstPort
	Src, Dst      netip.Prefix // of one family
	Mark          uint32       // firewall mark: all of these bits
	// Except lets packets with all bits of this mark pass beside the queue; 0 lets
	// none.
	Except uint32

	// Queue is the NFQUEUE number, and Bypass lets packets pass while nobody
	// listens there instead of dropping them.
	Queue  uint16
	Bypass bool
	// Queues is how many queues, from number Queue on, the packets are spread
	// over; 0 is one. The kernel chooses by a hash of both addresses and the
	// protocol: all flows of that kind between two hosts, either way, stay in one
	// queue.
	Queues int
	// Fanout chooses by the processor that handles the packet instead, which
	// spreads the flows between two hosts, too. A flow stays in one queue while
	// one processor handles it: a device with receive queues sees to that, and a
	// sender on this host that the kernel moves does not.
	Fanout bool
	// SetCE makes the rule rewrite the ECN field to CE instead of queueing: for
	// packets a verdict has marked (Mark), in a chain after the queue's.
	SetCE bool
}

// Validate names the first field that cannot work.
func (r Rule) Validate() error {
	if _, err := ParseHook(string(r.Hook)); err != nil {
		return err
	}
	switch {
	case r.InDev != "" && (r.Hook == Output || r.Hook == Postrouting):
		return fmt.Errorf("device %s: hook %s has no input device: match the output device", r.InDev, r.Hook)
	case r.OutDev != "" && (r.Hook == Input || r.Hook == Prerouting):
		return fmt.Errorf("device %s: hook %s has no output device: match the input device", r.OutDev, r.Hook)
	case len(r.InDev) > 15 || len(r.OutDev) > 15:
		return fmt.Errorf("device %q: names have at most 15 bytes", r.InDev+r.OutDev)
	case r.Port != 0 && (r.SrcPort != 0 || r.DstPort != 0):
		return errors.New("port: give either port, or sport and dport")
	case r.hasPorts() && r.Proto != 0 && r.Proto != pkt.ProtoTCP && r.Proto != pkt.ProtoUDP:
		return fmt.Errorf("port: protocol %s has no ports", pkt.ProtoName(r.Proto))
	case r.Src.IsValid() && r.Dst.IsValid() && r.Src.Addr().Is4() != r.Dst.Addr().Is4():
		return fmt.Errorf("addresses %s and %s: one is IPv4, the other IPv6", r.Src, r.Dst)
	case r.Queues < 0 || int(r.Queue)+r.Queues > 1<<16:
		return fmt.Errorf("%d queues from %d: want 1 to %d, so that the last number is at most 65535", r.Queues, r.Queue, 1<<16-int(r.Queue))
	case r.Fanout && r.Queues < 2:
		return errors.New("fanout: choosing a queue by processor needs more than one queue")
	}
	return r.validateFamily()
}

// validateFamily finds protocols and addresses that exclude each other.
func (r Rule) validateFamily() error {
	v := variant{Rule: r}
	switch fam := v.family(); {
	case r.Proto == pkt.ProtoICMP && fam == 6:
		return errors.New("protocol icmp is IPv4's and the address is IPv6: use icmpv6")
	case r.Proto == pkt.ProtoICMPv6 && fam == 4:
		return errors.New("protocol icmpv6 is IPv6's and the address is IPv4: use icmp")
	}
	return nil
}

func (r Rule) hasPorts() bool { return r.Port != 0 || r.SrcPort != 0 || r.DstPort != 0 }

func (r Rule) chain() string {
	if r.Name == "" {
		return "record"
	}
	return r.Name
}

// variant is one rule of the kernel: a Rule whose alternatives (either port,
// TCP or UDP, IPv4 or IPv6 header to rewrite) are decided.
type variant struct {
	Rule
	fam uint8 // 4, 6, or 0 where it does not matter
	// discovery lets IPv6 neighbour discovery pass beside the queue, and excepted
	// what has the Except mark.
	discovery, excepted bool
}

// variants lists what the kernel needs for r, in order.
func (r Rule) variants() []variant {
	if r.SetCE {
		return []variant{{Rule: r, fam: 4}, {Rule: r, fam: 6}}
	}
	var out []variant
	if r.Except != 0 {
		out = append(out, variant{Rule: r, excepted: true})
	}
	if r.exemptDiscovery() {
		out = append(out, variant{Rule: r, fam: 6, discovery: true})
	}
	protos := []uint8{r.Proto}
	if r.Proto == 0 && r.hasPorts() {
		protos = []uint8{pkt.ProtoTCP, pkt.ProtoUDP}
	}
	for _, p := range protos {
		v := variant{Rule: r}
		v.Proto, v.Port = p, 0
		if r.Port == 0 {
			out = append(out, v)
			continue
		}
		src, dst := v, v
		src.SrcPort, dst.DstPort = r.Port, r.Port
		out = append(out, src, dst)
	}
	return out
}

// exemptDiscovery says whether r could catch the packets that find the
// neighbours. Holding those stops a link, not a flow; the forward hook never
// meets them.
func (r Rule) exemptDiscovery() bool {
	return r.Hook != Forward && (r.Proto == 0 || r.Proto == pkt.ProtoICMPv6) && !r.hasPorts()
}

// family is 4 or 6 where the variant is bound to one, else 0.
func (v variant) family() uint8 {
	p := v.Src
	if !p.IsValid() {
		p = v.Dst
	}
	switch {
	case v.fam != 0:
		return v.fam
	case !p.IsValid():
		return 0
	case p.Addr().Is4():
		return 4
	}
	return 6
}

// String is the variant in nft's words.
func (v variant) String() string {
	var w []string
	add := func(format string, a ...any) { w = append(w, fmt.Sprintf(format, a...)) }
	if v.discovery {
		return "icmpv6 type 133-137 accept"
	}
	if v.excepted {
		return fmt.Sprintf("meta mark & %#x == %#x accept", v.Except, v.Except)
	}
	if v.InDev != "" {
		add("iifname %q", v.InDev)
	}
	if v.OutDev != "" {
		add("oifname %q", v.OutDev)
	}
	ip := map[uint8]string{4: "ip", 6: "ip6"}[v.family()]
	if v.Src.IsValid() {
		add("%s saddr %s", ip, v.Src.Masked())
	}
	if v.Dst.IsValid() {
		add("%s daddr %s", ip, v.Dst.Masked())
	}
	if v.Proto != 0 {
		add("meta l4proto %s", l4name(v.Proto))
	}
	if v.SrcPort != 0 {
		add("th sport %d", v.SrcPort)
	}
	if v.DstPort != 0 {
		add("th dport %d", v.DstPort)
	}
	if v.Mark != 0 {
		add("meta mark & %#x == %#x", v.Mark, v.Mark)
	}
	add("%s", v.statement(ip))
	return strings.Join(w, " ")
}

func (v variant) statement(ip string) string {
	switch {
	case v.SetCE:
		return ip + " ecn set ce"
	}
	var flags []string
	if v.Bypass {
		flags = append(flags, "bypass")
	}
	if v.Fanout {
		flags = append(flags, "fanout")
	}
	s := "counter queue "
	if len(flags) > 0 {
		s += "flags " + strings.Join(flags, ",") + " "
	}
	s += fmt.Sprintf("to %d", v.Queue)
	if n := v.total(); n > 1 {
		s += fmt.Sprintf("-%d", int(v.Queue)+n-1)
	}
	return s
}

// total is how many queues there are.
func (r Rule) total() int { return max(r.Queues, 1) }

// l4name is the name nft knows a protocol by.
func l4name(p uint8) string {
	if p == pkt.ProtoICMPv6 {
		return "ipv6-icmp"
	}
	return pkt.ProtoName(p)
}

// String prints what the rule does in nft's words, on one line: the hook, then
// the rules of its chain separated by "; ".
func (r Rule) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "hook %s priority %d: ", r.Hook, r.Priority)
	for i, v := range r.variants() {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(v.String())
	}
	return b.String()
}

// Script is a table of the given name with these rules as an nft file would
// hold it.
func Script(name string, rules ...Rule) string {
	var b strings.Builder
	fmt.Fprintf(&b, "table inet %s {\n", name)
	for _, r := range rules {
		fmt.Fprintf(&b, "\tchain %s {\n\t\ttype filter hook %s priority %d; policy accept;\n", r.chain(), r.Hook, r.Priority)
		for _, v := range r.variants() {
			fmt.Fprintf(&b, "\t\t%s\n", v)
		}
		b.WriteString("\t}\n")
	}
	b.WriteString("}\n")
	return b.String()
}

// Counter is what a rule has seen before its queue.
type Counter struct {
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
}
