package cli

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"github.com/uqtool/uq/record/livetest"
)

// TestLiveHost runs uq record in host mode, with rules of its own, on the
// loopback of a private namespace: recording only, and scheduling UDP at twice
// the link's rate, which marks what is ECN-capable for real.
func TestLiveHost(t *testing.T) {
	livetest.Test(t, func(t *testing.T) {
		for _, addr := range []string{"127.0.0.1:0", "[::1]:0"} {
			got := overload(t, addr, func(file string) {
				code, _, errs := runUq("record", "-o", file, "--hook", "output", "--dev", "lo", "--proto", "udp", "--packets", "400", "--duration", "30s",
					"--qdisc", "fq_codel target 1ms interval 10ms", "--link", "rate 2mbit")
				if code != 0 || !strings.Contains(errs, "marks: aqm ") {
					t.Errorf("%s: exit %d\n%s", addr, code, errs)
				}
				if code, out, errs := runUq("verify", file); code != 0 {
					t.Errorf("%s: verify: exit %d\n%s%s", addr, code, out, errs)
				}
			})
			if got.ce == 0 || got.ce == got.packets {
				t.Errorf("%s: %d of %d packets arrived with CE", addr, got.ce, got.packets)
			}
			got = overload(t, addr, func(file string) {
				code, _, errs := runUq("record", "-o", file, "--hook", "input", "--proto", "udp", "--packets", "50", "--duration", "30s")
				if code != 0 || !strings.Contains(errs, "recorded 50 packets") {
					t.Errorf("%s: exit %d\n%s", addr, code, errs)
				}
				code, _, errs = runUq("record", "-o", file, "--hook", "input", "--proto", "icmp", "--duration", "100ms")
				if code != 0 || !strings.Contains(errs, "note: no packet met the rule (hook input") {
					t.Errorf("%s: exit %d\n%s", addr, code, errs)
				}
			})
			if got.ce != 0 {
				t.Errorf("%s: %d of %d packets marked by a recording", addr, got.ce, got.packets)
			}
		}
	})
}

// arrivals counts what a receiver saw.
type arrivals struct{ packets, ce int }

// overload sends ECT(0) datagrams of 1000 bytes at 4 Mbit/s to a socket of its
// own while during runs, and counts what arrives. What it had no processor for
// follows at once.
func overload(t *testing.T, addr string, during func(file string)) arrivals {
	t.Helper()
	in, err := net.ListenPacket("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	out, err := net.Dial("udp", in.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if err := setECT0(out); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	counted := make(chan arrivals, 1)
	go func() { counted <- count(in.(*net.UDPConn)) }()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for next := time.Now(); ctx.Err() == nil; next = next.Add(2 * time.Millisecond) {
			time.Sleep(time.Until(next))
			_, _ = out.Write(make([]byte, 1000))
		}
	}()
	during(filepath.Join(t.TempDir(), "t.zst"))
	stop()
	<-sent // or the kernel tells that nobody listens
	in.Close()
	return <-counted
}

func setECT0(c net.Conn) error {
	if c.RemoteAddr().(*net.UDPAddr).IP.To4() != nil {
		return ipv4.NewConn(c).SetTOS(2)
	}
	return ipv6.NewConn(c).SetTrafficClass(2)
}

// count reads until the socket is closed.
func count(c *net.UDPConn) (a arrivals) {
	raw, err := c.SyscallConn()
	if err != nil {
		return a
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_RECVTOS, 1)
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVTCLASS, 1)
	})
	buf, oob := make([]byte, 2000), make([]byte, 128)
	for {
		_, n, _, _, err := c.ReadMsgUDP(buf, oob)
		if err != nil {
			return a
		}
		a.packets++
		if isCE(oob[:n]) {
			a.ce++
		}
	}
}

func isCE(oob []byte) bool {
	ms, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return false
	}
	for _, m := range ms {
		if len(m.Data) > 0 && m.Data[0]&3 == 3 {
			return true
		}
	}
	return false
}
