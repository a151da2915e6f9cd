package bench

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"
)

func TestParsePing(t *testing.T) {
	for out, want := range map[string]int64{
		"10 packets transmitted\nrtt min/avg/max/mdev = 0.024/0.052/0.131/0.030 ms\n": 52_000,
		"rtt min/avg/max/mdev = 0.024/1.5/0.131/0.030 ms, ipg/ewma 2.0/0.05 ms\n":     1_500_000,
		"round-trip min/avg/max = 0.1/0.2/0.3 ms\n":                                   200_000,
	} {
		if got, err := parsePing(out); err != nil || got != want {
			t.Errorf("%q: %d, error %v: want %d", out, got, err, want)
		}
	}
	for _, out := range []string{"", "rtt min/avg/max/mdev = 0.024", "rtt min/avg/max/mdev = a/b/c/d ms", "5 packets transmitted, 0 received"} {
		if got, err := parsePing(out); err == nil {
			t.Errorf("%q: %d, want an error", out, got)
		}
	}
}

func TestParseIperf(t *testing.T) {
	got, err := parseIperf([]byte(`{"start":{},"end":{"sum_sent":{"bits_per_second":5},"sum_received":{"bits_per_second":1.5e9}}}`))
	if err != nil || got != 1_500_000_000 {
		t.Errorf("%d, error %v: want the receiver's 1.5e9", got, err)
	}
	if _, err := parseIperf([]byte(`{"error":"unable to connect"}`)); err == nil || !strings.Contains(err.Error(), "unable to connect") {
		t.Errorf("error %v, want iperf3's", err)
	}
	if _, err := parseIperf([]byte("iperf3: bad")); err == nil {
		t.Error("no error for what is no JSON")
	}
}

func TestParseUDPErrors(t *testing.T) {
	const names = "Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors\n"
	got, err := parseUDPErrors("Ip: Forwarding\nIp: 1\n" + names + "Udp: 10 2 3 4 55 6\nUdpLite: RcvbufErrors\nUdpLite: 7\n")
	if err != nil || got != 55 {
		t.Errorf("%d, error %v: want 55", got, err)
	}
	for _, text := range []string{"", names, "Udp: InDatagrams\nUdp: 1\n", names + "Udp: 1 2\n"} {
		if got, err := parseUDPErrors(text); err == nil {
			t.Errorf("%q: %d, want an error", text, got)
		}
	}
}

func TestCPUModel(t *testing.T) {
	for info, want := range map[string]string{
		"processor\t: 0\nmodel name\t: Some  CPU @ 2 GHz\nmodel name\t: other\n": "Some CPU @ 2 GHz",
		"Model\t\t: Board Rev 1\n": "Board Rev 1",
		"processor: 0\n":           "",
	} {
		if got := cpuModel(info); got != want {
			t.Errorf("%q: %q, want %q", info, got, want)
		}
	}
}

// A request's checksum makes the sum over it all ones, and only its own reply
// answers it.
func TestEchoPackets(t *testing.T) {
	b := []byte{8, 0, 0, 0, 0, 0, 0x12, 0x34}
	binary.BigEndian.PutUint16(b[2:], checksum(b))
	if got := checksum(b); got != 0 {
		t.Errorf("checksum over a packet with its checksum is %#x, want 0", got)
	}
	p := &pinger{seq: 0x1234}
	ip := make([]byte, 28)
	ip[0] = 0x45
	binary.BigEndian.PutUint16(ip[26:], 0x1234)
	if !p.answers(ip) {
		t.Error("the reply is not taken")
	}
	for what, spoil := range map[string]func([]byte) []byte{
		"request":      func(b []byte) []byte { b[20] = 8; return b },
		"old":          func(b []byte) []byte { b[27]--; return b },
		"cut":          func(b []byte) []byte { return b[:27] },
		"with options": func(b []byte) []byte { b[0] = 0x46; return b },
		"empty":        func([]byte) []byte { return nil },
	} {
		if p.answers(spoil(append([]byte{}, ip...))) {
			t.Errorf("%s: taken for the reply", what)
		}
	}
}

// A window counts whole milliseconds inside it.
func TestSinkWindow(t *testing.T) {
	const ms = int64(time.Millisecond)
	s := &sink{begin: 1000 * ms, count: []uint32{1, 10, 100, 1000, 10000}}
	for _, tt := range []struct {
		from, to int64
		sum      uint64
		d        time.Duration
	}{
		{1000 * ms, 1005 * ms, 11111, 5 * time.Millisecond},
		{1001 * ms, 1003 * ms, 110, 2 * time.Millisecond},
		{1000*ms + 1, 1003*ms - 1, 10, time.Millisecond}, // partial ones are out
		{900 * ms, 1001 * ms, 1, time.Millisecond},
		{1004 * ms, 2000 * ms, 10000, time.Millisecond},
		{1003 * ms, 1003 * ms, 0, 0},
		{1004 * ms, 1002 * ms, 0, 0},
	} {
		if sum, d := s.window(tt.from, tt.to); sum != tt.sum || d != tt.d {
			t.Errorf("window from %d to %d: %d in %s, want %d in %s", tt.from, tt.to, sum, d, tt.sum, tt.d)
		}
	}
}

// A sink tells datagrams from marks, and its own mark from that of another
// flood.
func TestSinkTake(t *testing.T) {
	s := newSink(-1)
	s.markLen = uint32(markLen(3))
	if markLen(3) == markLen(2) || markLen(14) >= udpLook || markLen(15) != markLen(0) {
		t.Errorf("marks of %d, %d, %d and %d bytes", markLen(2), markLen(3), markLen(14), markLen(15))
	}
	s.take([]mmsghdr{{n: udpLook}, {n: uint32(markLen(2))}, {n: udpLook}})
	if s.marked(0) || s.got.Total != 2 || s.got.Marks != 0 {
		t.Errorf("%+v: want two datagrams and no mark", s.got)
	}
	s.take([]mmsghdr{{n: udpLook}, {n: s.markLen}, {n: s.markLen}})
	if !s.marked(time.Second) || s.got.Total != 3 || s.got.Marks != 2 {
		t.Errorf("%+v: want three datagrams and the mark, twice", s.got)
	}
}
