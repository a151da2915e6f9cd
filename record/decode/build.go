package decode

import (
	"encoding/binary"
	"fmt"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// Builder makes headers from records: the inverse of a Decoder, as far as a
// record goes. Its zero value is ready; it is not safe for concurrent use.
type Builder struct {
	buf gopacket.SerializeBuffer
	tcp layers.TCP
	nop []layers.TCPOption
}

// Headers are a packet's first bytes.
type Headers struct {
	// Bytes are the IP and transport headers, valid until the next Build. The
	// payload, of Record.Len bytes less these, is zeros.
	Bytes []byte
	// CsumStart is the offset of the transport header and CsumOffset that of
	// its checksum field from there, both in bytes. The field holds the sum of
	// the pseudo header only, as for a device that completes checksums; it is
	// right and final where Partial is false.
	CsumStart, CsumOffset int
	Partial               bool
}

// Build makes the headers of the packet r describes: same flow, lengths, DS
// field, flags and numbers. Options that the record does not hold become
// padding. id goes into the IPv4 identification (its low 16 bits) or the IPv6
// flow label (its low 20 bits). A record that holds no IP packet, or headers of
// a length that does not exist, is an error.
func (b *Builder) Build(r *traces.Record, id uint32) (Headers, error) {
	if r.Info&traces.Undecoded != 0 {
		return Headers{}, fmt.Errorf("not an IP packet: only its length is known")
	}
	if b.buf == nil {
		b.buf = gopacket.NewSerializeBuffer()
	}
	if err := b.buf.Clear(); err != nil {
		return Headers{}, err
	}
	ipLen, l4Len, err := split(r)
	if err != nil {
		return Headers{}, err
	}
	csum, err := b.transport(r, l4Len)
	if err != nil {
		return Headers{}, err
	}
	if r.Flow.V6 {
		err = b.ipv6(r, ipLen, id)
	} else {
		err = b.ipv4(r, ipLen, id)
	}
	if err != nil {
		return Headers{}, fmt.Errorf("build IP header: %w", err)
	}
	h := Headers{Bytes: b.buf.Bytes(), CsumStart: ipLen, CsumOffset: csum, Partial: csum >= 0}
	if h.Partial {
		h.seed(r)
	}
	return h, nil
}

// split divides HdrLen between the IP and the transport header.
func split(r *traces.Record) (ipLen, l4Len int, err error) {
	ip, ipMax := 20, 60
	if r.Flow.V6 {
		ip, ipMax = 40, 40+256
	}
	l4, l4Max := transportLen(r)
	hdr := int(r.HdrLen)
	if hdr == ip && r.Info&(traces.Fragment|traces.Truncated) != 0 {
		return ip, 0, nil // no transport header seen
	}
	l4Len = min(max(hdr-ip, l4), l4Max) &^ 3
	ipLen = hdr - l4Len
	step := 4
	if r.Flow.V6 {
		step = 8
	}
	if ipLen < ip || ipLen > ipMax || (ipLen-ip)%step != 0 || hdr > int(r.Len) {
		return 0, 0, fmt.Errorf("headers of %d bytes in a packet of %d cannot be built for %s", hdr, r.Len, pkt.ProtoName(r.Flow.Proto))
	}
	return ipLen, l4Len, nil
}

// transportLen is the least and the largest length of the transport header.
func transportLen(r *traces.Record) (least, most int) {
	switch r.Flow.Proto {
	case pkt.ProtoTCP:
		return 20, 60
	case pkt.ProtoUDP, pkt.ProtoICMP, pkt.ProtoICMPv6:
		return 8, 8
	case pkt.ProtoSCTP:
		return 12, 12
	}
	return 0, 0
}

// transport prepends the transport header and returns the offset of its
// checksum, or -1 for none.
func (b *Builder) transport(r *traces.Record, l4Len int) (int, error) {
	if l4Len == 0 {
		return -1, nil
	}
	none := gopacket.SerializeOptions{}
	payload := int(r.Len) - int(r.HdrLen)
	switch r.Flow.Proto {
	case pkt.ProtoTCP:
		b.fillTCP(r, l4Len)
		return 16, b.tcp.SerializeTo(b.buf, none)
	case pkt.ProtoUDP:
		u := layers.UDP{SrcPort: layers.UDPPort(r.Flow.SrcPort), DstPort: layers.UDPPort(r.Flow.DstPort), Length: uint16(payload + 8)}
		return 6, u.SerializeTo(b.buf, none)
	case pkt.ProtoSCTP:
		h, err := b.buf.PrependBytes(12)
		if err == nil {
			clear(h)
			binary.BigEndian.PutUint16(h, r.Flow.SrcPort)
			binary.BigEndian.PutUint16(h[2:], r.Flow.DstPort)
		}
		return -1, err
	}
	h, err := b.buf.PrependBytes(8)
	if err != nil {
		return -1, err
	}
	binary.BigEndian.PutUint16(h, r.L4Flags)
	binary.BigEndian.PutUint16(h[2:], 0)
	binary.BigEndian.PutUint32(h[4:], r.Seq)
	if r.Flow.Proto == pkt.ProtoICMP { // no pseudo header, and zeros do not add
		binary.BigEndian.PutUint16(h[2:], ^fold(sum(h)))
		return -1, nil
	}
	return 2, nil
}

func (b *Builder) fillTCP(r *traces.Record, l4Len int) {
	f := r.L4Flags
	bit := func(n uint) bool { return f>>n&1 != 0 }
	b.nop = b.nop[:0]
	for range l4Len - 20 {
		b.nop = append(b.nop, layers.TCPOption{OptionType: layers.TCPOptionKindNop})
	}
	b.tcp = layers.TCP{
		SrcPort: layers.TCPPort(r.Flow.SrcPort), DstPort: layers.TCPPort(r.Flow.DstPort),
		Seq: r.Seq, Ack: r.Ack, DataOffset: uint8(l4Len / 4), Window: 65535, Options: b.nop,
		NS: bit(8), CWR: bit(7), ECE: bit(6), URG: bit(5), ACK: bit(4), PSH: bit(3), RST: bit(2), SYN: bit(1), FIN: bit(0),
	}
}

// ttl is what a fresh packet has.
const ttl = 64

func (b *Builder) ipv4(r *traces.Record, ipLen int, id uint32) error {
	src, dst := r.Flow.Addrs()
	ip := layers.IPv4{
		Version: 4, IHL: uint8(ipLen / 4), TOS: r.DSField, Length: uint16(r.Len), Id: uint16(id),
		TTL: ttl, Protocol: layers.IPProtocol(r.Flow.Proto), SrcIP: src.AsSlice(), DstIP: dst.AsSlice(),
	}
	for range (ipLen - 20) / 4 { // No Operation, four at a time
		for range 4 {
			ip.Options = append(ip.Options, layers.IPv4Option{OptionType: 1})
		}
	}
	if r.Info&traces.Fragment != 0 {
		ip.Flags = layers.IPv4MoreFragments
		if int(r.HdrLen) == ipLen {
			ip.FragOffset = 185
		}
	} else {
		ip.Flags = layers.IPv4DontFragment
	}
	return ip.SerializeTo(b.buf, gopacket.SerializeOptions{ComputeChecksums: true})
}

// ipv6DstOpts is the next-header value of destination options (RFC 8200 §4.6).
const ipv6DstOpts = 60

func (b *Builder) ipv6(r *traces.Record, ipLen int, id uint32) error {
	src, dst := r.Flow.Addrs()
	next := layers.IPProtocol(r.Flow.Proto)
	if n := ipLen - 40; n > 0 {
		ext, err := b.buf.PrependBytes(n)
		if err != nil {
			return err
		}
		clear(ext)
		ext[0], ext[1] = byte(next), byte(n/8-1)
		ext[2], ext[3] = 1, byte(n-4) // PadN over all of it
		next = ipv6DstOpts
	}
	ip := layers.IPv6{
		Version: 6, TrafficClass: r.DSField, FlowLabel: id & (1<<20 - 1), Length: uint16(r.Len - 40),
		NextHeader: next, HopLimit: ttl, SrcIP: src.AsSlice(), DstIP: dst.AsSlice(),
	}
	return ip.SerializeTo(b.buf, gopacket.SerializeOptions{})
}

// seed puts the sum of the pseudo header into the checksum field.
func (h *Headers) seed(r *traces.Record) {
	n := uint32(r.Len) - uint32(h.CsumStart)
	s := uint32(r.Flow.Proto) + n>>16 + n&0xffff
	s += sum(r.Flow.Src[:]) + sum(r.Flow.Dst[:]) // zeros behind an IPv4 address do not add
	binary.BigEndian.PutUint16(h.Bytes[h.CsumStart+h.CsumOffset:], fold(s))
}

// sum adds the 16-bit words of b (RFC 1071).
func sum(b []byte) uint32 {
	s := uint32(0)
	for i := 0; i+1 < len(b); i += 2 {
		s += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	return s
}

func fold(s uint32) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}
