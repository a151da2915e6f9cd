package pcap

import (
	"bytes"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// Link types that gopacket has no decoder for, but needs none
// (https://www.tcpdump.org/linktypes.html): the packet begins with IP. Captures
// of BSDs have 12 and 14 for 101.
const (
	linkRawBSD     layers.LinkType = 12
	linkRawOpenBSD layers.LinkType = 14
)

// Why a packet was not imported.
const (
	whyEmpty     = "no captured bytes"
	whyNoTime    = "no timestamp (simple packet block)"
	whyTime      = "timestamp out of range"
	whyInterface = "another interface"
	whyDirection = "another direction"
	whyAddress   = "another address"
	whyCut       = "cut before its IP header"
	whyAggregate = "inside an aggregate"
)

// direction is which way a packet went, as far as the capture tells.
type direction uint8

const (
	unknown direction = iota
	in
	out
)

// place is where in a captured frame the IP packet begins.
type place struct {
	offset int
	dir    direction
	// why says why there is none; empty if there is.
	why string
}

// decoder is how to read frames of a link type; nil if nobody knows.
func decoder(t layers.LinkType) gopacket.Decoder {
	switch t {
	case linkRawBSD, linkRawOpenBSD, layers.LinkTypeRaw, layers.LinkTypeIPv4, layers.LinkTypeIPv6:
		return layers.LinkTypeRaw
	case layers.LinkTypePPP_HDLC:
		return layers.LinkTypePPP
	case layers.LinkTypePPPEthernet:
		return layers.LayerTypePPPoE
	}
	if t >= layers.LinkTypeMax || layers.LinkTypeMetadata[t].DecodeWith == nil || t.String() == "UnknownLinkType" {
		return nil
	}
	return t
}

// framed says whether a queue before this link would account for an Ethernet
// header: the cooked and the wireless types hide that they had one.
func framed(t layers.LinkType) bool {
	switch t {
	case layers.LinkTypeEthernet, layers.LinkTypeLinuxSLL, layers.LinkTypeLinuxSLL2, layers.LinkTypeFDDI,
		layers.LinkTypeIEEE802_11, layers.LinkTypeIEEE80211Radio, layers.LinkTypePrismHeader:
		return true
	}
	return false
}

// find looks for the first IP header in a frame. gopacket recovers from panics
// of its decoders.
func find(frame []byte, d gopacket.Decoder) place {
	frame = frame[:len(frame):len(frame)]
	p := gopacket.NewPacket(frame, d, gopacket.DecodeOptions{Lazy: true, NoCopy: true})
	n := p.NetworkLayer()
	at := place{dir: cookedDirection(p)}
	if n == nil || n.LayerType() != layers.LayerTypeIPv4 && n.LayerType() != layers.LayerTypeIPv6 {
		at.why = notIP(p)
		return at
	}
	head := n.LayerContents()
	if len(head) == 0 {
		at.why = whyCut
		return at
	}
	// The layer is a part of the frame, unless a layer below it was copied.
	if at.offset = len(frame) - cap(head); at.offset < 0 || !bytes.HasPrefix(frame[at.offset:], head) {
		at.offset = bytes.Index(frame, head)
	}
	if at.offset < 0 {
		at.why = whyAggregate
	}
	return at
}

// cookedDirection is what Linux cooked captures tell.
func cookedDirection(p gopacket.Packet) direction {
	var t layers.LinuxSLLPacketType
	switch l := p.LinkLayer().(type) {
	case *layers.LinuxSLL:
		t = l.PacketType
	case *layers.LinuxSLL2:
		t = layers.LinuxSLLPacketType(l.PacketType)
	default:
		return unknown
	}
	if t == layers.LinuxSLLPacketTypeOutgoing {
		return out
	}
	return in
}

// notIP names what a frame holds instead of IP.
func notIP(p gopacket.Packet) string {
	all := p.Layers()
	for i := len(all) - 1; i >= 0; i-- {
		switch t := all[i].LayerType(); t {
		case gopacket.LayerTypePayload, gopacket.LayerTypeFragment, gopacket.LayerTypeZero:
		case gopacket.LayerTypeDecodeFailure:
			if p.Metadata().Truncated || len(all) == 1 {
				return whyCut
			}
			return "not readable behind " + all[max(i-1, 0)].LayerType().String()
		default:
			return "not IP: " + t.String()
		}
	}
	return whyCut
}
