package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/uqtool/uq/record/nft"
	"github.com/uqtool/uq/replay/netns"
	"github.com/uqtool/uq/replay/raw"
	"github.com/uqtool/uq/sim/pkt"
)

// hostFlags are the flags of hostOptions.
var hostFlags = []string{"queue", "hook", "dev", "proto", "port", "src", "dst"}

// hostOptions say which packets of this host to record.
type hostOptions struct {
	queue                      uint16
	hook, dev, proto, src, dst string
	port                       uint16
	rule                       nft.Rule // made of them; without a hook there is none
}

// defaultQueue is the queue for a rule of uq's own.
const defaultQueue = 2018

func (h *hostOptions) flags(f *pflag.FlagSet) {
	f.Uint16Var(&h.queue, "queue", defaultQueue, "NFQUEUE number; without --hook, one that a rule of yours feeds")
	f.StringVar(&h.hook, "hook", "", "install a rule at prerouting, input, forward, output or postrouting")
	f.StringVar(&h.dev, "dev", "", "rule: device that packets leave by (forward, output, postrouting) or come from")
	f.StringVar(&h.proto, "proto", "", "rule: tcp, udp, icmp or icmpv6")
	f.Uint16Var(&h.port, "port", 0, "rule: source or destination port")
	f.StringVar(&h.src, "src", "", "rule: source address or prefix")
	f.StringVar(&h.dst, "dst", "", "rule: destination address or prefix")
}

// validate makes the rule.
func (h *hostOptions) validate(f *pflag.FlagSet) error {
	if h.hook == "" {
		if !f.Changed("queue") {
			return usageErrorf("say what to record: --lab, --hook HOOK or --queue N")
		}
		return refuse(f, "needs --hook", hostFlags[2:])
	}
	hook, err := nft.ParseHook(h.hook)
	if err != nil {
		return usageErrorf("--hook: %w", err)
	}
	if err := checkDevice(h.dev); err != nil {
		return usageErrorf("--dev %s: %w", h.dev, err)
	}
	h.rule = nft.Rule{Hook: hook, Port: h.port, Queue: h.queue, Bypass: true}
	switch hook {
	case nft.Input, nft.Prerouting:
		h.rule.InDev = h.dev
	default:
		h.rule.OutDev = h.dev
	}
	if h.rule.Proto, err = parseProto(h.proto); err != nil {
		return usageErrorf("--proto: %w", err)
	}
	if h.rule.Src, err = parsePrefix(h.src); err != nil {
		return usageErrorf("--src: %w", err)
	}
	if h.rule.Dst, err = parsePrefix(h.dst); err != nil {
		return usageErrorf("--dst: %w", err)
	}
	if err := h.rule.Validate(); err != nil {
		return usageErrorf("--hook %s: %w", h.hook, err)
	}
	return nil
}

// checkDevice finds a device that is not there: nothing would ever meet the
// rule.
func checkDevice(name string) error {
	if name == "" {
		return nil
	}
	if _, err := net.InterfaceByName(name); err == nil {
		return nil
	}
	ifs, err := net.Interfaces()
	if err != nil {
		return nil // cannot tell
	}
	var names []string
	for _, i := range ifs {
		names = append(names, i.Name)
	}
	return fmt.Errorf("no such device: there is %s", strings.Join(names, ", "))
}

func parseProto(s string) (uint8, error) {
	switch s {
	case "":
		return 0, nil
	case "tcp":
		return pkt.ProtoTCP, nil
	case "udp":
		return pkt.ProtoUDP, nil
	case "icmp":
		return pkt.ProtoICMP, nil
	case "icmpv6", "icmp6":
		return pkt.ProtoICMPv6, nil
	}
	return 0, fmt.Errorf("%q: want tcp, udp, icmp or icmpv6", s)
}

// parsePrefix reads "10.0.0.0/8", or an address as the prefix of just itself;
// empty is none.
func parsePrefix(s string) (netip.Prefix, error) {
	if s == "" {
		return netip.Prefix{}, nil
	}
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q: want an address or a prefix like 10.0.0.0/8", s)
	}
	return p, nil
}

// recordOnHost records in this network namespace.
func recordOnHost(ctx context.Context, o recordOptions, out, served *os.File, rep *recordReport) (err error) {
	if o.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.duration)
		defer cancel()
	}
	h := o.host
	h.rule.Queues, h.rule.Fanout = o.set.Queues, o.set.Fanout
	if o.sched.copies {
		h.rule.Except = raw.Mark // they have been through the queue
	}
	in := surroundings{queue: h.queue, mode: "host", mtu: h.mtu(), metrics: served, ready: func() error { return nil }}
	if rules := h.rules(o.set.Scheduler != nil); len(rules) > 0 {
		var table *nft.Table
		in.ready = func() (err error) {
			table, err = nft.Install(rules...)
			return err
		}
		if h.hook != "" {
			in.rule = h.rule.String()
			in.fed = func() (uint64, error) {
				c, err := table.Counter(0)
				return c.Packets, err
			}
		}
		// recordQueue closes the queue first: with bypass, packets pass in
		// between.
		defer func() {
			if table != nil {
				err = errors.Join(err, table.Remove())
			}
		}()
	}
	rep.recorded, err = recordQueue(ctx, o.set, in, out)
	return seeDoctor(ctx, err, false)
}

// lastPriority is that of a chain behind those of a queue: packets pass it
// after their verdict.
const lastPriority = 300

// rules are those to install: the queue's own where a hook was named, and those
// that set CE for a scheduler. A packet leaves or arrives by one of the two
// hooks, wherever the queue is.
func (h *hostOptions) rules(scheduled bool) []nft.Rule {
	var rs []nft.Rule
	if h.hook != "" {
		rs = append(rs, h.rule)
	}
	if scheduled {
		rs = append(rs,
			nft.Rule{Name: "ce-out", Hook: nft.Postrouting, Priority: lastPriority, Mark: ceMark, SetCE: true},
			nft.Rule{Name: "ce-in", Hook: nft.Input, Priority: lastPriority, Mark: ceMark, SetCE: true})
	}
	return rs
}

// nothing words that no packet came.
func (h *hostOptions) nothing() string {
	if h.hook == "" {
		return fmt.Sprintf("no packet came to queue %d: does a rule send any there? (nft list ruleset; iptables -L -v)", h.queue)
	}
	return fmt.Sprintf("no packet met the rule (%s): try another hook, or fewer conditions", h.rule)
}

// mtu is that of the rule's device, which segments are counted with.
func (h *hostOptions) mtu() int {
	if d, err := net.InterfaceByName(h.dev); err == nil {
		return d.MTU
	}
	return netns.MTU
}
