package decode

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

func recordOf(t *testing.T, flow string, length uint32, hdr uint16) traces.Record {
	t.Helper()
	k, err := pkt.ParseFlowKey(flow)
	if err != nil {
		t.Fatal(err)
	}
	return traces.Record{Flow: k, Len: length, HdrLen: hdr, Segs: 1, DSField: 0xb9}
}

// TestBuildDecode checks that a built packet decodes to its record.
func TestBuildDecode(t *testing.T) {
	tcp := recordOf(t, "tcp 10.0.0.1:5000>10.0.0.2:80", 1500, 52)
	tcp.L4Flags, tcp.Seq, tcp.Ack = 0x1d8, 0xdeadbeef, 7
	big := recordOf(t, "tcp [fd00::1]:5000>[fd00::2]:80", 40000, 72)
	big.Info, big.Segs = traces.GSO|traces.SegsEstimated, 28
	ping := recordOf(t, "icmp 10.0.0.1>10.0.0.2", 84, 28)
	ping.L4Flags, ping.Seq = 8<<8, 0x12340001
	ping6 := recordOf(t, "icmp6 fd00::1>fd00::2", 104, 48)
	ping6.L4Flags, ping6.Seq = 128<<8, 0x12340001
	first := recordOf(t, "udp 10.0.0.1:1>10.0.0.2:2", 1500, 28)
	first.Info = traces.Fragment
	later := recordOf(t, "udp 10.0.0.1:0>10.0.0.2:0", 1500, 20)
	later.Info = traces.Fragment
	for _, want := range []traces.Record{
		tcp, big, ping, ping6, first, later,
		recordOf(t, "udp 10.0.0.1:1>10.0.0.2:2", 200, 28),
		recordOf(t, "udp [fd00::1]:1>[fd00::2]:2", 200, 48),
		recordOf(t, "udp [fd00::1]:1>[fd00::2]:2", 200, 64), // extension header
		recordOf(t, "udp 10.0.0.1:1>10.0.0.2:2", 200, 36),   // IP options
		recordOf(t, "tcp 10.0.0.1:1>10.0.0.2:2", 100, 100),  // both full of options
		recordOf(t, "sctp 10.0.0.1:1>10.0.0.2:2", 200, 32),
		recordOf(t, "47 10.0.0.1>10.0.0.2", 200, 20),
	} {
		var b Builder
		h, err := b.Build(&want, 0x54321)
		if err != nil {
			t.Errorf("%s: %v", want.Flow, err)
			continue
		}
		got := want
		New(1500).Decode(h.Bytes, want.Len, want.Info&traces.GSO, &got)
		got.Info &^= traces.Truncated // the payload is not there
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", want.Flow, d)
		}
		if len(h.Bytes) != int(want.HdrLen) {
			t.Errorf("%s: %d bytes of headers, want %d", want.Flow, len(h.Bytes), want.HdrLen)
		}
	}
}

func TestBuildRefuses(t *testing.T) {
	odd := recordOf(t, "tcp 10.0.0.1:1>10.0.0.2:2", 200, 41)
	short := recordOf(t, "tcp 10.0.0.1:1>10.0.0.2:2", 30, 40)
	none := recordOf(t, "tcp 10.0.0.1:1>10.0.0.2:2", 200, 40)
	none.Info = traces.Undecoded
	for _, r := range []traces.Record{odd, short, none, recordOf(t, "udp 10.0.0.1:1>10.0.0.2:2", 20, 20), {}} {
		var b Builder
		if h, err := b.Build(&r, 0); err == nil {
			t.Errorf("built %d bytes for %+v", len(h.Bytes), r)
		}
	}
}

// TestPartialChecksum completes the checksum as a device does and lets gopacket
// compute it by itself.
func TestPartialChecksum(t *testing.T) {
	for flow, hdr := range map[string]uint16{"tcp 10.0.0.1:5000>10.0.0.2:80": 60, "udp [fd00::1]:1>[fd00::2]:2": 48} {
		r := recordOf(t, flow, 333, hdr)
		var b Builder
		h, err := b.Build(&r, 0)
		if err != nil {
			t.Fatal(err)
		}
		whole := make([]byte, r.Len+1) // an even length; the last byte is padding
		copy(whole, h.Bytes)
		got := ^fold(sum(whole[h.CsumStart:]))
		if want := reference(t, whole[:r.Len], r.Flow.V6); got != want {
			t.Errorf("%s: checksum %#x, want %#x", flow, got, want)
		}
	}
}

// reference lets gopacket serialise the same packet with checksums.
func reference(t *testing.T, packet []byte, v6 bool) uint16 {
	t.Helper()
	first := layers.LayerTypeIPv4
	if v6 {
		first = layers.LayerTypeIPv6
	}
	p := gopacket.NewPacket(packet, first, gopacket.Default)
	buf := gopacket.NewSerializeBuffer()
	opt := gopacket.SerializeOptions{ComputeChecksums: true, FixLengths: true}
	body := gopacket.Payload(p.TransportLayer().LayerPayload())
	switch l4 := p.TransportLayer().(type) {
	case *layers.TCP:
		_ = l4.SetNetworkLayerForChecksum(p.NetworkLayer())
		if err := gopacket.SerializeLayers(buf, opt, l4, body); err != nil {
			t.Fatal(err)
		}
		return l4.Checksum
	case *layers.UDP:
		_ = l4.SetNetworkLayerForChecksum(p.NetworkLayer())
		if err := gopacket.SerializeLayers(buf, opt, l4, body); err != nil {
			t.Fatal(err)
		}
		return l4.Checksum
	}
	t.Fatal("no transport layer")
	return 0
}
