package nft

import (
	"encoding/binary"
	"net"
	"net/netip"

	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/uqtool/uq/sim/pkt"
)

// queueForm is how a kernel spells "to the queue".
type queueForm uint8

const (
	native   queueForm = iota // nft_queue
	xtTarget                  // xt_NFQUEUE through nft_compat
)

// exprs is the variant as the kernel's virtual machine wants it; String is the
// same in words and the same order.
func (v variant) exprs(form queueForm) []expr.Any {
	if v.discovery {
		return discoveryExprs()
	}
	if v.excepted {
		return append(matchMark(v.Except), &expr.Verdict{Kind: expr.VerdictAccept})
	}
	var e []expr.Any
	if v.InDev != "" {
		e = append(e, matchMeta(expr.MetaKeyIIFNAME, ifname(v.InDev))...)
	}
	if v.OutDev != "" {
		e = append(e, matchMeta(expr.MetaKeyOIFNAME, ifname(v.OutDev))...)
	}
	e = append(e, v.matchFamily()...)
	e = append(e, matchAddr(v.Src, 12, 8)...)
	e = append(e, matchAddr(v.Dst, 16, 24)...)
	if v.Proto != 0 {
		e = append(e, matchMeta(expr.MetaKeyL4PROTO, []byte{v.Proto})...)
	}
	if v.SrcPort != 0 {
		e = append(e, matchPort(0, v.SrcPort)...)
	}
	if v.DstPort != 0 {
		e = append(e, matchPort(2, v.DstPort)...)
	}
	if v.Mark != 0 {
		e = append(e, matchMark(v.Mark)...)
	}
	if v.SetCE {
		return append(e, setCE(v.family())...)
	}
	return append(e, &expr.Counter{}, v.queue(form))
}

// matchMark holds for packets that have all bits of mark.
func matchMark(mark uint32) []expr.Any {
	bits := binary.NativeEndian.AppendUint32(nil, mark)
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyMARK, Register: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: bits, Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: bits},
	}
}

func (v variant) queue(form queueForm) expr.Any {
	if form == native {
		q := &expr.Queue{Num: v.Queue, Total: uint16(v.total())}
		if v.Bypass {
			q.Flag |= expr.QueueFlagBypass
		}
		if v.Fanout {
			q.Flag |= expr.QueueFlagFanout
		}
		return q
	}
	// struct xt_NFQ_info_v3 { __u16 queuenum, queues_total, flags; } of
	// linux/netfilter/xt_NFQUEUE.h, rounded up to eight bytes.
	const bypass, fanout = 1, 2 // NFQ_FLAG_BYPASS, NFQ_FLAG_CPU_FANOUT
	flags := uint16(0)
	if v.Bypass {
		flags |= bypass
	}
	if v.Fanout {
		flags |= fanout
	}
	info := make(xt.Unknown, 8)
	binary.NativeEndian.PutUint16(info[0:], v.Queue)
	binary.NativeEndian.PutUint16(info[2:], uint16(v.total()))
	binary.NativeEndian.PutUint16(info[4:], flags)
	return &expr.Target{Name: "NFQUEUE", Rev: 3, Info: &info}
}

func (v variant) matchFamily() []expr.Any {
	switch v.family() {
	case 4:
		return matchMeta(expr.MetaKeyNFPROTO, []byte{unix.NFPROTO_IPV4})
	case 6:
		return matchMeta(expr.MetaKeyNFPROTO, []byte{unix.NFPROTO_IPV6})
	}
	return nil
}

func matchMeta(key expr.MetaKey, want []byte) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: key, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: want},
	}
}

// ifname is a device name as the kernel compares it: IFNAMSIZ bytes.
func ifname(s string) []byte {
	b := make([]byte, unix.IFNAMSIZ)
	copy(b, s)
	return b
}

// matchAddr compares an address, at offset off4 or off6 of its IP header.
func matchAddr(p netip.Prefix, off4, off6 uint32) []expr.Any {
	if !p.IsValid() {
		return nil
	}
	p = p.Masked()
	addr, off := p.Addr().AsSlice(), off4
	if p.Addr().Is6() {
		off = off6
	}
	n := uint32(len(addr))
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: off, Len: n},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: n,
			Mask: net.CIDRMask(p.Bits(), len(addr)*8), Xor: make([]byte, n)},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: addr},
	}
}

// matchPort compares two bytes of the transport header.
func matchPort(off uint32, port uint16) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: off, Len: 2},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binary.BigEndian.AppendUint16(nil, port)},
	}
}

// discoveryExprs lets ICMPv6 types 133 to 137 through: router and neighbour
// solicitation and advertisement, and redirect.
func discoveryExprs() []expr.Any {
	e := matchMeta(expr.MetaKeyL4PROTO, []byte{pkt.ProtoICMPv6})
	return append(e,
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 0, Len: 1},
		&expr.Range{Op: expr.CmpOpEq, Register: 1, FromData: []byte{133}, ToData: []byte{137}},
		&expr.Verdict{Kind: expr.VerdictAccept})
}

// setCE rewrites the ECN field, which lies in the first two bytes of either
// header: IPv4 has version, length, TOS; IPv6 has version, class, flow label.
func setCE(fam uint8) []expr.Any {
	mask, xor := []byte{0xff, 0xfc}, []byte{0x00, 0x03}
	write := &expr.Payload{OperationType: expr.PayloadWrite, SourceRegister: 1,
		Base: expr.PayloadBaseNetworkHeader, Offset: 0, Len: 2}
	if fam == 4 {
		write.CsumType, write.CsumOffset = expr.CsumTypeInet, 10
	} else {
		mask, xor = []byte{0xff, 0xcf}, []byte{0x00, 0x30}
	}
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 0, Len: 2},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 2, Mask: mask, Xor: xor},
		write,
	}
}

// sendOwnedTable asks for an inet table with the owner flag, as a batch of its
// own, and waits for the kernel's answer.
func sendOwnedTable(c *netlink.Conn, name string) error {
	attrs, err := netlink.MarshalAttributes([]netlink.Attribute{
		{Type: unix.NFTA_TABLE_NAME, Data: append([]byte(name), 0)},
		{Type: unix.NFTA_TABLE_FLAGS, Data: binary.BigEndian.AppendUint32(nil, ownerFlag)},
	})
	if err != nil {
		return err
	}
	const newTable = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWTABLE
	// struct nfgenmsg { __u8 family, version; __be16 res_id; }
	batch := []byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, unix.NFNL_SUBSYS_NFTABLES}
	_, err = c.SendMessages([]netlink.Message{
		{Header: netlink.Header{Type: unix.NFNL_MSG_BATCH_BEGIN, Flags: netlink.Request}, Data: batch},
		{Header: netlink.Header{Type: newTable, Flags: netlink.Request | netlink.Acknowledge | netlink.Create | netlink.Excl},
			Data: append([]byte{unix.NFPROTO_INET, unix.NFNETLINK_V0, 0, 0}, attrs...)},
		{Header: netlink.Header{Type: unix.NFNL_MSG_BATCH_END, Flags: netlink.Request}, Data: batch},
	})
	if err != nil {
		return err
	}
	_, err = c.Receive()
	return err
}
