package decode

import (
	"encoding/binary"
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// build serialises layers with lengths fixed.
func build(t testing.TB, ls ...gopacket.SerializableLayer) []byte {
	t.Helper()
	buf := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true}
	if err := gopacket.SerializeLayers(buf, opts, ls...); err != nil {
		t.Fatal(err)
	}
	return append([]byte(nil), buf.Bytes()...)
}

func v4(proto layers.IPProtocol, change ...func(*layers.IPv4)) *layers.IPv4 {
	ip := &layers.IPv4{Version: 4, TOS: 0xb9, TTL: 64, Protocol: proto,
		SrcIP: net.IPv4(10, 0, 0, 1), DstIP: net.IPv4(10, 0, 0, 2)}
	for _, f := range change {
		f(ip)
	}
	return ip
}

func v6(next layers.IPProtocol) *layers.IPv6 {
	return &layers.IPv6{Version: 6, TrafficClass: 0xb9, HopLimit: 64, NextHeader: next,
		SrcIP: net.ParseIP("fd00::1"), DstIP: net.ParseIP("fd00::2")}
}

func tcp(change ...func(*layers.TCP)) *layers.TCP {
	h := &layers.TCP{SrcPort: 5000, DstPort: 80, Seq: 1, Ack: 2, ACK: true, PSH: true, Window: 100}
	for _, f := range change {
		f(h)
	}
	return h
}

var (
	udp     = &layers.UDP{SrcPort: 5000, DstPort: 53}
	data100 = gopacket.Payload(make([]byte, 100))
)

