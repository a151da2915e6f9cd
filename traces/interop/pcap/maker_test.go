package pcap_test

import (
	"bytes"
	"encoding/binary"
	"net/netip"
)

// maker makes pcapng blocks in a byte order.
type maker struct {
	order binary.AppendByteOrder
	b     []byte
}

func (m *maker) block(typ uint32, body ...[]byte) *maker {
	all := bytes.Join(body, nil)
	for len(all)%4 != 0 {
		all = append(all, 0)
	}
	n := uint32(12 + len(all))
	m.b = m.order.AppendUint32(m.order.AppendUint32(m.b, typ), n)
	m.b = m.order.AppendUint32(append(m.b, all...), n)
	return m
}

func (m *maker) u16(v ...uint16) (b []byte) {
	for _, v := range v {
		b = m.order.AppendUint16(b, v)
	}
	return b
}

func (m *maker) u32(v ...uint32) (b []byte) {
	for _, v := range v {
		b = m.order.AppendUint32(b, v)
	}
	return b
}

func (m *maker) option(code uint16, value []byte) []byte {
	b := append(m.u16(code, uint16(len(value))), value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func (m *maker) section() *maker {
	return m.block(0x0A0D0D0A, m.u32(0x1A2B3C4D), m.u16(1, 0), m.u32(0xffffffff, 0xffffffff))
}

func (m *maker) iface(link uint16, name string, resolution byte) *maker {
	return m.block(1, m.u16(link, 0), m.u32(0), m.option(2, []byte(name)), m.option(9, []byte{resolution}), m.u32(0))
}

func (m *maker) packet(iface uint32, ts uint64, wire int, data []byte, options ...[]byte) *maker {
	for len(data)%4 != 0 {
		data = append(data, 0)
	}
	return m.block(6, m.u32(iface, uint32(ts>>32), uint32(ts), uint32(len(data)), uint32(wire)), data, bytes.Join(options, nil))
}

// ipUDP is a UDP packet's headers without payload, of so many bytes by its
// length field.
func ipUDP(src, dst string, length uint16) []byte {
	b := []byte{0x45, 0, byte(length >> 8), byte(length), 0, 0, 0, 0, 64, 17, 0, 0}
	b = append(append(b, netip.MustParseAddr(src).AsSlice()...), netip.MustParseAddr(dst).AsSlice()...)
	return append(b, 3, 0xe8, 0, 53, 0, 8, 0, 0)
}

// flags of a packet.
func (m *maker) flags(v uint32) []byte { return m.option(2, m.u32(v)) }

// twoSided has both directions on two interfaces.
func twoSided(order binary.AppendByteOrder) []byte {
	m := &maker{order: order}
	a, b := ipUDP("10.0.0.1", "10.0.0.2", 100), ipUDP("10.0.0.2", "10.0.0.1", 200)
	m.section().iface(101, "eth0", 9).iface(101, "eth1", 6)
	m.block(4, m.u32(0)).block(0x0bad, []byte("custom"))
	m.packet(0, 1e18+1000, 100, a, m.flags(1))
	m.packet(1, 1e15+2, 200, b, m.flags(2), m.option(4, m.order.AppendUint64(nil, 5)))
	m.packet(0, 1e18+500, 1600, ipUDP("10.0.0.1", "10.0.0.2", 1600), m.flags(1))
	m.block(3, m.u32(100), a)
	m.block(5, m.u32(0, 0, 0), m.option(5, m.order.AppendUint64(nil, 3)))
	return m.b
}
