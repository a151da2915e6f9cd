package nfq

import (
	"encoding/binary"
	"errors"
)

// inbox turns netlink datagrams into packets, losses and answers to requests.
// It trusts no length it reads.
type inbox struct {
	packets []Packet
	gone    []Ref
	loss    Loss
	// next is the packet id to come, of each queue from number first on.
	next  []uint32
	first uint16
	// answers to configuration messages since the last reset.
	answers []answer
}

// answer is the kernel's reply to one request; errno 0 is success.
type answer struct {
	seq   uint32
	errno uint32
}

// maxAnswers bounds the answers kept: uq has one request under way at a time.
const maxAnswers = 8

// newInbox is an inbox for so many queues.
func newInbox(first uint16, queues int) inbox {
	in := inbox{first: first, next: make([]uint32, queues)}
	for i := range in.next {
		in.next[i] = 1
	}
	return in
}

// reset empties the inbox for the next batch; next stays.
func (in *inbox) reset() {
	in.packets, in.gone, in.answers = in.packets[:0], in.gone[:0], in.answers[:0]
	in.loss = Loss{}
}

// empty says whether there is nothing to tell the caller.
func (in *inbox) empty() bool { return len(in.packets) == 0 && !in.loss.Any() }

// add takes the messages of one datagram. cut says that the datagram did not
// fit its buffer.
func (in *inbox) add(b []byte, cut bool) {
	for len(b) >= nlHeaderLen {
		n := int64(binary.NativeEndian.Uint32(b))
		typ := binary.NativeEndian.Uint16(b[4:])
		switch {
		case n < nlHeaderLen:
			in.loss.Unparsed++
			return
		case n > int64(len(b)):
			in.message(typ, b[nlHeaderLen:], true)
			return
		}
		in.message(typ, b[nlHeaderLen:n], cut)
		b = b[min(align4(int(n)), len(b)):]
	}
	if len(b) > 0 {
		in.loss.Unparsed++
	}
}

func (in *inbox) message(typ uint16, body []byte, cut bool) {
	switch typ {
	case msgPacket:
		in.packet(body, cut)
	case nlmsgError:
		in.failure(body)
	case nlmsgNoop, nlmsgDone:
	default:
		in.loss.Unparsed++
	}
}

// packet appends the packet of one message and counts the ids skipped before
// it. A damaged packet is kept as long as it has an id, since it must have its
// verdict.
func (in *inbox) packet(body []byte, cut bool) {
	in.packets = append(in.packets, Packet{})
	p := &in.packets[len(in.packets)-1]
	err := parsePacket(body, p)
	queue := int(p.Queue - in.first)
	if err != nil || cut || queue >= len(in.next) {
		in.loss.Unparsed++
		p.Damaged = true
	}
	if errors.Is(err, errNoID) || queue >= len(in.next) {
		in.packets = in.packets[:len(in.packets)-1]
		return
	}
	// A step back is not a loss; ids wrap after 2^32 packets.
	if gap := p.ID - in.next[queue]; gap < 1<<31 {
		in.loss.Missing += uint64(gap)
	}
	in.next[queue] = p.ID + 1
}

// failure sorts an NLMSG_ERROR: an answer to a configuration, or a verdict that
// the kernel refused. The body is struct nlmsgerr, the negative errno and the
// header of the request, and then perhaps the rest of that.
func (in *inbox) failure(body []byte) {
	if len(body) < 4+nlHeaderLen {
		in.loss.Unparsed++
		return
	}
	errno := -binary.NativeEndian.Uint32(body)
	seq := binary.NativeEndian.Uint32(body[12:])
	switch binary.NativeEndian.Uint16(body[8:]) {
	case msgConfig:
		if len(in.answers) < maxAnswers {
			in.answers = append(in.answers, answer{seq, errno})
		}
	case msgVerdict, msgVerdictBatch:
		ref := Ref{in.first, seq}
		if rest := body[4+nlHeaderLen:]; len(in.next) > 1 && len(rest) >= nfHeaderLen {
			ref.Queue = binary.BigEndian.Uint16(rest[2:]) // struct nfgenmsg's res_id
		}
		in.refusal(ref, errno)
	default:
		in.loss.Unparsed++
	}
}

// enoent is ENOENT on every Linux architecture.
const enoent = 2

func (in *inbox) refusal(ref Ref, errno uint32) {
	switch errno {
	case 0:
	case enoent:
		in.loss.Gone++
		in.gone = append(in.gone, ref)
	default:
		in.loss.Refused++
	}
}

var (
	errNoID    = errors.New("packet message without an id")
	errDamaged = errors.New("packet message with lengths that do not fit")
)

// parsePacket reads one packet message, from struct nfgenmsg on, into the zero
// *p. On errDamaged p holds what could be read, its id included; on errNoID
// there is no packet.
func parsePacket(b []byte, p *Packet) error {
	if len(b) < nfHeaderLen {
		return errNoID
	}
	p.Queue = binary.BigEndian.Uint16(b[2:])
	hasID, damaged := false, false
	for b = b[nfHeaderLen:]; len(b) >= attrHdrLen; {
		n := int(binary.NativeEndian.Uint16(b))
		typ := binary.NativeEndian.Uint16(b[2:]) & attrTypeMask
		if n < attrHdrLen || n > len(b) {
			damaged = true
			if typ == attrPayload && n > len(b) {
				p.setPayload(b[attrHdrLen:], n-attrHdrLen)
			}
			break
		}
		ok := p.attr(typ, b[attrHdrLen:n])
		hasID = hasID || (ok && typ == attrPacketHdr)
		damaged = damaged || !ok
		b = b[min(align4(n), len(b)):]
	}
	switch {
	case !hasID:
		return errNoID
	case damaged:
		return errDamaged
	}
	return nil
}

// attr stores one attribute and reports whether its value had the right size.
// Unknown attributes are right by definition.
func (p *Packet) attr(typ uint16, v []byte) bool {
	switch typ {
	case attrPacketHdr: // struct nfqnl_msg_packet_hdr {be32 id, be16 protocol, u8 hook}
		if len(v) < 7 {
			return false
		}
		p.ID = binary.BigEndian.Uint32(v)
		p.Hook = v[6]
	case attrTimestamp:
		return p.stamp(v)
	case attrPayload:
		p.setPayload(v, len(v))
	case attrMark:
		return be32(v, &p.Mark)
	case attrInDev:
		return be32(v, &p.InDev)
	case attrOutDev:
		return be32(v, &p.OutDev)
	case attrSkbInfo:
		return be32(v, (*uint32)(&p.Info))
	case attrCapLen:
		var n uint32
		if !be32(v, &n) {
			return false
		}
		p.Len = max(p.Len, n)
	}
	return true
}

// setPayload stores the bytes there are of a payload of n bytes. The order of
// the payload and the length attribute does not matter.
func (p *Packet) setPayload(b []byte, n int) {
	p.Payload = b
	p.Len = max(p.Len, uint32(n))
}

// stamp reads struct nfqnl_msg_packet_timestamp {be64 sec, be64 usec}. A stamp
// that is no time between 1970 and 2242 counts as absent.
func (p *Packet) stamp(v []byte) bool {
	if len(v) < 16 {
		return false
	}
	sec, usec := binary.BigEndian.Uint64(v), binary.BigEndian.Uint64(v[8:])
	if sec >= 1<<33 || usec >= 1e6 {
		return false
	}
	p.KernelTime = int64(sec*1e9 + usec*1e3)
	return true
}

func be32(v []byte, dst *uint32) bool {
	if len(v) < 4 {
		return false
	}
	*dst = binary.BigEndian.Uint32(v)
	return true
}
