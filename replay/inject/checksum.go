package inject

import (
	"encoding/binary"

	"github.com/uqtool/uq/sim/pkt"
)

// sums says what the checksums of a received packet tell.
type sums uint8

const (
	unchecked sums = iota // nothing: it has none, or is not whole
	intact
	damaged
)

// checkSums adds up the transport checksum of a whole IP packet. A single flipped
// bit never leaves it right; but one can leave the zero of a UDP packet without a
// checksum.
func checkSums(ip []byte) sums {
	proto, pseudo, l4 := transport(ip)
	at := -1
	switch proto {
	case pkt.ProtoTCP:
		at = 16
	case pkt.ProtoUDP:
		at = 6
	case pkt.ProtoICMP:
		at, pseudo = 2, 0
	case pkt.ProtoICMPv6:
		at = 2
	}
	switch {
	case at < 0 || len(l4) < at+2:
		return unchecked
	case proto == pkt.ProtoUDP && binary.BigEndian.Uint16(l4[at:]) == 0:
		return unchecked
	case fold(pseudo+sum(l4)) != 0xffff:
		return damaged
	}
	return intact
}

// transport is the protocol of a whole packet, the sum of its pseudo header, and
// the transport header with what follows. Fragments have none, nor have IPv6's
// extension headers a checksum.
func transport(ip []byte) (proto uint8, pseudo uint64, l4 []byte) {
	switch {
	case len(ip) >= 20 && ip[0]>>4 == 4:
		head, n := int(ip[0]&15)*4, int(binary.BigEndian.Uint16(ip[2:]))
		if head < 20 || head > n || n > len(ip) || binary.BigEndian.Uint16(ip[6:])&0x3fff != 0 {
			return 0, 0, nil
		}
		return ip[9], sum(ip[12:20]) + uint64(ip[9]) + uint64(n-head), ip[head:n]
	case len(ip) >= 40 && ip[0]>>4 == 6:
		n := 40 + int(binary.BigEndian.Uint16(ip[4:]))
		if n > len(ip) {
			return 0, 0, nil
		}
		return ip[6], sum(ip[8:40]) + uint64(ip[6]) + uint64(n-40), ip[40:n]
	}
	return 0, 0, nil
}

// sum adds the 16-bit words of b (RFC 1071).
func sum(b []byte) (s uint64) {
	for ; len(b) > 1; b = b[2:] {
		s += uint64(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		s += uint64(b[0]) << 8
	}
	return s
}

func fold(s uint64) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}
