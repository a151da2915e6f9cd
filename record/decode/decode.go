// Package decode reads the headers of captured packets into trace records. It
// is the only package that knows gopacket, and uses its layers only, never a
// decoder above the transport header.
//
//	bytes ── IPv4 | IPv6 + extensions ── TCP | UDP | ICMP | ICMPv6 | SCTP ──► traces.Record
//
// A captured packet is often cut and sometimes hostile: what cannot be read
// leaves its fields zero, never an error and never a panic.
package decode

import (
	"encoding/binary"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// DefaultMTU is the MTU that segments are counted with where none is given.
const DefaultMTU = 1500

// Decoder decodes one packet at a time into memory it owns. It is not safe for
// concurrent use.
type Decoder struct {
	mtu    uint32
	v4, v6 *gopacket.DecodingLayerParser

	ip4   ipv4
	ip6   ipv6
	tcp   layers.TCP
	udp   layers.UDP
	icmp4 layers.ICMPv4
	icmp6 layers.ICMPv6
	echo6 layers.ICMPv6Echo
	sctp  layers.SCTP

	decoded []gopacket.LayerType
}

// network is what both IP layers tell beyond their gopacket fields.
type network struct {
	hdrLen   int // header with options or extensions, in bytes
	proto    layers.IPProtocol
	rest     []byte // what follows the header
	fragment bool
	later    bool // fragment after the first: no transport header
	cut      bool // the header reaches beyond the bytes there are
}

// New returns a decoder that estimates the segments of super-packets for the
// given MTU in bytes; 0 means DefaultMTU.
func New(mtu int) *Decoder {
	if mtu <= 0 {
		mtu = DefaultMTU
	}
	d := &Decoder{mtu: uint32(mtu), decoded: make([]gopacket.LayerType, 0, 8)}
	d.v4 = d.parser(layers.LayerTypeIPv4)
	d.v6 = d.parser(layers.LayerTypeIPv6)
	return d
}

func (d *Decoder) parser(first gopacket.LayerType) *gopacket.DecodingLayerParser {
	p := gopacket.NewDecodingLayerParser(first)
	p.SetDecodingLayerContainer(gopacket.DecodingLayerSparse(nil))
	for _, l := range []gopacket.DecodingLayer{&d.ip4, &d.ip6, &d.tcp, &d.udp, &d.icmp4, &d.icmp6, &d.echo6, &d.sctp} {
		p.AddDecodingLayer(l)
	}
	p.IgnoreUnsupported = true
	return p
}

// Decode fills r's flow, lengths, segments, DS field, transport fields and
// remarks from the first bytes of a packet of l3len bytes; info holds the
// capture's own remarks. Other fields of r stay as they are, and nothing in r
// refers to payload. Cutting is told from malformed by l3len: a header that
// reaches beyond payload is Truncated where the packet was longer.
func (d *Decoder) Decode(payload []byte, l3len uint32, info traces.Info, r *traces.Record) {
	r.Flow, r.Len, r.Segs, r.HdrLen, r.DSField = pkt.FlowKey{}, l3len, 1, 0, 0
	r.L4Flags, r.Seq, r.Ack, r.Info = 0, 0, 0, info
	n := d.network(payload, r)
	if n == nil {
		r.Info |= traces.Undecoded
		if uint64(len(payload)) < min(uint64(l3len), 40) {
			r.Info |= traces.Truncated
		}
		return
	}
	r.Flow.Proto = uint8(n.proto)
	if n.fragment {
		r.Info |= traces.Fragment
	}
	hdrLen := n.hdrLen
	if !n.later && !n.cut {
		hdrLen += d.transport(n, r)
	}
	if (n.cut || hdrLen > len(payload)) && uint64(len(payload)) < uint64(l3len) {
		r.Info |= traces.Truncated
	}
	r.HdrLen = uint16(min(uint32(hdrLen), l3len, 1<<16-1))
	d.segment(r)
}

// network decodes all layers there are and stores what the IP header says. It
// returns nil for what is not IP.
func (d *Decoder) network(payload []byte, r *traces.Record) *network {
	if len(payload) == 0 {
		return nil
	}
	d.decoded = d.decoded[:0]
	switch payload[0] >> 4 {
	case 4:
		d.ip4.network = network{}
		_ = d.v4.DecodeLayers(payload, &d.decoded)
		if d.ip4.hdrLen == 0 {
			return nil
		}
		copy(r.Flow.Src[:], d.ip4.SrcIP)
		copy(r.Flow.Dst[:], d.ip4.DstIP)
		r.DSField = d.ip4.TOS
		return &d.ip4.network
	case 6:
		d.ip6.network = network{}
		_ = d.v6.DecodeLayers(payload, &d.decoded)
		if d.ip6.hdrLen == 0 {
			return nil
		}
		r.Flow.V6 = true
		copy(r.Flow.Src[:], d.ip6.SrcIP)
		copy(r.Flow.Dst[:], d.ip6.DstIP)
		r.DSField = d.ip6.TrafficClass
		return &d.ip6.network
	}
	return nil
}

// transport stores what the transport header says and returns its length in
// bytes, which may be more than there is. gopacket fills a layer's fields as
// soon as the fixed header is there and complains only then.
func (d *Decoder) transport(n *network, r *traces.Record) int {
	b := n.rest
	if r.Flow.HasPorts() && len(b) >= 4 {
		r.Flow.SrcPort = binary.BigEndian.Uint16(b)
		r.Flow.DstPort = binary.BigEndian.Uint16(b[2:])
	}
	switch n.proto {
	case layers.IPProtocolTCP:
		if len(b) < 20 {
			return 20
		}
		r.L4Flags = tcpFlags(&d.tcp)
		r.Seq, r.Ack = d.tcp.Seq, d.tcp.Ack
		return max(4*int(d.tcp.DataOffset), 20)
	case layers.IPProtocolUDP:
		return 8
	case layers.IPProtocolSCTP:
		return 12
	case layers.IPProtocolICMPv4:
		if len(b) >= 8 {
			r.L4Flags = uint16(d.icmp4.TypeCode)
			if t := d.icmp4.TypeCode.Type(); t == layers.ICMPv4TypeEchoRequest || t == layers.ICMPv4TypeEchoReply {
				r.Seq = uint32(d.icmp4.Id)<<16 | uint32(d.icmp4.Seq)
			}
		}
		return 8
	case layers.IPProtocolICMPv6:
		if len(b) >= 4 {
			r.L4Flags = uint16(d.icmp6.TypeCode)
		}
		if t := d.icmp6.TypeCode.Type(); len(b) >= 8 && (t == layers.ICMPv6TypeEchoRequest || t == layers.ICMPv6TypeEchoReply) {
			r.Seq = uint32(d.echo6.Identifier)<<16 | uint32(d.echo6.SeqNumber)
		}
		return 8
	}
	return 0
}

// tcpFlags returns the nine flags AE (once NS), CWR, ECE, URG, ACK, PSH, RST,
// SYN, FIN as in the header.
func tcpFlags(t *layers.TCP) uint16 {
	var f uint16
	for _, set := range [...]bool{t.NS, t.CWR, t.ECE, t.URG, t.ACK, t.PSH, t.RST, t.SYN, t.FIN} {
		f <<= 1
		if set {
			f |= 1
		}
	}
	return f
}

// segment estimates how many packets a super-packet becomes: the kernel does
// not tell.
func (d *Decoder) segment(r *traces.Record) {
	if r.Info&traces.GSO == 0 {
		return
	}
	r.Info |= traces.SegsEstimated
	hdr := uint32(r.HdrLen)
	if hdr >= d.mtu || r.Len <= d.mtu {
		return
	}
	per := d.mtu - hdr
	r.Segs = uint16(min((uint64(r.Len-hdr)+uint64(per)-1)/uint64(per), 1<<16-1))
}
