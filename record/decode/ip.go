package decode

import (
	"encoding/binary"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// ipv4 is gopacket's layer, except that broken options do not hide what
// follows, that a first fragment has a transport header, and that packets
// inside packets stay there.
type ipv4 struct {
	layers.IPv4
	network
}

// DecodeFromBytes implements gopacket.DecodingLayer.
func (l *ipv4) DecodeFromBytes(b []byte, df gopacket.DecodeFeedback) error {
	err := l.IPv4.DecodeFromBytes(b, df)
	if len(b) < 20 || l.IHL < 5 {
		return err
	}
	l.hdrLen = 4 * int(l.IHL)
	l.proto = l.Protocol
	l.later = l.FragOffset != 0
	l.fragment = l.later || l.Flags&layers.IPv4MoreFragments != 0
	if l.hdrLen > len(b) {
		l.cut = true
		return err
	}
	if err != nil {
		l.Payload = b[l.hdrLen:]
	}
	l.rest = l.Payload
	return nil
}

// NextLayerType implements gopacket.DecodingLayer.
func (l *ipv4) NextLayerType() gopacket.LayerType { return l.network.next() }

// ipv6 is gopacket's layer for the fixed header, and the walk along the
// extension headers, without remembering their options.
type ipv6 struct {
	layers.IPv6
	network
	fixed [40]byte
	skip  layers.IPv6ExtensionSkipper
}

// ipv6NoNext is the next-header value that says nothing follows.
const ipv6NoNext = 59

// maxExtensions bounds the walk; real packets have one or two.
const maxExtensions = 16

// DecodeFromBytes implements gopacket.DecodingLayer. gopacket gets a copy of
// the fixed header that neither starts a hop-by-hop header, whose every option
// it would allocate, nor has length zero, as super-packets above 64 KiB do.
func (l *ipv6) DecodeFromBytes(b []byte, df gopacket.DecodeFeedback) error {
	n := copy(l.fixed[:], b)
	next := layers.IPProtocol(l.fixed[6])
	length := int(binary.BigEndian.Uint16(l.fixed[4:]))
	l.fixed[6] = ipv6NoNext
	binary.BigEndian.PutUint16(l.fixed[4:], 1)
	if err := l.IPv6.DecodeFromBytes(l.fixed[:n], df); err != nil {
		return err
	}
	l.hdrLen = len(l.fixed)
	l.rest = b[len(l.fixed):]
	if length > 0 && length < len(l.rest) {
		l.rest = l.rest[:length]
	}
	l.extensions(next, df)
	l.Payload = l.rest
	return nil
}

// extensions follows the chain of extension headers until a transport header,
// something unknown or the end of the bytes.
func (l *ipv6) extensions(next layers.IPProtocol, df gopacket.DecodeFeedback) {
	for range maxExtensions {
		l.proto = next
		n := 0
		switch next {
		case layers.IPProtocolIPv6HopByHop, layers.IPProtocolIPv6Routing, layers.IPProtocolIPv6Destination:
			if l.skip.DecodeFromBytes(l.rest, df) != nil {
				l.cut = true
				return
			}
			n = len(l.skip.Contents)
		case layers.IPProtocolIPv6Fragment:
			if len(l.rest) < 8 {
				l.cut = true
				return
			}
			l.fragment = true
			l.later = binary.BigEndian.Uint16(l.rest[2:])>>3 != 0
			n = 8
		case layers.IPProtocolAH:
			if len(l.rest) < 12 || len(l.rest) < (int(l.rest[1])+2)*4 {
				l.cut = true
				return
			}
			n = max((int(l.rest[1])+2)*4, 12)
		default:
			return
		}
		next = layers.IPProtocol(l.rest[0])
		l.hdrLen += n
		l.rest = l.rest[n:]
		if l.later {
			l.proto = next
			return
		}
	}
}

// NextLayerType implements gopacket.DecodingLayer.
func (l *ipv6) NextLayerType() gopacket.LayerType { return l.network.next() }

// next is the transport layer to decode, or one that has no decoder.
func (n *network) next() gopacket.LayerType {
	if !n.later && !n.cut {
		switch n.proto {
		case layers.IPProtocolTCP, layers.IPProtocolUDP, layers.IPProtocolSCTP,
			layers.IPProtocolICMPv4, layers.IPProtocolICMPv6:
			return n.proto.LayerType()
		}
	}
	return gopacket.LayerTypePayload
}
