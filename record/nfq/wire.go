package nfq

import (
	"encoding/binary"
	"fmt"
)

// Netlink message types (linux/netlink.h) and the queue subsystem's
// (linux/netfilter/nfnetlink_queue.h: NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_*).
const (
	nlmsgNoop  = 1
	nlmsgError = 2
	nlmsgDone  = 3

	subsysQueue     = 3 << 8
	msgPacket       = subsysQueue     // NFQNL_MSG_PACKET, 0
	msgVerdict      = subsysQueue | 1 // NFQNL_MSG_VERDICT
	msgConfig       = subsysQueue | 2 // NFQNL_MSG_CONFIG
	msgVerdictBatch = subsysQueue | 3 // NFQNL_MSG_VERDICT_BATCH
)

// Attributes of packets and verdicts (NFQA_*).
const (
	attrPacketHdr  = 1
	attrVerdictHdr = 2
	attrMark       = 3
	attrTimestamp  = 4
	attrInDev      = 5
	attrOutDev     = 6
	attrPayload    = 10
	attrCapLen     = 13
	attrSkbInfo    = 14

	attrTypeMask = 0x3fff // NLA_TYPE_MASK: without the nested and byte-order bits
)

// Attributes of a configuration (NFQA_CFG_*), its commands (NFQNL_CFG_CMD_*),
// flags (NFQA_CFG_F_*) and copy mode.
const (
	cfgCmd    = 1
	cfgParams = 2
	cfgMaxLen = 3
	cfgMask   = 4
	cfgFlags  = 5

	cmdBind   = 1
	cmdPFBind = 3 // does nothing since Linux 3.8

	flagFailOpen = 1 << 0
	flagGSO      = 1 << 2

	copyPacket = 2
)

const (
	nlHeaderLen = 16 // struct nlmsghdr
	nfHeaderLen = 4  // struct nfgenmsg
	attrHdrLen  = 4  // struct nlattr

	flagRequest = 1 // NLM_F_REQUEST
	flagAck     = 4 // NLM_F_ACK
)

func align4(n int) int { return (n + 3) &^ 3 }

// begin appends the headers of a message to queue; end closes it.
func begin(b []byte, typ, flags uint16, seq uint32, queue uint16) []byte {
	b = binary.NativeEndian.AppendUint32(b, 0)
	b = binary.NativeEndian.AppendUint16(b, typ)
	b = binary.NativeEndian.AppendUint16(b, flagRequest|flags)
	b = binary.NativeEndian.AppendUint32(b, seq)
	b = binary.NativeEndian.AppendUint32(b, 0)
	b = append(b, 0, 0) // family unspecified, version NFNETLINK_V0
	return binary.BigEndian.AppendUint16(b, queue)
}

// end writes the length of the message that starts at b[start].
func end(b []byte, start int) []byte {
	binary.NativeEndian.PutUint32(b[start:], uint32(len(b)-start))
	return b
}

func appendAttr(b []byte, typ uint16, val []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(attrHdrLen+len(val)))
	b = binary.NativeEndian.AppendUint16(b, typ)
	b = append(b, val...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func appendAttr32(b []byte, typ uint16, val uint32) []byte {
	var v [4]byte
	binary.BigEndian.PutUint32(v[:], val)
	return appendAttr(b, typ, v[:])
}

// plainVerdict is the message that most verdicts are: it differs only in the
// packet's id, which is there twice, and in the action.
type plainVerdict [plainLen]byte

const (
	plainLen    = nlHeaderLen + nfHeaderLen + attrHdrLen + 8
	plainSeq    = 8
	plainAction = plainLen - 8
	plainID     = plainLen - 4
)

func newPlainVerdict(queue uint16) (p plainVerdict) {
	b, _ := appendVerdict(nil, queue, &Verdict{}) // fails for payload only
	copy(p[:], b)
	return p
}

// append appends the message for v, as appendVerdict does.
func (p *plainVerdict) append(b []byte, queue uint16, v *Verdict) ([]byte, error) {
	if v.UpTo || v.SetMark || v.Payload != nil {
		return appendVerdict(b, queue, v)
	}
	b = append(b, p[:]...)
	m := b[len(b)-plainLen:]
	binary.NativeEndian.PutUint32(m[plainSeq:], v.ID)
	binary.BigEndian.PutUint32(m[plainAction:], uint32(v.Action))
	binary.BigEndian.PutUint32(m[plainID:], v.ID)
	return b, nil
}

// appendVerdict appends the message for v. Its sequence number is the packet's
// id, so that an error from the kernel names the packet.
func appendVerdict(b []byte, queue uint16, v *Verdict) ([]byte, error) {
	if len(v.Payload) > MaxCopyRange {
		return b, fmt.Errorf("replace payload of packet %d: %d bytes, the kernel takes at most %d", v.ID, len(v.Payload), MaxCopyRange)
	}
	typ := uint16(msgVerdict)
	if v.UpTo {
		typ = msgVerdictBatch
	}
	start := len(b)
	b = begin(b, typ, 0, v.ID, queue)
	var hdr [8]byte // struct nfqnl_msg_verdict_hdr
	binary.BigEndian.PutUint32(hdr[:], uint32(v.Action))
	binary.BigEndian.PutUint32(hdr[4:], v.ID)
	b = appendAttr(b, attrVerdictHdr, hdr[:])
	if v.SetMark {
		b = appendAttr32(b, attrMark, v.Mark)
	}
	if v.Payload != nil && !v.UpTo {
		b = appendAttr(b, attrPayload, v.Payload)
	}
	return end(b, start), nil
}

// appendBind appends the one message that binds and configures the queue.
func appendBind(b []byte, c Config, seq uint32) []byte {
	start := len(b)
	b = begin(b, msgConfig, flagAck, seq, c.Queue)
	b = appendCmd(b, cmdBind)
	var params [5]byte // struct nfqnl_msg_config_params, packed
	binary.BigEndian.PutUint32(params[:], uint32(c.CopyRange))
	params[4] = copyPacket
	b = appendAttr(b, cfgParams, params[:])
	b = appendAttr32(b, cfgMaxLen, uint32(c.MaxLen))
	if f := c.flags(); f != 0 { // an old kernel need not know flags nobody wants
		b = appendAttr32(b, cfgFlags, f)
		b = appendAttr32(b, cfgMask, f)
	}
	return end(b, start)
}

// appendStopFeed appends the message after which the kernel accepts every new
// packet by itself: a queue of no room that fails open.
func appendStopFeed(b []byte, queue uint16, seq uint32) []byte {
	start := len(b)
	b = begin(b, msgConfig, flagAck, seq, queue)
	b = appendAttr32(b, cfgMaxLen, 0)
	b = appendAttr32(b, cfgFlags, flagFailOpen)
	b = appendAttr32(b, cfgMask, flagFailOpen)
	return end(b, start)
}

// appendProbe appends a command that changes nothing but needs CAP_NET_ADMIN.
func appendProbe(b []byte, seq uint32) []byte {
	start := len(b)
	b = begin(b, msgConfig, flagAck, seq, 0)
	return end(appendCmd(b, cmdPFBind), start)
}

func appendCmd(b []byte, cmd byte) []byte {
	return appendAttr(b, cfgCmd, []byte{cmd, 0, 0, 0}) // struct nfqnl_msg_config_cmd
}

func (c Config) flags() uint32 {
	var f uint32
	if c.GSO {
		f |= flagGSO
	}
	if c.FailOpen {
		f |= flagFailOpen
	}
	return f
}
