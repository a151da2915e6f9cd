package pkt

import (
	"net/netip"
	"testing"
	"time"
)

func TestTimeText(t *testing.T) {
	for want, in := range map[string]Time{
		"0.000000000": 0, "1.500000000": 1500000000, "-0.000000001": -1,
		"9223372036.854775806": Never - 1, "never": Never,
	} {
		if got := in.String(); got != want {
			t.Errorf("%d prints as %s, want %s", int64(in), got, want)
		}
	}
	if Never.Add(time.Hour) != Never {
		t.Error("Never moved")
	}
}

// TestSetCE covers every codepoint, as RFC 3168 and Linux have it.
func TestSetCE(t *testing.T) {
	for _, c := range []struct {
		in   uint8
		ok   bool
		want uint8
	}{{0xb8, false, 0xb8}, {0xb9, true, 0xbb}, {0xba, true, 0xbb}, {0xbb, true, 0xbb}} {
		p := Packet{DSField: c.in}
		if ok := p.SetCE(AQM); ok != c.ok || p.DSField != c.want || (p.Mark == AQM) != c.ok {
			t.Errorf("%s: marked %v, field %#x mark %v", ECN(c.in&3), ok, p.DSField, p.Mark)
		}
		if p.DSCP() != 46 {
			t.Errorf("DSCP changed to %d", p.DSCP())
		}
	}
}

func TestReasons(t *testing.T) {
	for _, r := range append(Reasons(), NoReason) {
		if back, ok := ParseReason(r.String()); !ok || back != r {
			t.Errorf("%d prints as %q and reads back as %d", r, r, back)
		}
	}
	if _, ok := ParseReason("reason99"); ok || Reason(99).String() != "reason99" {
		t.Error("unknown reason")
	}
}

func key(t *testing.T, s string) FlowKey {
	t.Helper()
	k, err := ParseFlowKey(s)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestFlowKeyText(t *testing.T) {
	for _, s := range []string{
		"tcp 10.0.0.1:5000>10.0.0.2:80", "udp [fd00::1]:1>[fd00::2]:65535", "icmp 10.0.0.1>10.0.0.2",
		"icmp6 fe80::1>ff02::1", "47 10.0.0.1>10.0.0.2", "sctp 10.0.0.1:1>10.0.0.2:2",
		"udp [::ffff:10.0.0.1]:1>[::ffff:10.0.0.2]:2",
	} {
		if got := key(t, s).String(); got != s {
			t.Errorf("%q reads back as %q", s, got)
		}
	}
	for _, s := range []string{"", "tcp", "tcp 10.0.0.1>10.0.0.2", "tcp 10.0.0.1:1", "tcp 10.0.0.1:1>[::1]:2", "300 10.0.0.1>10.0.0.2", "icmp fe80::1%eth0>fe80::2%eth0", "tcp x:1>y:2"} {
		if k, err := ParseFlowKey(s); err == nil {
			t.Errorf("%q was read as %q", s, k)
		}
	}
}

// TestFlowHash pins the hash: it is part of the contract.
func TestFlowHash(t *testing.T) {
	k := key(t, "tcp 10.0.0.1:5000>10.0.0.2:80")
	if got := NewFlow(k, 0, 1).Hash; got != 0x509b6d76 {
		t.Errorf("hash %#x", got)
	}
	if NewFlow(k, 0, 1).Hash == NewFlow(k, 0, 2).Hash {
		t.Error("the seed does not matter")
	}
	v4in6 := k
	v4in6.V6 = true
	if NewFlow(k, 0, 1).Hash == NewFlow(v4in6, 0, 1).Hash {
		t.Error("the IP version does not matter")
	}
}

// TestFlowHashSpread checks RFC 8290's collision figure: of 100 flows in 1024
// queues a given one is alone with p = 0.9078.
func TestFlowHashSpread(t *testing.T) {
	alone, all := 0, 0
	for seed := range uint64(200) {
		queues := map[uint32]int{}
		for i := range 100 {
			k := FlowKey{Proto: ProtoUDP, SrcPort: uint16(i)}
			k.SetAddrs(netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"))
			queues[uint32(uint64(NewFlow(k, 0, seed).Hash)*1024>>32)]++
		}
		for _, n := range queues {
			if n == 1 {
				alone++
			}
			all += n
		}
	}
	if p := float64(alone) / float64(all); p < 0.898 || p > 0.918 {
		t.Errorf("a flow is alone with p = %.4f, want 0.9078", p)
	}
}

func TestPool(t *testing.T) {
	var pool Pool
	a := pool.Get()
	a.Mark, a.Dequeued, a.Next = AQM, 5, &Packet{}
	pool.Put(a)
	if b := pool.Get(); b != a || b.Mark != NoReason || b.Dequeued != 0 || b.Next != nil {
		t.Error("a packet keeps what it was")
	}
	if pool.Out() != 1 {
		t.Errorf("%d out", pool.Out())
	}
	n := testing.AllocsPerRun(1000, func() { pool.Put(pool.Get()) })
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}