func key(t testing.TB, s string) pkt.FlowKey {
	t.Helper()
	k, err := pkt.ParseFlowKey(s)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

const (
	tcp4  = "tcp 10.0.0.1:5000>10.0.0.2:80"
	udp4  = "udp 10.0.0.1:5000>10.0.0.2:53"
	tcp6  = "tcp [fd00::1]:5000>[fd00::2]:80"
	udp6  = "udp [fd00::1]:5000>[fd00::2]:53"
	later = "udp 10.0.0.1:0>10.0.0.2:0"
)

// record is what a packet of n bytes with headers of hdr should give.
func record(t testing.TB, flow string, n int, hdr uint16, change ...func(*traces.Record)) traces.Record {
	r := traces.Record{Flow: key(t, flow), Len: uint32(n), Segs: 1, HdrLen: hdr, DSField: 0xb9}
	for _, f := range change {
		f(&r)
	}
	return r
}

func withTCP(r *traces.Record) { r.L4Flags, r.Seq, r.Ack = 0x18, 1, 2 }
func fragment(r *traces.Record) {
	r.Info |= traces.Fragment
}

func TestDecode(t *testing.T) {
	allFlags := func(h *layers.TCP) {
		h.NS, h.CWR, h.ECE, h.URG, h.ACK, h.PSH, h.RST, h.SYN, h.FIN = true, true, true, true, true, true, true, true, true
	}
	options := func(h *layers.TCP) {
		h.Options = []layers.TCPOption{{OptionType: layers.TCPOptionKindNop}, {OptionType: layers.TCPOptionKindNop},
			{OptionType: layers.TCPOptionKindTimestamps, OptionLength: 10, OptionData: make([]byte, 8)}}
	}
	routerAlert := func(ip *layers.IPv4) {
		ip.Options = []layers.IPv4Option{{OptionType: 148, OptionLength: 4, OptionData: make([]byte, 2)}}
	}
	badOption := func(ip *layers.IPv4) {
		ip.Options = []layers.IPv4Option{{OptionType: 148, OptionLength: 4, OptionData: make([]byte, 2)}}
	}
	for _, tt := range []struct {
		name string
		in   []byte
		want traces.Record
	}{
		{"tcp", build(t, v4(6), tcp(), data100), record(t, tcp4, 140, 40, withTCP)},
		{"tcp flags", build(t, v4(6), tcp(allFlags)), record(t, tcp4, 40, 40, withTCP, func(r *traces.Record) { r.L4Flags = 0x1ff })},
		{"tcp options", build(t, v4(6), tcp(options), data100), record(t, tcp4, 152, 52, withTCP)},
		{"ip options", build(t, v4(6, routerAlert), tcp(), data100), record(t, tcp4, 144, 44, withTCP)},
		{"broken ip option", patch(build(t, v4(6, badOption), tcp(), data100), 21, 99), record(t, tcp4, 144, 44, withTCP)},
		{"broken tcp option", patch(build(t, v4(6), tcp(options), data100), 43, 99), record(t, tcp4, 152, 52, withTCP)},
		{"udp", build(t, v4(17), udp, data100), record(t, udp4, 128, 28)},
		{"sctp", build(t, v4(132), &layers.SCTP{SrcPort: 5000, DstPort: 80}, data100), record(t, "sctp 10.0.0.1:5000>10.0.0.2:80", 132, 32)},
		{"echo", build(t, v4(1), &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(8, 0), Id: 7, Seq: 9}, data100),
			record(t, "icmp 10.0.0.1>10.0.0.2", 128, 28, func(r *traces.Record) { r.L4Flags, r.Seq = 0x0800, 7<<16|9 })},
		{"unreachable", build(t, v4(1), &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(3, 4), Id: 7, Seq: 9}, data100),
			record(t, "icmp 10.0.0.1>10.0.0.2", 128, 28, func(r *traces.Record) { r.L4Flags = 0x0304 })},
		{"unknown protocol", build(t, v4(99), data100), record(t, "99 10.0.0.1>10.0.0.2", 120, 20)},
		{"ip in ip stays outside", build(t, v4(4), v4(6, func(ip *layers.IPv4) { ip.SrcIP = net.IPv4(1, 1, 1, 1) }), tcp()), record(t, "4 10.0.0.1>10.0.0.2", 60, 20)},
		{"first fragment", build(t, v4(17, func(ip *layers.IPv4) { ip.Flags = layers.IPv4MoreFragments }), udp, data100), record(t, udp4, 128, 28, fragment)},
		{"later fragment", build(t, v4(17, func(ip *layers.IPv4) { ip.FragOffset = 185 }), data100), record(t, later, 120, 20, fragment)},
		{"tcp v6", build(t, v6(6), tcp(), data100), record(t, tcp6, 160, 60, withTCP)},
		{"udp v6", build(t, v6(17), udp, data100), record(t, udp6, 148, 48)},
		{"echo v6", build(t, v6(58), icmp6(128), &layers.ICMPv6Echo{Identifier: 7, SeqNumber: 9}),
			record(t, "icmp6 fd00::1>fd00::2", 48, 48, func(r *traces.Record) { r.L4Flags, r.Seq = 0x8000, 7<<16|9 })},
		{"neighbour solicitation", build(t, v6(58), icmp6(135), gopacket.Payload(make([]byte, 20))),
			record(t, "icmp6 fd00::1>fd00::2", 64, 48, func(r *traces.Record) { r.L4Flags = 0x8700 })},
		{"hop-by-hop", build(t, v6(0), ext(17, 8), udp, data100), record(t, udp6, 156, 56)},
		{"chain of extensions", build(t, v6(0), ext(43, 8), ext(60, 24), ext(51, 16), ah(6), tcp(), data100), record(t, tcp6, 232, 132, withTCP)},
		{"first fragment v6", build(t, v6(44), frag6(17, 0, true), udp, data100), record(t, udp6, 156, 56, fragment)},
		{"later fragment v6", build(t, v6(44), frag6(17, 1448, false), data100), record(t, "udp [fd00::1]:0>[fd00::2]:0", 148, 48, fragment)},
		{"extension beyond the packet", build(t, v6(0), gopacket.Payload{17, 200, 0, 0, 0, 0, 0, 0}), record(t, "0 fd00::1>fd00::2", 48, 40)},
		{"super-packet of length zero", patch(patch(build(t, v6(6), tcp(), data100), 4, 0), 5, 0), record(t, tcp6, 160, 60, withTCP)},
		{"tcp too short", build(t, v4(6), gopacket.Payload{0x13, 0x88, 0, 80, 0}), record(t, tcp4, 25, 25)},
		{"tcp offset too small", patch(build(t, v4(6), tcp(), data100), 32, 0x10), record(t, tcp4, 140, 40, withTCP)},
		{"empty", nil, traces.Record{Segs: 1, Info: traces.Undecoded}},
		{"not ip", []byte{0xff, 1, 2, 3}, traces.Record{Len: 4, Segs: 1, Info: traces.Undecoded}},
		{"header length below five", patch(build(t, v4(6), tcp()), 0, 0x44), traces.Record{Len: 40, Segs: 1, Info: traces.Undecoded}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got traces.Record
			New(0).Decode(tt.in, uint32(len(tt.in)), 0, &got)
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func patch(b []byte, i int, v byte) []byte {
	b[i] = v
	return b
}

func icmp6(typ uint8) *layers.ICMPv6 {
	return &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(typ, 0)}
}

// ext is an extension header of n bytes (a multiple of 8) before next.
func ext(next byte, n int) gopacket.Payload {
	b := make([]byte, n)
	b[0], b[1] = next, byte(n/8-1)
	return b
}

// ah is an authentication header of 24 bytes.
func ah(next byte) gopacket.Payload {
	b := make([]byte, 24)
	b[0], b[1] = next, 4
	return b
}

func frag6(next byte, offset uint16, more bool) gopacket.Payload {
	b := make([]byte, 8)
	b[0] = next
	binary.BigEndian.PutUint16(b[2:], offset/8<<3)
	if more {
		b[3] |= 1
	}
	return b
}

// TestTruncated cuts one packet everywhere: what lies before the cut is read,
// what lies beyond is zero.
func TestTruncated(t *testing.T) {
	full := build(t, v4(6), tcp(), data100)
	want := record(t, tcp4, 140, 40, withTCP)
	d := New(0)
	for n := range full {
		var got traces.Record
		d.Decode(full[:n], uint32(len(full)), 0, &got)
		if got.Len != 140 || got.Segs != 1 {
			t.Errorf("%d bytes: length %d, %d segments", n, got.Len, got.Segs)
		}
		if cut := got.Info&traces.Truncated != 0; cut != (n < 40) {
			t.Errorf("%d bytes: truncated %v", n, cut)
		}
		if un := got.Info&traces.Undecoded != 0; un != (n < 20) {
			t.Errorf("%d bytes: undecoded %v", n, un)
		}
		if n >= 24 && got.Flow != want.Flow {
			t.Errorf("%d bytes: flow %v", n, got.Flow)
		}
		if n >= 20 && n < 40 && got.HdrLen != 40 || n < 40 && got.L4Flags != 0 {
			t.Errorf("%d bytes: header length %d, flags %#x", n, got.HdrLen, got.L4Flags)
		}
		if n >= 40 {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%d bytes (-want +got):\n%s", n, diff)
			}
		}
	}
}

