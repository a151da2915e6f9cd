package inject

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/uqtool/uq/replay"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// copy adds a copy of packet n, sent at so many ns, and met later unless after is
// 0.
func (h *history) copy(n uint64, at, after int64, isDamaged bool) {
	b := make([]byte, logEntry)
	(&copyEntry{at: testAnchor + at, tag: tagOf(n, false), len: 100, damaged: isDamaged}).put(b)
	h.copies.Write(b)
	if after > 0 {
		s := intact
		if isDamaged {
			s = damaged
		}
		h.receive(n, at+after, s)
	}
}

// receive adds what the sink met. Calls must be in order of time.
func (h *history) receive(n uint64, at int64, s sums) {
	b := make([]byte, logEntry)
	(&receivedEntry{at: testAnchor + at, tag: tagOf(n, false), len: 100, sums: s}).put(b)
	h.received.Write(b)
}

// TestJoinCopies: originals and copies carry the same number. Each original is met
// once, whatever comes first, and what is damaged is who it should be.
func TestJoinCopies(t *testing.T) {
	const n = 150_000 // more than there are numbers
	h := newHistory(t)
	var want Rewritten
	var sent uint64
	for i := range int64(n) {
		due := i * 50_000
		switch i % 10 {
		case 1: // the copy behind its original
			h.packet(due, delivered)
			h.copy(uint64(i), due+45, 10, false)
		case 2: // the original lost by the link, its copy not
			h.packet(due, dropped)
			h.copy(uint64(i), due+45, 10, true)
			want.Damaged++
		case 3: // the copy first, and damaged
			h.packet(due, lostAfter)
			h.copy(uint64(i), due+25, 6, true)
			h.receive(uint64(i), due+35, intact)
			want.Damaged++
		case 4: // the copy gone
			h.packet(due, delivered)
			h.copy(uint64(i), due+45, 0, false)
			want.Gone++
		case 5: // two copies
			h.packet(due, delivered)
			h.copy(uint64(i), due+41, 1, false)
			h.copy(uint64(i), due+45, 1, false)
			want.Met++
			sent++
		case 6: // not there to be met
			h.packet(due, lostAfter)
		default:
			h.packet(due, delivered)
			continue
		}
		if i%10 != 4 && i%10 != 6 {
			want.Met++
		}
		if i%10 != 6 {
			sent++
		}
	}
	ta := newTally()
	found := h.joinAll(func(f *Fate) error {
		ta.add(f)
		if met := f.Received != 0; met != (f.N%10 != 2 && f.N%10 != 6) {
			t.Fatalf("packet %d, met: %v", f.N, met)
		}
		return nil
	})
	if found.stray != (Stray{}) {
		t.Errorf("%+v", found.stray)
	}
	a := accounts{}
	a.router.Live.Rewrites = &replay.Rewrites{Copies: sent, Sent: sent}
	a.router.Out.TxPackets = ta.b.Delivered + sent // what was let go and not met did not leave
	b := ta.close(&a, found)
	got := *b.Rewritten
	got.Rewrites = replay.Rewrites{}
	if got.Met != want.Met || got.Gone != want.Gone || got.Damaged != want.Damaged || got.Harmed != 0 || got.Intact != 0 {
		t.Errorf("%+v, want %+v", got, want)
	}
	if b.Lost.Released != n/10 || b.Unexplained != int64(want.Gone) {
		t.Errorf("%+v", b)
	}
}

// TestUnexplainedRewrites: a copy that is gone without reason and a packet that
// was changed but is met intact are unexplained; what the sink missed, and what
// could not be changed, is not.
func TestUnexplainedRewrites(t *testing.T) {
	corrupt := Fate{At: 1, Arrived: true, Recorded: true, Received: 1, Record: traces.Record{Verdict: traces.Accept, Info: traces.Corrupted}}
	for _, c := range []struct {
		name      string
		sums      sums
		unchanged uint64
		met       uint64
		missed    uint64
		want      int64
	}{
		{"all well", damaged, 0, 5, 0, 0},
		{"without a checksum", unchecked, 0, 5, 0, 0},
		{"intact", intact, 0, 5, 0, 1},
		{"not changed", intact, 1, 5, 0, 0},
		{"a copy gone", damaged, 0, 4, 0, 1},
		{"a copy missed", damaged, 0, 3, 2, 0},
	} {
		ta := newTally()
		f := corrupt
		f.sums = c.sums
		ta.add(&f)
		a := accounts{}
		a.router.Live.Rewrites = &replay.Rewrites{Copies: 5, Sent: 5, Corrupted: 1, Unchanged: map[string]uint64{"why": c.unchanged}}
		a.router.Out.TxPackets, a.sink.Missed = 6, c.missed
		if b := ta.close(&a, rest{copies: Rewritten{Met: c.met, Gone: 5 - c.met}}); b.Unexplained != c.want {
			t.Errorf("%s: %d unexplained, want %d: %+v", c.name, b.Unexplained, c.want, b.Rewritten)
		}
	}
}

