package pkt

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// IP protocol numbers that uq tells apart (IANA).
const (
	ProtoICMP   = 1
	ProtoTCP    = 6
	ProtoUDP    = 17
	ProtoICMPv6 = 58
	ProtoSCTP   = 132
)

// FlowKey is the 5-tuple. Ports are zero for protocols without ports and for
// fragments after the first. Addresses hold IPv4 in the first four bytes.
type FlowKey struct {
	Src, Dst         [16]byte
	SrcPort, DstPort uint16
	Proto            uint8
	V6               bool
}

// Flow is a flow as the schedulers meet it: the key with what is derived from
// it once, not per packet. A Flow is immutable and shared by its packets.
type Flow struct {
	FlowKey
	// ID numbers flows in order of first appearance, from 0. Flows past a
	// driver's table share the ID OtherFlows.
	ID uint32
	// Hash places the flow in a hashing scheduler: a keyed hash of the 5-tuple,
	// uniform over 32 bits. See NewFlow.
	Hash uint32
}

// OtherFlows is the ID of every flow that did not fit the driver's flow table.
const OtherFlows = 1<<32 - 1

// NewFlow derives the flow's hash from the key and seed. The hash is part of
// uq's contract (the same trace and seed meet the same collisions everywhere):
// the first four bytes, big-endian, of SHA-256 over the 8-byte big-endian seed
// and the 38-byte key as Bytes gives it.
func NewFlow(k FlowKey, id uint32, seed uint64) *Flow {
	return &Flow{FlowKey: k, ID: id, Hash: k.hash(seed)}
}

func (k FlowKey) hash(seed uint64) uint32 {
	var b [8 + 38]byte
	binary.BigEndian.PutUint64(b[:], seed)
	k.put(b[8:])
	s := sha256.Sum256(b[:])
	return binary.BigEndian.Uint32(s[:])
}

// Bytes is the canonical form: version (4 or 6), protocol, 16 bytes of source,
// 16 of destination, both ports big-endian.
func (k FlowKey) Bytes() [38]byte {
	var b [38]byte
	k.put(b[:])
	return b
}

func (k FlowKey) put(b []byte) {
	b[0] = 4
	if k.V6 {
		b[0] = 6
	}
	b[1] = k.Proto
	copy(b[2:18], k.Src[:])
	copy(b[18:34], k.Dst[:])
	binary.BigEndian.PutUint16(b[34:], k.SrcPort)
	binary.BigEndian.PutUint16(b[36:], k.DstPort)
}

// Addrs returns source and destination address.
func (k FlowKey) Addrs() (src, dst netip.Addr) {
	if k.V6 {
		return netip.AddrFrom16(k.Src), netip.AddrFrom16(k.Dst)
	}
	return netip.AddrFrom4([4]byte(k.Src[:4])), netip.AddrFrom4([4]byte(k.Dst[:4]))
}

// SetAddrs sets both addresses, which must be of one family.
func (k *FlowKey) SetAddrs(src, dst netip.Addr) {
	k.V6 = src.Is6()
	k.Src, k.Dst = [16]byte{}, [16]byte{}
	copy(k.Src[:], src.AsSlice())
	copy(k.Dst[:], dst.AsSlice())
}

// HasPorts says whether the protocol's first four bytes are two ports.
func (k FlowKey) HasPorts() bool {
	return k.Proto == ProtoTCP || k.Proto == ProtoUDP || k.Proto == ProtoSCTP
}

var protoNames = []struct {
	num  uint8
	name string
}{{ProtoTCP, "tcp"}, {ProtoUDP, "udp"}, {ProtoICMP, "icmp"}, {ProtoICMPv6, "icmp6"}, {ProtoSCTP, "sctp"}}

// ProtoName returns the protocol's usual short name, or its number.
func ProtoName(p uint8) string {
	for _, n := range protoNames {
		if n.num == p {
			return n.name
		}
	}
	return strconv.Itoa(int(p))
}

// String prints "tcp 10.0.0.1:5000>10.0.0.2:80"; without ports where there are
// none, with brackets around IPv6 addresses that have a port.
func (k FlowKey) String() string {
	src, dst := k.Addrs()
	if !k.HasPorts() {
		return fmt.Sprintf("%s %s>%s", ProtoName(k.Proto), src, dst)
	}
	return fmt.Sprintf("%s %s>%s", ProtoName(k.Proto),
		netip.AddrPortFrom(src, k.SrcPort), netip.AddrPortFrom(dst, k.DstPort))
}

// ParseFlowKey is the inverse of String.
func ParseFlowKey(s string) (FlowKey, error) {
	proto, ends, ok := strings.Cut(s, " ")
	src, dst, ok2 := strings.Cut(ends, ">")
	if !ok || !ok2 {
		return FlowKey{}, fmt.Errorf("flow %q: want \"PROTO SRC>DST\"", s)
	}
	var k FlowKey
	var err error
	if k.Proto, err = parseProto(proto); err != nil {
		return FlowKey{}, fmt.Errorf("flow %q: %w", s, err)
	}
	a, err := parseEnd(src, k.HasPorts(), &k.SrcPort)
	if err != nil {
		return FlowKey{}, fmt.Errorf("flow %q: source: %w", s, err)
	}
	b, err := parseEnd(dst, k.HasPorts(), &k.DstPort)
	if err != nil {
		return FlowKey{}, fmt.Errorf("flow %q: destination: %w", s, err)
	}
	if a.Is4() != b.Is4() {
		return FlowKey{}, fmt.Errorf("flow %q: one address is IPv4, the other IPv6", s)
	}
	k.SetAddrs(a, b)
	return k, nil
}

func parseProto(s string) (uint8, error) {
	for _, n := range protoNames {
		if n.name == s {
			return n.num, nil
		}
	}
	v, err := strconv.ParseUint(s, 10, 8)
	if err != nil {
		return 0, fmt.Errorf("protocol %q: want a name or a number 0..255", s)
	}
	return uint8(v), nil
}

func parseEnd(s string, ports bool, port *uint16) (netip.Addr, error) {
	if !ports {
		a, err := netip.ParseAddr(s)
		return a, zoneless(a, err)
	}
	ap, err := netip.ParseAddrPort(s)
	*port = ap.Port()
	return ap.Addr(), zoneless(ap.Addr(), err)
}

func zoneless(a netip.Addr, err error) error {
	if err == nil && a.Zone() != "" {
		return fmt.Errorf("address %s has a zone", a)
	}
	return err
}