func TestSegments(t *testing.T) {
	head := build(t, v4(6), tcp())
	for _, tt := range []struct {
		mtu  int
		len  uint32
		info traces.Info
		want uint16
	}{
		{1500, 1500, 0, 1},
		{1500, 9000, 0, 1}, // not GSO: one jumbo packet
		{1500, 1500, traces.GSO, 1},
		{1500, 1501, traces.GSO, 2},
		{1500, 40 + 2*1460, traces.GSO, 2},
		{1500, 40 + 2*1460 + 1, traces.GSO, 3},
		{1500, 65535, traces.GSO, 45},
		{0, 65535, traces.GSO, 45},
		{9000, 65535, traces.GSO, 8},
		{40, 65535, traces.GSO, 1},
		{41, 1 << 31, traces.GSO, 1<<16 - 1},
	} {
		var r traces.Record
		New(tt.mtu).Decode(head, tt.len, tt.info, &r)
		estimated := tt.info&traces.GSO != 0
		if r.Segs != tt.want || (r.Info&traces.SegsEstimated != 0) != estimated {
			t.Errorf("mtu %d, %d bytes, info %#x: %d segments, info %#x, want %d", tt.mtu, tt.len, tt.info, r.Segs, r.Info, tt.want)
		}
	}
}

// A packet that cannot be read must not show the one before it.
func TestNothingStale(t *testing.T) {
	d := New(0)
	full := [][]byte{build(t, v4(6), tcp()), build(t, v6(6), tcp()), build(t, v4(1), &layers.ICMPv4{Id: 1, Seq: 1}), build(t, v6(58), icmp6(128), &layers.ICMPv6Echo{Identifier: 7})}
	for _, before := range full {
		for _, b := range full {
			for n := range len(b) + 1 {
				var got, want traces.Record
				d.Decode(before, uint32(len(before)), 0, &got)
				d.Decode(b[:n], uint32(len(b)), 0, &got)
				New(0).Decode(b[:n], uint32(len(b)), 0, &want)
				if got != want {
					t.Fatalf("%d bytes of %x after %x: want %+v, got %+v", n, b, before, want, got)
				}
			}
		}
	}
}

