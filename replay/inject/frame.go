package inject

import (
	"encoding/binary"
	"net"
	"net/netip"

	"github.com/uqtool/uq/record/decode"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// Why is the reason that a packet cannot be sent; NoReason when it can.
type Why uint8

// The reasons.
const (
	Sendable   Why = iota
	NotIP          // only its length is known
	Address        // a router would not forward it: multicast, broadcast, loopback, link-local, unspecified
	TooLong        // beyond what an IP header can say (BIG TCP)
	Headers        // headers of this length do not exist
	Segmenting     // a super-packet of a protocol that cannot be segmented
)

var whyNames = [...]string{
	Sendable: "sendable", NotIP: "not an IP packet", Address: "address cannot be forwarded",
	TooLong: "longer than 65535 bytes", Headers: "headers cannot be built", Segmenting: "super-packet of a protocol without segmentation",
}

// String is the name in reports.
func (w Why) String() string { return whyNames[w] }

// maxLen is the longest IP packet, in bytes.
const maxLen = 65535

// unsendable says what of a record alone keeps its packet from being sent.
func unsendable(r *traces.Record) Why {
	switch {
	case r.Info&traces.Undecoded != 0:
		return NotIP
	case r.Len > maxLen:
		return TooLong
	case r.Segs > 1 && r.Flow.Proto != pkt.ProtoTCP && r.Flow.Proto != pkt.ProtoUDP:
		return Segmenting
	}
	src, dst := r.Flow.Addrs()
	if !forwards(src) || !forwards(dst) {
		return Address
	}
	return Sendable
}

// forwards says whether a Linux router forwards packets of an address.
func forwards(a netip.Addr) bool {
	if a.Is4() {
		b := a.As4()
		return b[0] != 0 && b[0] != 127 && !a.IsMulticast() && b != [4]byte{255, 255, 255, 255}
	}
	return !a.IsUnspecified() && !a.IsLoopback() && !a.IsMulticast() && !a.IsLinkLocalUnicast()
}

// struct virtio_net_hdr and its values (linux/virtio_net.h), in the machine's
// byte order, and the Ethernet header behind it.
const (
	vnetLen      = 10
	etherLen     = 14
	vnetCsum     = 1 // VIRTIO_NET_HDR_F_NEEDS_CSUM
	gsoTCPv4     = 1
	gsoTCPv6     = 4
	gsoUDP       = 5    // VIRTIO_NET_HDR_GSO_UDP_L4
	gsoECN       = 0x80 // the first segment has CWR
	etherTypeIP4 = 0x0800
	etherTypeIP6 = 0x86dd
)

// framer makes frames from records. It is not safe for concurrent use.
type framer struct {
	build decode.Builder
	// to and from are the frames' hardware addresses.
	to, from net.HardwareAddr
	// mtu is that of the recording, for the size of segments; 0 if unknown.
	mtu uint32
}

// append appends what to send of a packet before its payload of zeros: virtio
// header, Ethernet header, IP and transport headers with number n in them.
func (f *framer) append(b []byte, r *traces.Record, n uint64) ([]byte, Why) {
	if why := unsendable(r); why != Sendable {
		return b, why
	}
	h, err := f.build.Build(r, number(n, r.Flow.V6))
	if err != nil {
		return b, Headers
	}
	b = f.virtio(b, r, &h)
	b = append(b, f.to...)
	b = append(b, f.from...)
	proto := uint16(etherTypeIP4)
	if r.Flow.V6 {
		proto = etherTypeIP6
	}
	b = binary.BigEndian.AppendUint16(b, proto)
	return append(b, h.Bytes...), Sendable
}

// virtio appends the virtio header: what the device is to do.
func (f *framer) virtio(b []byte, r *traces.Record, h *decode.Headers) []byte {
	var flags, gso uint8
	var size, start, offset uint16
	if h.Partial {
		flags, start, offset = vnetCsum, uint16(etherLen+h.CsumStart), uint16(h.CsumOffset)
	}
	mss := segmentSize(r, f.mtu)
	if r.Segs > 1 && h.Partial && payload(r) > mss {
		gso, size = gsoType(r), uint16(mss)
	}
	b = append(b, flags, gso)
	for _, v := range [...]uint16{uint16(etherLen + len(h.Bytes)), size, start, offset} {
		b = binary.NativeEndian.AppendUint16(b, v)
	}
	return b
}

func gsoType(r *traces.Record) uint8 {
	switch {
	case r.Flow.Proto == pkt.ProtoUDP:
		return gsoUDP
	case r.Flow.V6:
		return gsoTCPv6 | ecnBit(r)
	}
	return gsoTCPv4 | ecnBit(r)
}

func ecnBit(r *traces.Record) uint8 {
	if r.L4Flags&flagCWR != 0 {
		return gsoECN
	}
	return 0
}

// Numbers in headers: how many bits there are.
const (
	bits4 = 16
	bits6 = 20
)

// tag is the number a packet carries, as far as its header holds it, with its
// family.
type tag uint32

const tagV6 tag = 1 << 31

// number is what the header of packet n holds of n. In IPv4 it is never 0, since
// the kernel gives a copy with that identification another one.
func number(n uint64, v6 bool) uint32 {
	if v6 {
		return uint32(n & (1<<bits6 - 1))
	}
	return uint32(n%(1<<bits4-1)) + 1
}

// tagOf is the tag of packet n.
func tagOf(n uint64, v6 bool) tag {
	if v6 {
		return tag(number(n, v6)) | tagV6
	}
	return tag(number(n, v6))
}

// readTag reads an IP packet's tag and DS field.
func readTag(ip []byte) (t tag, ds uint8, ok bool) {
	if len(ip) < 8 {
		return 0, 0, false
	}
	switch ip[0] >> 4 {
	case 4:
		return tag(binary.BigEndian.Uint16(ip[4:])), ip[1], true
	case 6:
		w := binary.BigEndian.Uint32(ip)
		return tag(w&(1<<bits6-1)) | tagV6, uint8(w >> 20), true
	}
	return 0, 0, false
}
