package traces_test

import (
	"bytes"
	"fmt"
	"math/bits"
	"net/netip"
	"strings"
	"testing"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
	"pgregory.net/rapid"
)

// sampleKey and the addresses below are those published with Crypto-PAn; the
// IPv6 ones come with its later ports.
var sampleKey = []byte{
	21, 34, 23, 141, 51, 164, 207, 128, 19, 10, 91, 22, 73, 144, 125, 16,
	216, 152, 143, 131, 121, 121, 101, 39, 98, 87, 76, 45, 42, 132, 34, 2,
}

func TestCryptoPAnVectors(t *testing.T) {
	a, err := traces.NewAnonymizer(sampleKey)
	if err != nil {
		t.Fatal(err)
	}
	for from, want := range map[string]string{
		"128.11.68.132":   "135.242.180.132",
		"129.118.74.4":    "134.136.186.123",
		"130.132.252.244": "133.68.164.234",
		"141.223.7.43":    "141.167.8.160",
		"152.163.225.39":  "151.140.114.167",
		"192.102.249.13":  "252.138.62.131",
		"192.215.32.125":  "252.43.47.189",
		"2001:db8::1":     "4401:2bc:603f:d91d:27f:ff8e:e6f1:dc1e",
		"2001:db8::2":     "4401:2bc:603f:d91d:27f:ff8e:e6f1:dc1c",
		"::1":             "78ff:f001:9fc0:20df:8380:b1f1:704:ed",
	} {
		var k pkt.FlowKey
		k.SetAddrs(netip.MustParseAddr(from), netip.MustParseAddr(from))
		src, dst := a.Flow(k).Addrs()
		if src.String() != want || dst != src {
			t.Errorf("%s: got %s, want %s", from, src, want)
		}
	}
}

// checkPrefix makes sure that the addresses of out share as many bits as those
// of k, if that is not fewer than the blocks that were exchanged have.
func checkPrefix(t *rapid.T, k, out pkt.FlowKey) {
	n, m, block := commonPrefix(k.Src, k.Dst), commonPrefix(out.Src, out.Dst), 4
	if k.V6 {
		block = 8
	}
	broadcast := classOf(k.Src, k.V6) == "broadcast" || classOf(k.Dst, k.V6) == "broadcast"
	if n >= block && !broadcast && m != n || n < block && !broadcast && m >= block || (n == 128) != (m == 128) {
		t.Fatalf("%s share %d bits, %s %d", k, n, out, m)
	}
}

func classOf(a [16]byte, v6 bool) string {
	switch {
	case v6 && a[0] == 0xff:
		return fmt.Sprintf("multicast %02x", a[1])
	case !v6 && a[0]>>4 == 0xe:
		return "multicast"
	case !v6 && [4]byte(a[:4]) == [4]byte{255, 255, 255, 255}:
		return "broadcast"
	}
	return "unicast"
}

// Multicast and broadcast stay what they are, unicast does not become any, and
// what shares a block still shares as many bits.
func TestAnonymizingKeepsClasses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, err := traces.NewAnonymizer(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "key"))
		if err != nil {
			t.Fatal(err)
		}
		k := pkt.FlowKey{V6: rapid.Bool().Draw(t, "v6")}
		size := 4
		if k.V6 {
			size = 16
		}
		copy(k.Src[:], rapid.SliceOfN(rapid.Byte(), size, size).Draw(t, "src"))
		copy(k.Dst[:], rapid.SliceOfN(rapid.Byte(), size, size).Draw(t, "dst"))
		switch rapid.IntRange(0, 3).Draw(t, "class") {
		case 0:
			k.Src[0] = map[bool]byte{false: 0xe0 | k.Src[0]>>4, true: 0xff}[k.V6]
		case 1:
			copy(k.Src[:size], bytes.Repeat([]byte{0xff}, size))
		}
		copy(k.Dst[:rapid.IntRange(0, size).Draw(t, "shared bytes")], k.Src[:])
		out := a.Flow(k)
		for _, ends := range [][2][16]byte{{k.Src, out.Src}, {k.Dst, out.Dst}} {
			if was, is := classOf(ends[0], k.V6), classOf(ends[1], k.V6); was != is {
				t.Fatalf("%s, %s, became %s, %s", k, was, out, is)
			}
		}
		checkPrefix(t, k, out)
	})
}

