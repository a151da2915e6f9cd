package raw_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/uqtool/uq/record/livetest"
	"github.com/uqtool/uq/record/nft"
	"github.com/uqtool/uq/replay/raw"
)

// loopback is lo's index in a fresh namespace.
const loopback = 1

// datagram is a UDP packet without a checksum (IPv4), or with a right one; the
// payload is of even length.
func datagram(t *testing.T, src, dst netip.Addr, port, id uint16, payload []byte) []byte {
	t.Helper()
	udp := binary.BigEndian.AppendUint16(nil, 99)
	udp = binary.BigEndian.AppendUint16(udp, port)
	udp = binary.BigEndian.AppendUint16(udp, uint16(8+len(payload)))
	udp = append(append(udp, 0, 0), payload...)
	if src.Is4() {
		h := []byte{0x45, 0xb8, 0, 0, 0, 0, 0, 0, 9, unix.IPPROTO_UDP, 0, 0}
		binary.BigEndian.PutUint16(h[2:], uint16(20+len(udp)))
		binary.BigEndian.PutUint16(h[4:], id)
		h = append(append(h, src.AsSlice()...), dst.AsSlice()...)
		return append(h, udp...)
	}
	h := []byte{0x6b, 0x80, 0, 7, 0, byte(len(udp)), unix.IPPROTO_UDP, 9}
	h = append(append(h, src.AsSlice()...), dst.AsSlice()...)
	sum := uint32(unix.IPPROTO_UDP + len(udp))
	for _, part := range [][]byte{h[8:], udp} {
		for i := 0; i < len(part); i += 2 {
			sum += uint32(binary.BigEndian.Uint16(part[i:]))
		}
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	binary.BigEndian.PutUint16(udp[6:], ^uint16(sum))
	return append(h, udp...)
}

// proto is the protocol of an IP packet.
func proto(b []byte) byte {
	if b[0]>>4 == 4 {
		return b[9]
	}
	return b[6]
}

// capture is a packet socket on lo, which gives the UDP packets that leave.
func capture(t *testing.T) func() []byte {
	t.Helper()
	const all = unix.ETH_P_ALL<<8 | unix.ETH_P_ALL>>8
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM, all&0xffff)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	tv := unix.NsecToTimeval(time.Second.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		t.Fatal(err)
	}
	return func() []byte {
		buf := make([]byte, 1<<16)
		for {
			n, from, err := unix.Recvfrom(fd, buf, 0)
			if err != nil {
				return nil
			}
			if ll, ok := from.(*unix.SockaddrLinklayer); ok && ll.Pkttype == unix.PACKET_OUTGOING && proto(buf[:n]) == unix.IPPROTO_UDP {
				return buf[:n]
			}
		}
	}
}

// TestLiveSend: what leaves the device is what was given, byte for byte, of
// either family, from addresses that are not this host's, fragments and all.
func TestLiveSend(t *testing.T) {
	livetest.Test(t, func(t *testing.T) {
		s, err := raw.Open()
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		next := capture(t)
		four, six := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")
		other4, other6 := netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::7")
		payload := []byte("a payload!")
		fragment := datagram(t, other4, four, 9, 77, payload)
		binary.BigEndian.PutUint16(fragment[6:], 0x2000) // more to come
		for name, b := range map[string][]byte{
			"IPv4": datagram(t, other4, four, 9, 1, payload), "own IPv4": datagram(t, four, four, 9, 2, payload), "fragment": fragment,
			"IPv6": datagram(t, other6, six, 9, 0, payload), "own IPv6": datagram(t, six, six, 9, 0, payload),
		} {
			if err := s.Send(b, loopback, 5); err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			got := next()
			want := bytes.Clone(b)
			if want[0]>>4 == 4 && len(got) > 12 {
				copy(want[10:12], got[10:12]) // the checksum, which is the kernel's
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s:\nsent % x\nleft % x", name, want, got)
			}
		}
	})
}

// TestLiveRefused: what cannot be sent is an error that says why.
func TestLiveRefused(t *testing.T) {
	livetest.Test(t, func(t *testing.T) {
		livetest.SetLoopbackMTU(t, 1400)
		s, err := raw.Open()
		if err != nil {
			t.Fatal(err)
		}
		four, six := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")
		b4, b6 := datagram(t, four, four, 9, 1, nil), datagram(t, six, six, 9, 1, nil)
		for name, c := range map[string]struct {
			b    []byte
			dev  uint32
			want error
		}{
			"no device":     {b4, 0, raw.ErrNoWay},
			"not IP":        {[]byte{0x30, 19: 0}, loopback, raw.ErrNotIP},
			"short":         {b4[:19], loopback, raw.ErrNotIP},
			"short IPv6":    {b6[:39], loopback, raw.ErrNotIP},
			"empty":         {nil, loopback, raw.ErrNotIP},
			"too long":      {datagram(t, four, four, 9, 1, make([]byte, 1400)), loopback, unix.EMSGSIZE},
			"other device":  {b4, 4711, unix.ENODEV},
			"unknown route": {datagram(t, six, netip.MustParseAddr("2001:db8::9"), 9, 1, nil), loopback, unix.ENETUNREACH},
		} {
			if err := s.Send(c.b, c.dev, 0); !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", name, err, c.want)
			}
		}
		if err := errors.Join(s.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	})
}

// TestLiveMark: rules see a packet's own mark and raw.Mark beside it.
func TestLiveMark(t *testing.T) {
	livetest.Test(t, func(t *testing.T) {
		s, err := raw.Open()
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		table, err := nft.Install(
			nft.Rule{Name: "both", Hook: nft.Output, Proto: unix.IPPROTO_UDP, Mark: raw.Mark | 5, Bypass: true, Queue: 11},
			nft.Rule{Name: "ours", Hook: nft.Postrouting, Proto: unix.IPPROTO_UDP, Mark: raw.Mark, Bypass: true, Queue: 11})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = table.Remove() }()
		for i, a := range []string{"127.0.0.1", "::1"} {
			host := netip.MustParseAddr(a)
			b := datagram(t, host, host, 9, 1, nil)
			for _, mark := range []uint32{5, 4, 5, 0} {
				if err := s.Send(b, loopback, mark); err != nil {
					t.Fatal(err)
				}
			}
			for rule, want := range []int{2 * (i + 1), 4 * (i + 1)} {
				if c, err := table.Counter(rule); err != nil || c.Packets != uint64(want) {
					t.Errorf("%s, rule %d: %d packets, %v, want %d", a, rule, c.Packets, err, want)
				}
			}
		}
	})
}