// TestCheckSums: whole packets as they are sent are right, one flipped bit behind
// the IP header makes them wrong, and what has no checksum tells nothing.
func TestCheckSums(t *testing.T) {
	for _, flow := range []string{"udp 10.0.0.1:1>10.0.0.2:2", "udp [fd00::1]:1>[fd00::2]:2", "tcp 10.0.0.1:1>10.0.0.2:2", "tcp [fd00::1]:1>[fd00::2]:2", "icmp 10.0.0.1>10.0.0.2", "icmp6 fd00::1>fd00::2"} {
		b := wholePacket(t, flow)
		if s := checkSums(b); s != intact {
			t.Errorf("%s: %d", flow, s)
			continue
		}
		head := 20
		if b[0]>>4 == 6 {
			head = 40
		}
		for bit := range (len(b) - head) * 8 {
			c := bytes.Clone(b)
			c[head+bit/8] ^= 1 << (bit % 8)
			if s := checkSums(c); s != damaged && !(s == unchecked && zeroUDP(c, head)) {
				t.Fatalf("%s: bit %d: %d", flow, bit, s)
			}
		}
		for n := range b {
			if s := checkSums(b[:n]); s != unchecked {
				t.Fatalf("%s, cut to %d bytes: %d", flow, n, s)
			}
		}
	}
	options := wholePacket(t, "udp [fd00::1]:1>[fd00::2]:2")
	options[6] = 60
	if s := checkSums(options); s != unchecked {
		t.Errorf("extension headers: %d", s)
	}
	fragment := wholePacket(t, "udp 10.0.0.1:1>10.0.0.2:2")
	fragment[6] |= 0x20
	if s := checkSums(fragment); s != unchecked {
		t.Errorf("a fragment: %d", s)
	}
}

func zeroUDP(b []byte, head int) bool { return b[head+6] == 0 && b[head+7] == 0 }

// wholePacket is a packet of a flow with its checksum complete.
func wholePacket(t *testing.T, flow string) []byte {
	t.Helper()
	k, err := pkt.ParseFlowKey(flow)
	if err != nil {
		t.Fatal(err)
	}
	r := traces.Record{Flow: k, Segs: 1, HdrLen: 28, Len: 67}
	if k.Proto == pkt.ProtoTCP {
		r.HdrLen = 40
	}
	if k.V6 {
		r.HdrLen, r.Len = r.HdrLen+20, r.Len+48
	}
	var f framer
	h, err := f.build.Build(&r, 7)
	if err != nil {
		t.Fatal(err)
	}
	b := append(bytes.Clone(h.Bytes), make([]byte, int(r.Len)-len(h.Bytes))...)
	if h.Partial {
		at := h.CsumStart + h.CsumOffset
		binary.BigEndian.PutUint16(b[at:], ^fold(sum(b[h.CsumStart:])))
	}
	return b
}

// TestNumbers: IPv4's are never 0 and as many as there can be.
func TestNumbers(t *testing.T) {
	for n := range uint64(200_000) {
		v4 := number(n, false)
		if v4 == 0 || v4 > 65535 || number(n+65535, false) != v4 || number(n+1, false) == v4 || number(n, true) != uint32(n) {
			t.Fatalf("packet %d: %d and %d", n, v4, number(n, true))
		}
	}
}

// FuzzCheckSums reads whatever a link may hand over.
func FuzzCheckSums(f *testing.F) {
	f.Add([]byte{0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 1, 0, 2, 0, 8, 0, 0})
	f.Add(append([]byte{0x60, 0, 0, 0, 0, 20, 6}, make([]byte, 60)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s := checkSums(b); s != unchecked && len(b) < 22 {
			t.Errorf("% x: %d", b, s)
		}
	})
}
