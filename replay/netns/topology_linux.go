package netns

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Names of the links: the router's two and the one of each end.
const (
	ToClient = "to-client"
	ToServer = "to-server"
	endLink  = "eth0"
)

// end is one end's addresses and gateways.
type end struct {
	Addrs    []string `json:"addrs"` // with prefix lengths
	Gateways []string `json:"gateways"`
}

func clientEnd() *end { return newEnd(client4, client6, routerClient4, routerClient6) }

// serverEnd is one of so many stations, if there are any.
func serverEnd(stations int) *end {
	e := newEnd(server4, server6, routerServer4, routerServer6)
	v4, v6 := StationAddresses(stations)
	for i := 1; i < stations; i++ {
		e.Addrs = append(e.Addrs, v4[i].String()+"/24", v6[i].String()+"/64")
	}
	return e
}

func newEnd(addr4, addr6, gw4, gw6 string) *end {
	return &end{Addrs: []string{addr4, addr6}, Gateways: []string{host(gw4).String(), host(gw6).String()}}
}

// hasIPv6 says whether the kernel has IPv6 at all.
func hasIPv6() bool {
	_, err := os.Stat("/proc/sys/net/ipv6")
	return err == nil
}

// writeSysctl sets a sysctl of this process's network namespace.
func writeSysctl(name, value string) error {
	err := os.WriteFile("/proc/sys/"+name, []byte(value), 0)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("set sysctl %s: /proc/sys is mounted read-only here: mount it read-write: %w", name, err)
	}
	return fmt.Errorf("set sysctl %s=%s: %w", name, value, explain(err))
}

// prepareNamespace readies a fresh network namespace: addresses are usable at
// once, since nobody here could have a duplicate, and lo is up.
func prepareNamespace() error {
	if hasIPv6() {
		for _, where := range []string{"all", "default"} {
			for _, s := range []string{"disable_ipv6", "accept_dad", "accept_ra"} {
				if err := writeSysctl("net/ipv6/conf/"+where+"/"+s, "0"); err != nil {
					return err
				}
			}
		}
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find lo: %w", err)
	}
	return linkUp(lo)
}

func linkUp(l netlink.Link) error {
	if err := netlink.LinkSetUp(l); err != nil {
		return fmt.Errorf("set %s up: %w", l.Attrs().Name, explain(err))
	}
	return nil
}

// forwardPackets makes this namespace a router.
func forwardPackets() error {
	if err := writeSysctl("net/ipv4/ip_forward", "1"); err != nil {
		return err
	}
	if !hasIPv6() {
		return nil
	}
	return writeSysctl("net/ipv6/conf/all/forwarding", "1")
}

// connect makes a veth from here to the namespace of pid, where it is called
// eth0, and brings this side up.
func connect(name string, pid int, addr4, addr6 string) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = name, MTU
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerNamespace, veth.PeerMTU = endLink, netlink.NsPid(pid), MTU
	if err := addVeth(veth); err != nil {
		return err
	}
	return raise(name, addr4, addr6)
}

func addVeth(v *netlink.Veth) error {
	err := netlink.LinkAdd(v)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EOPNOTSUPP):
		return fmt.Errorf("add %s: the kernel has no veth: load module veth: %w", v.Name, err)
	}
	return fmt.Errorf("add veth %s: %w", v.Name, explain(err))
}

// raise gives a link its addresses and sets it up.
func raise(name string, addrs ...string) error {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find %s: %w", name, err)
	}
	for _, s := range addrs {
		a, err := netlink.ParseAddr(s)
		if err != nil {
			return fmt.Errorf("address %s: %w", s, err)
		}
		if a.IP.To4() == nil {
			if !hasIPv6() {
				continue
			}
			a.Flags = unix.IFA_F_NODAD
		}
		if err := netlink.AddrAdd(l, a); err != nil {
			return fmt.Errorf("add %s to %s: %w", s, name, err)
		}
	}
	return linkUp(l)
}

// configure sets up an end: its link and the default routes.
func (e *end) configure() error {
	if err := raise(endLink, e.Addrs...); err != nil {
		return err
	}
	l, err := netlink.LinkByName(endLink)
	if err != nil {
		return fmt.Errorf("find %s: %w", endLink, err)
	}
	for _, gw := range e.Gateways {
		ip := netip.MustParseAddr(gw)
		if ip.Is6() && !hasIPv6() {
			continue
		}
		r := &netlink.Route{LinkIndex: l.Attrs().Index, Gw: net.IP(ip.AsSlice())}
		if err := netlink.RouteAdd(r); err != nil {
			return fmt.Errorf("add default route via %s: %w", gw, err)
		}
	}
	return nil
}

// shape puts the bottleneck's tbf on a link of the router.
func (b *Bottleneck) shape(name string) error {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find %s: %w", name, err)
	}
	bytes := b.Rate / 8
	q := &netlink.Tbf{
		QdiscAttrs: netlink.QdiscAttrs{LinkIndex: l.Attrs().Index, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT},
		Rate:       bytes,
		Limit:      uint32(b.limit() * packetBytes),
		Buffer:     netlink.Xmittime(bytes, uint32(b.burst())),
	}
	err = netlink.QdiscReplace(q)
	if errors.Is(err, syscall.ENOENT) {
		return fmt.Errorf("shape %s: the kernel has no tbf: load module sch_tbf: %w", name, err)
	}
	if err != nil {
		return fmt.Errorf("shape %s to %s: %w", name, b, err)
	}
	return nil
}

// readShaper adds up what the shapers of the links have done.
func readShaper(links []string) (*Shaper, error) {
	sum := &Shaper{}
	for _, name := range links {
		l, err := netlink.LinkByName(name)
		if err != nil {
			return nil, fmt.Errorf("find %s: %w", name, err)
		}
		qs, err := netlink.QdiscList(l)
		if err != nil {
			return nil, fmt.Errorf("read shaper of %s: %w", name, err)
		}
		for _, q := range qs {
			s := q.Attrs().Statistics
			if _, ok := q.(*netlink.Tbf); !ok || s == nil {
				continue
			}
			if s.Basic != nil {
				sum.Bytes += s.Basic.Bytes
				sum.Packets += uint64(s.Basic.Packets)
			}
			if s.Queue != nil {
				sum.Drops += uint64(s.Queue.Drops)
			}
		}
	}
	return sum, nil
}