func corpus(t testing.TB) [][]byte {
	return [][]byte{
		build(t, v4(6), tcp(), data100),
		build(t, v4(17), udp, data100),
		build(t, v6(6), tcp(), data100),
		build(t, v6(0), ext(43, 8), ext(60, 24), ext(51, 16), ah(6), tcp(), data100),
		build(t, v6(44), frag6(17, 1448, false), data100),
		build(t, v4(1), &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(8, 0), Id: 7, Seq: 9}, data100),
		build(t, v6(58), icmp6(128), &layers.ICMPv6Echo{Identifier: 7, SeqNumber: 9}),
		build(t, v4(132), &layers.SCTP{SrcPort: 5000, DstPort: 80}, data100),
	}
}

func TestAllocs(t *testing.T) {
	d := New(0)
	var r traces.Record
	for _, b := range corpus(t) {
		d.Decode(b, 1500, 0, &r)
		if n := testing.AllocsPerRun(100, func() { d.Decode(b, 1500, traces.GSO, &r) }); n != 0 {
			t.Errorf("%v: %v allocations a packet, want none", r.Flow, n)
		}
	}
}

// FuzzDecode wants no panic, no lengths that exceed the packet, and no port
// where there is none.
func FuzzDecode(f *testing.F) {
	for _, b := range corpus(f) {
		f.Add(b, uint32(len(b)), uint16(0))
		f.Add(b[:30], uint32(len(b)), uint16(traces.GSO))
	}
	d := New(0)
	f.Fuzz(func(t *testing.T, b []byte, l3len uint32, info uint16) {
		var r, again traces.Record
		d.Decode(b, l3len, traces.Info(info), &r)
		New(0).Decode(b, l3len, traces.Info(info), &again)
		switch {
		case r != again:
			t.Fatalf("stale fields: %+v, alone %+v", r, again)
		case r.Len != l3len || uint32(r.HdrLen) > l3len || r.Segs == 0:
			t.Fatalf("got %+v for %d bytes", r, l3len)
		case !r.Flow.HasPorts() && (r.Flow.SrcPort != 0 || r.Flow.DstPort != 0):
			t.Fatalf("ports in %+v", r)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	d := New(0)
	var r traces.Record
	for _, p := range corpus(b) {
		d.Decode(p, 1500, 0, &r)
		b.Run(r.Flow.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				d.Decode(p, 1500, 0, &r)
			}
		})
	}
}
