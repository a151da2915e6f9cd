package inject

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/uqtool/uq/record/decode"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// TestFrame reads frames back with the decoder, and checks their virtio header.
func TestFrame(t *testing.T) {
	f := framer{to: make([]byte, 6), from: make([]byte, 6), mtu: 1500}
	var d traces.Record
	for _, c := range []struct {
		flow     string
		len      uint32
		hdr      uint16
		segs     uint16
		l4       uint16
		gso      uint8
		size     uint16
		csum     bool
		start, o uint16
	}{
		{"udp 10.0.0.1:5>10.0.0.2:6", 1400, 28, 1, 0, 0, 0, true, 34, 6},
		{"udp 10.0.0.1:5>10.0.0.2:6", 5028, 28, 4, 0, gsoUDP, 1472, true, 34, 6},
		{"tcp 10.0.0.1:5>10.0.0.2:6", 2948, 52, 2, 0x10, gsoTCPv4, 1448, true, 34, 16},
		{"tcp 10.0.0.1:5>10.0.0.2:6", 2948, 52, 2, 0x90, gsoTCPv4 | gsoECN, 1448, true, 34, 16},
		{"tcp [fd00::1]:5>[fd00::2]:6", 2928, 72, 2, 0x10, gsoTCPv6, 1428, true, 54, 16},
		{"icmp 10.0.0.1>10.0.0.2", 84, 28, 1, 0x800, 0, 0, false, 0, 0},
	} {
		r := udpRecord(t, "udp 1.1.1.1:1>2.2.2.2:2", c.len)
		k, err := pkt.ParseFlowKey(c.flow)
		if err != nil {
			t.Fatal(err)
		}
		r.Flow, r.HdrLen, r.Segs, r.L4Flags, r.DSField = k, c.hdr, c.segs, c.l4, 2
		b, why := f.append(nil, &r, 0x7654321)
		if why != Sendable || len(b) != vnetLen+etherLen+int(c.hdr) {
			t.Errorf("%s: %v, %d bytes", c.flow, why, len(b))
			continue
		}
		got := [5]uint16{uint16(b[0]), uint16(b[1]), binary.NativeEndian.Uint16(b[4:]), binary.NativeEndian.Uint16(b[6:]), binary.NativeEndian.Uint16(b[8:])}
		want := [5]uint16{0, uint16(c.gso), c.size, 0, 0}
		if c.csum {
			want = [5]uint16{vnetCsum, uint16(c.gso), c.size, c.start, c.o}
		}
		if got != want || binary.NativeEndian.Uint16(b[2:]) != etherLen+c.hdr {
			t.Errorf("%s: virtio header % x, want %v", c.flow, b[:vnetLen], want)
		}
		ip := b[vnetLen+etherLen:]
		decode.New(1500).Decode(ip, c.len, 0, &d)
		if tag, ds, ok := readTag(ip); !ok || tag != tagOf(0x7654321, k.V6) || ds != 2 || d.Flow != k || d.Len != c.len {
			t.Errorf("%s: tag %x, DS %d, decoded %+v", c.flow, tag, ds, d)
		}
	}
}

func TestUnsendable(t *testing.T) {
	for flow, want := range map[string]Why{
		"udp 10.0.0.1:1>10.0.0.2:2": Sendable, "udp 10.0.0.1:1>239.1.2.3:2": Address, "udp 0.0.0.0:68>255.255.255.255:67": Address,
		"udp 127.0.0.1:1>10.0.0.2:2": Address, "udp [fe80::1]:1>[fd00::1]:2": Address, "udp [fd00::1]:1>[ff02::fb]:2": Address,
		"udp [2001:db8::1]:1>[2001:db8::2]:2": Sendable, "udp [::1]:1>[fd00::2]:2": Address, "udp 169.254.1.1:5>10.0.0.1:5": Sendable,
	} {
		r := udpRecord(t, flow, 100)
		if got := unsendable(&r); got != want {
			t.Errorf("%s: %v, want %v", flow, got, want)
		}
	}
	long := udpRecord(t, "udp 10.0.0.1:1>10.0.0.2:2", 70000)
	odd := udpRecord(t, "udp 10.0.0.1:1>10.0.0.2:2", 100)
	odd.HdrLen = 11
	f := framer{to: make([]byte, 6), from: make([]byte, 6)}
	for _, c := range []struct {
		r    traces.Record
		want Why
	}{{long, TooLong}, {odd, Headers}} {
		if _, why := f.append(nil, &c.r, 1); why != c.want {
			t.Errorf("%+v: %v, want %v", c.r, why, c.want)
		}
	}
}

func TestWhyNames(t *testing.T) {
	for w := Sendable; w <= Segmenting; w++ {
		if strings.TrimSpace(w.String()) == "" {
			t.Errorf("reason %d has no name", w)
		}
	}
}