// The blocks are exchanged for any key: no two addresses become one.
func TestAnonymizingIsInjective(t *testing.T) {
	for key := range byte(8) {
		a, err := traces.NewAnonymizer(bytes.Repeat([]byte{key, 3 * key}, 16))
		if err != nil {
			t.Fatal(err)
		}
		seen := map[[16]byte][16]byte{}
		for hi := range 256 {
			for lo := range 256 {
				in := [16]byte{byte(hi), byte(lo), byte(hi), byte(lo)}
				out := a.Flow(pkt.FlowKey{Src: in}).Src
				if twin, taken := seen[out]; taken {
					t.Fatalf("key %d: %v and %v both become %v", key, in[:4], twin[:4], out[:4])
				}
				seen[out] = in
			}
		}
	}
}

func commonPrefix(a, b [16]byte) int {
	for i := range a {
		if d := a[i] ^ b[i]; d != 0 {
			return 8*i + bits.LeadingZeros8(d)
		}
	}
	return 128
}

func TestAnonymizingKeepsPrefixes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, err := traces.NewAnonymizer(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "key"))
		if err != nil {
			t.Fatal(err)
		}
		k := drawFlow(t)
		// Make the addresses share a prefix.
		n := rapid.IntRange(0, 3).Draw(t, "shared bytes")
		copy(k.Dst[:n], k.Src[:n])
		out := a.Flow(k)
		checkPrefix(t, k, out)
		if out.SrcPort != k.SrcPort || out.DstPort != k.DstPort || out.Proto != k.Proto || out.V6 != k.V6 {
			t.Fatalf("%s became %s", k, out)
		}
	})
}

// TestAnonymizedStations checks that the stations a link's words name become what
// their packets' addresses become, and that all other words stay.
func TestAnonymizedStations(t *testing.T) {
	a, err := traces.NewAnonymizer(sampleKey)
	if err != nil {
		t.Fatal(err)
	}
	becomes := func(s string) string {
		var k pkt.FlowKey
		k.SetAddrs(netip.MustParseAddr(s), netip.MustParseAddr(s))
		k = a.Flow(k)
		addr, _ := k.Addrs()
		return addr.String()
	}
	const words = "wifi ht20 5ghz beacon 102.4ms sta 10.0.2.2,fd00:2::2 mcs15 error 0.5% sta 10.0.3.0/24 5.5mbit sta any mcs0 delay 1.5ms"
	h := a.Header(traces.Header{Scheduler: &traces.Scheduler{Qdisc: "pfifo", Link: words}})
	prefix := netip.PrefixFrom(netip.MustParseAddr(becomes("10.0.3.77")), 24).Masked().String()
	want := strings.NewReplacer("10.0.2.2", becomes("10.0.2.2"), "fd00:2::2", becomes("fd00:2::2"), "10.0.3.0/24", prefix).Replace(words)
	if h.Scheduler.Link != want || h.Scheduler.Qdisc != "pfifo" {
		t.Errorf("%s\nbecomes %s\nwant %s", words, h.Scheduler.Link, want)
	}
}

func TestAnonymizedTrace(t *testing.T) {
	h := traces.Header{
		Comment: "at home", Host: &traces.Host{OS: "linux", Kernel: "6.18.3-acme"}, Anchor: &traces.Anchor{RealtimeNs: 5},
		Devices: []traces.Device{{Index: 3, Name: "wan-acme"}}, Capture: &traces.Capture{Rule: "ip daddr 192.0.2.1 queue"},
		Scenario: &traces.Scenario{Bottleneck: "rate 1mbit", Command: "ssh acme"},
	}
	var in, out, text bytes.Buffer
	w, err := traces.NewWriter(&in, h, traces.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	rs := makeRecords(t, "mix", 100)
	for i := range rs {
		if err := w.Append(&rs[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Event(traces.Event{Kind: traces.Note, Text: "acme went down"}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(traces.End{Why: "acme"}); err != nil {
		t.Fatal(err)
	}
	src := fromTrace(t, &in)
	a, err := traces.NewAnonymizer(sampleKey)
	if err != nil {
		t.Fatal(err)
	}
	dst, err := traces.NewWriter(&out, a.Header(src.Header()), traces.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Anonymize(dst, src); err != nil {
		t.Fatal(err)
	}
	again := fromTrace(t, &out)
	sink, err := traces.NewTextWriter(&text, again.Header())
	if err != nil {
		t.Fatal(err)
	}
	mustCopy(t, sink, again)
	for _, word := range []string{"acme", "203.0.113", "192.0.2.1", "realtime", "home"} {
		if strings.Contains(text.String(), word) {
			t.Errorf("%q is left in:\n%.600s", word, text.String())
		}
	}
	for _, word := range []string{"crypto-pan", "rate 1mbit", `"6.18"`, "dev3"} {
		if !strings.Contains(text.String(), word) {
			t.Errorf("%q is missing in:\n%.600s", word, text.String())
		}
	}
}
