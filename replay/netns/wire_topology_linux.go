package netns

import (
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
)

// Gateways that stand for everything behind the wire. Nobody has these
// addresses; a permanent neighbour entry answers for them.
const (
	wireGateway4 = "192.0.0.8" // RFC 7600: a dummy address
	wireGateway6 = "fe80::1"
)

// quietIPv6 keeps links from giving themselves addresses, and from the packets
// that go with that. Ends need no IPv6 at all.
func quietIPv6(end bool) error {
	if !hasIPv6() {
		return nil
	}
	what, value := "addr_gen_mode", "1"
	if end {
		what = "disable_ipv6"
	}
	for _, where := range []string{"all", "default"} {
		if err := writeSysctl("net/ipv6/conf/"+where+"/"+what, value); err != nil {
			return err
		}
	}
	return nil
}

// buildWire links the router with the ends and routes everything to the server.
func (r *router) buildWire() error {
	for _, where := range []string{"all", "default"} {
		if err := writeSysctl("net/ipv4/conf/"+where+"/rp_filter", "0"); err != nil {
			return err
		}
	}
	if err := quietIPv6(false); err != nil {
		return err
	}
	if err := connectWire(ToServer, r.server.cmd.Process.Pid, routerServerMAC); err != nil {
		return err
	}
	if err := connectWire(ToClient, r.client.cmd.Process.Pid, routerClientMAC); err != nil {
		return err
	}
	return RouteAll(ToServer)
}

// connectWire makes a veth of the largest MTU from here to the namespace of
// pid.
func connectWire(name string, pid int, hw string) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU, attrs.HardwareAddr = name, WireMTU, mac(hw)
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerNamespace, veth.PeerMTU = endLink, netlink.NsPid(pid), WireMTU
	if err := addVeth(veth); err != nil {
		return err
	}
	return raise(name)
}

// RouteAll makes a link the way to everywhere.
func RouteAll(name string) error {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find %s: %w", name, err)
	}
	for _, gw := range []string{wireGateway4, wireGateway6} {
		ip, family := net.ParseIP(gw), netlink.FAMILY_V4
		if ip.To4() == nil {
			if family = netlink.FAMILY_V6; !hasIPv6() {
				continue
			}
		}
		n := &netlink.Neigh{LinkIndex: l.Attrs().Index, Family: family, State: netlink.NUD_PERMANENT, IP: ip, HardwareAddr: mac(beyondMAC)}
		if err := netlink.NeighSet(n); err != nil {
			return fmt.Errorf("add neighbour %s to %s: %w", gw, name, err)
		}
		route := &netlink.Route{LinkIndex: l.Attrs().Index, Gw: ip, Flags: int(netlink.FLAG_ONLINK)}
		if err := netlink.RouteAdd(route); err != nil {
			return fmt.Errorf("add default route via %s: %w", gw, err)
		}
	}
	return nil
}
