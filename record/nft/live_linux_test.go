package nft

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/google/nftables"

	"github.com/uqtool/uq/record/livetest"
	"github.com/uqtool/uq/sim/pkt"
)

func install(t *testing.T, rules ...Rule) *Table {
	t.Helper()
	table, err := Install(rules...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := table.Remove(); err != nil {
			t.Error(err)
		}
	})
	return table
}

// sendUDP sends n datagrams to port of host, with the given mark and TOS byte
// or traffic class.
func sendUDP(t *testing.T, host string, port, n, mark, tos int) {
	t.Helper()
	// An unconnected socket does not hear that nobody listens.
	local := &net.UDPAddr{IP: net.ParseIP(host)}
	c, err := net.ListenUDP("udp", local)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	rc, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = rc.Control(func(fd uintptr) {
		if err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, mark); err != nil {
			t.Error(err)
		}
		level, opt := unix.IPPROTO_IP, unix.IP_TOS
		if netip.MustParseAddr(host).Is6() {
			level, opt = unix.IPPROTO_IPV6, unix.IPV6_TCLASS
		}
		if err := unix.SetsockoptInt(int(fd), level, opt, tos); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		if _, err := c.WriteTo(make([]byte, 100), &net.UDPAddr{IP: local.IP, Port: port}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLiveMatches installs rules that bypass their queue, which nobody serves,
// and compares what each counted.
func TestLiveMatches(t *testing.T) {
	livetest.Test(t, func(t *testing.T) {
		lo4, lo6 := netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")
		cases := []struct {
			rule Rule
			want uint64
		}{
			{Rule{Hook: Output, Proto: pkt.ProtoUDP}, 8},
			{Rule{Hook: Output, Proto: pkt.ProtoTCP}, 0},
			{Rule{Hook: Output, Proto: pkt.ProtoUDP, DstPort: 4000}, 8},
			{Rule{Hook: Output, Port: 4000}, 8},
			{Rule{Hook: Output, Proto: pkt.ProtoUDP, SrcPort: 4000}, 0},
			{Rule{Hook: Output, Proto: pkt.ProtoUDP, Dst: lo4}, 5},
			{Rule{Hook: Output, Proto: pkt.ProtoUDP, Src: lo6}, 3},
			{Rule{Hook: Output, Proto: pkt.ProtoUDP, OutDev: "lo"}, 8},
			{Rule{Hook: Output, Proto: pkt.ProtoUDP, OutDev: "eth0"}, 0},
			{Rule{Hook: Input, Proto: pkt.ProtoUDP, InDev: "lo"}, 8},
			{Rule{Hook: Output, Proto: pkt.ProtoUDP, Mark: 9}, 8},
			{Rule{Hook: Output, Proto: pkt.ProtoUDP, Mark: 6}, 0},
			{Rule{Hook: Output, Proto: pkt.ProtoUDP, Except: 9}, 0},
			{Rule{Hook: Output, Proto: pkt.ProtoUDP, Except: 6}, 8},
			{Rule{Hook: Output, Mark: 9}, 8}, // with the exemption of neighbour discovery
		}
		var rules []Rule
		for i, c := range cases {
			c.rule.Name, c.rule.Bypass, c.rule.Queue = string(rune('a'+i)), true, 11
			rules = append(rules, c.rule)
		}
		table := install(t, rules...)
		t.Logf("owned: %v\n%s", table.Owned(), table)
		sendUDP(t, "127.0.0.1", 4000, 5, 9, 0)
		sendUDP(t, "::1", 4000, 3, 9, 0)
		for i, c := range cases {
			got, err := table.Counter(i)
			if err != nil {
				t.Fatal(err)
			}
			if got.Packets != c.want {
				t.Errorf("%s: counted %d packets, want %d", c.rule, got.Packets, c.want)
			}
		}
	})
}

// TestLiveSetCE sends ECT(0) packets with and without the mark and looks at the
// ECN field that arrives.
func TestLiveSetCE(t *testing.T) {
	livetest.Test(t, func(t *testing.T) {
		install(t, Rule{Hook: Output, Priority: 5, Mark: 1, SetCE: true})
		for _, host := range []string{"127.0.0.1", "::1"} {
			for mark, want := range map[int]byte{0: 0xb8 | 2, 1: 0xb8 | 3} {
				if got := receivedTOS(t, host, mark); got != want {
					t.Errorf("%s with mark %d: DS field %#x arrived, want %#x", host, mark, got, want)
				}
			}
		}
	})
}

// receivedTOS is the DS field with which a datagram sent as EF, ECT(0) arrives.
func receivedTOS(t *testing.T, host string, mark int) byte {
	t.Helper()
	lis, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(host)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lis.Close() }()
	rc, err := lis.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = rc.Control(func(fd uintptr) {
		level, opt := unix.IPPROTO_IP, unix.IP_RECVTOS
		if netip.MustParseAddr(host).Is6() {
			level, opt = unix.IPPROTO_IPV6, unix.IPV6_RECVTCLASS
		}
		if err := unix.SetsockoptInt(int(fd), level, opt, 1); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	sendUDP(t, host, lis.LocalAddr().(*net.UDPAddr).Port, 1, mark, 0xb8|2)
	if err := lis.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	buf, oob := make([]byte, 2048), make([]byte, 256)
	_, n, _, _, err := lis.ReadMsgUDP(buf, oob)
	if err != nil {
		t.Fatal(err)
	}
	msgs, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(msgs) != 1 || len(msgs[0].Data) == 0 {
		t.Fatalf("control messages %v, error %v: want one", msgs, err)
	}
	if d := msgs[0].Data; len(d) == 4 { // IPv6: an int
		return byte(binary.NativeEndian.Uint32(d))
	}
	return msgs[0].Data[0]
}

// TestLiveStaleTable leaves a table of a process that does not exist, without
// owner, and expects Install to clean it up but not to touch others'.
func TestLiveStaleTable(t *testing.T) {
	livetest.Test(t, func(t *testing.T) {
		c, err := nftables.New()
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"uq-999999999", "uq-x", "other-1"} {
			c.AddTable(&nftables.Table{Name: name, Family: nftables.TableFamilyINet})
		}
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
		table, err := Install(Rule{Hook: Forward, Bypass: true})
		if err != nil {
			t.Fatal(err)
		}
		if got := tableNames(t, c); len(got) != 3 || got["uq-999999999"] {
			t.Errorf("tables %v: want the stale one gone and uq-%d there", got, os.Getpid())
		}
		if table.Owned() {
			// As the kernel does for a process that dies.
			if err := table.conn.CloseLasting(); err != nil {
				t.Fatal(err)
			}
		} else if err := table.Remove(); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(5 * time.Second); len(tableNames(t, c)) != 2; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("tables %v: the one of the closed socket survives", tableNames(t, c))
			}
		}
	})
}

func tableNames(t *testing.T, c *nftables.Conn) map[string]bool {
	t.Helper()
	tables, err := c.ListTables()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for _, x := range tables {
		out[x.Name] = true
	}
	return out
}
