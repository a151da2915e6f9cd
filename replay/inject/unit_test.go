package inject

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uqtool/uq/record/decode"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
	"github.com/uqtool/uq/traces/corpus"
	"github.com/uqtool/uq/traces/synth"
)

func TestSpeed(t *testing.T) {
	for _, c := range []struct {
		in   string
		want Speed
		str  string
	}{{"1", unit, "1"}, {"0.5", unit / 2, "0.5"}, {"2x", 2 * unit, "2"}, {"9.33334", 9333340, "9.33334"}, {"0.001", minSpeed, "0.001"}, {"1000", maxSpeed, "1000"}} {
		s, err := ParseSpeed(c.in)
		if err != nil || s != c.want || s.String() != c.str {
			t.Errorf("%q: %d %q %v", c.in, s, s, err)
		}
	}
	for _, bad := range []string{"", "0", "-1", "1001", "1e3", "0.0000001", "fast", "0.0009", "."} {
		if s, err := ParseSpeed(bad); err == nil {
			t.Errorf("%q: %d", bad, s)
		}
	}
}

func TestScale(t *testing.T) {
	for _, c := range []struct {
		speed    Speed
		in, want pkt.Time
	}{
		{0, 7, 7}, {2 * unit, 7, 3}, {2 * unit, -7, -3}, {unit / 2, 7, 14}, {unit, math.MaxInt64 - 1, math.MaxInt64 - 1},
		{minSpeed, 1 << 60, pkt.Never}, {maxSpeed, 1 << 60, 1 << 60 / 1000}, {2 * unit, pkt.Never, pkt.Never},
	} {
		if got := c.speed.scale(c.in); got != c.want {
			t.Errorf("%v at %v: %d, want %d", c.in, c.speed, got, c.want)
		}
	}
	last := pkt.Time(0) // monotonic, or a port would refuse the time
	for i := pkt.Time(0); i < 10000; i++ {
		got := Speed(1234567).scale(i)
		if got < last {
			t.Fatalf("%d comes before its predecessor", i)
		}
		last = got
	}
}

// feedOf is a Feed of a trace in memory.
func feedOf(t *testing.T, b []byte, sel Selection) *Feed {
	t.Helper()
	f, err := NewFeed(func() (*traces.Reader, error) { return traces.NewReader(bytes.NewReader(b)) }, sel)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func all(t *testing.T, f *Feed) (out []traces.Record) {
	t.Helper()
	for {
		var r traces.Record
		ok, err := f.Next(&r)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return out
		}
		out = append(out, r)
	}
}

func synthetic(t *testing.T, n int) []byte {
	t.Helper()
	g, err := synth.New(synth.Mix, 1)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w, err := traces.NewWriter(&b, g.Header(), traces.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var r traces.Record
	for range n {
		g.Next(&r)
		if err := w.Append(&r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(traces.End{Clean: true}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestFeedSelection(t *testing.T) {
	b := synthetic(t, 30000)
	whole := all(t, feedOf(t, b, Selection{}))
	from, to := whole[20000].Time, whole[25000].Time
	part := all(t, feedOf(t, b, Selection{From: from, To: to}))
	for _, r := range part {
		if r.Time < from || r.Time >= to {
			t.Fatalf("%v is not in %v to %v", r.Time, from, to)
		}
	}
	if n := len(part); n < 4900 || n > 5100 {
		t.Errorf("%d packets from number 20000 to 25000", n)
	}
	looped := all(t, feedOf(t, b, Selection{Limit: 100, Loops: 3}))
	if len(looped) != 300 {
		t.Fatalf("%d packets in 3 loops of 100", len(looped))
	}
	period := looped[100].Time - looped[0].Time
	span := looped[99].Time - looped[0].Time
	if period != span+span/99 || looped[250].Time-looped[50].Time != 2*period {
		t.Errorf("a pass of %v is repeated after %v, then %v", span, period, looped[250].Time-looped[50].Time)
	}
	if !slices.IsSortedFunc(looped, func(a, b traces.Record) int { return int(a.Time - b.Time) }) {
		t.Error("time runs back")
	}
}

func TestFeedEdges(t *testing.T) {
	r := udpRecord(t, "udp 10.0.0.1:1>10.0.0.2:2", 100)
	for _, c := range []struct {
		name string
		recs []traces.Record
		sel  Selection
		want int
	}{
		{"empty", nil, Selection{Loops: 5}, 0},
		{"one", []traces.Record{r}, Selection{Loops: 5}, 5},
		{"nothing selected", []traces.Record{r}, Selection{From: 5, Loops: 1000}, 0},
		{"ties", []traces.Record{r, r}, Selection{Loops: 2}, 4},
	} {
		got := all(t, feedOf(t, traceOf(t, c.recs), c.sel))
		if len(got) != c.want {
			t.Errorf("%s: %d packets, want %d", c.name, len(got), c.want)
		}
		if n := len(got); n > 2 && got[n-1].Time <= got[0].Time {
			t.Errorf("%s: passes do not follow each other", c.name)
		}
	}
	cut := synthetic(t, 30000)
	f := feedOf(t, cut[:len(cut)-3000], Selection{})
	var damage *traces.Damage
	n := 0
	for {
		var rec traces.Record
		ok, err := f.Next(&rec)
		if !ok {
			if !errors.As(err, &damage) || n == 0 {
				t.Errorf("a cut trace ends after %d packets with %v", n, err)
			}
			break
		}
		n++
	}
}

// TestFeedAsSource holds a Feed to what traces.Source makes of the same trace,
// split or whole.
func TestFeedAsSource(t *testing.T) {
	for _, name := range []string{"bulk.zst", "mix.zst"} {
		b, err := corpus.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, split := range []bool{false, true} {
			r, err := traces.NewReader(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			want, err := traces.NewSource(r, traces.SourceOptions{Seed: 3, Split: split})
			if err != nil {
				t.Fatal(err)
			}
			got := &SimSource{Feed: feedOf(t, b, Selection{Split: split}), Seed: 3}
			samePackets(t, want.Next, got.Next)
		}
	}
}

func samePackets(t *testing.T, want, got func(*pkt.Packet) (bool, error)) {
	t.Helper()
	for {
		var a, b pkt.Packet
		ok1, err1 := want(&a)
		ok2, err2 := got(&b)
		if ok1 != ok2 || err1 != nil || err2 != nil {
			t.Fatalf("%v %v, %v %v", ok1, ok2, err1, err2)
		}
		if !ok1 {
			return
		}
		if *a.Flow != *b.Flow {
			t.Fatalf("flow %+v, want %+v", b.Flow, a.Flow)
		}
		a.Flow, b.Flow = nil, nil
		if a != b {
			t.Fatalf("packet %+v, want %+v", b, a)
		}
	}
}

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

// history writes the logs of a replay for a test.
type history struct {
	t                        *testing.T
	sent, arrivals, received bytes.Buffer
	out                      bytes.Buffer
	w                        *traces.Writer
	n                        uint64
}

const testAnchor = 1_000_000_000_000

func newHistory(t *testing.T) *history {
	h := &history{t: t}
	var err error
	h.w, err = traces.NewWriter(&h.out, traces.Header{Anchor: &traces.Anchor{MonotonicNs: testAnchor}}, traces.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// What may happen to a packet of a history.
const (
	delivered = iota
	unsent
	refused
	lostBefore
	dropped
	flushed
	lostAfter
	unfinished
)

// packet adds the next packet, due at so many ns, with its fate.
func (h *history) packet(due int64, fate int) {
	const size = 100
	b := make([]byte, logEntry)
	e := sentEntry{due: testAnchor + due, at: testAnchor + due + 10, len: size}
	switch fate {
	case unsent:
		e.at, e.why = 0, Address
	case refused:
		e.at, e.errno = 0, 100
	}
	e.put(b)
	h.sent.Write(b)
	n := h.n
	h.n++
	if fate == unsent || fate == refused || fate == lostBefore {
		return
	}
	(&arrivalEntry{at: testAnchor + due + 20, tag: tagOf(n, false), len: size}).put(b)
	h.arrivals.Write(b)
	r := udpRecord(h.t, "udp 10.0.0.1:1>10.0.0.2:2", size)
	r.Time, r.Verdict, r.VerdictTime, r.Dequeued, r.Due = pkt.Time(due+20), traces.Accept, pkt.Time(due+35), pkt.Time(due+30), pkt.Time(due+30)
	switch fate {
	case dropped:
		r.Verdict, r.Reason = traces.Drop, pkt.AQM
	case flushed:
		r.Info |= traces.Gone
	case unfinished:
		r.Reason, r.Dequeued, r.Due = pkt.Shutdown, traces.NoTime, traces.NoTime
	}
	if err := h.w.Append(&r); err != nil {
		h.t.Fatal(err)
	}
	if fate == delivered || fate == unfinished {
		(&receivedEntry{at: testAnchor + due + 40, tag: tagOf(n, false), len: size}).put(b)
		h.received.Write(b)
	}
}

func (h *history) join(give func(*Fate) error) Stray {
	h.t.Helper()
	if err := h.w.Close(traces.End{Clean: true}); err != nil {
		h.t.Fatal(err)
	}
	r, err := traces.NewReader(bytes.NewReader(h.out.Bytes()))
	if err != nil {
		h.t.Fatal(err)
	}
	stray, err := join(&h.sent, &h.arrivals, &h.received, r, give)
	if err != nil {
		h.t.Fatal(err)
	}
	return stray
}

// TestJoin follows packets past several rounds of the 16-bit numbers.
func TestJoin(t *testing.T) {
	h := newHistory(t)
	fates := []int{delivered, unsent, delivered, refused, lostBefore, dropped, flushed, lostAfter, delivered, unfinished}
	const n = 200_000
	for i := range int64(n) {
		h.packet(i*50_000, fates[int(i*7+i/1000)%len(fates)])
	}
	seen := uint64(0)
	tally := newTally()
	stray := h.join(func(f *Fate) error {
		want := fates[int(f.N*7+f.N/1000)%len(fates)]
		if f.N != seen {
			t.Fatalf("packet %d comes after %d", f.N, seen)
		}
		seen++
		if f.Received != 0 != (want == delivered || want == unfinished) || f.Arrived != (want >= dropped || want == delivered) {
			t.Fatalf("packet %d: %+v, want fate %d", f.N, *f, want)
		}
		tally.add(f)
		return nil
	})
	if stray != (Stray{}) || seen != n {
		t.Errorf("%d packets, strays %+v", seen, stray)
	}
	b := tally.b
	if b.Packets != n || b.Unsendable[Address.String()] == 0 || len(b.SendErrors) != 1 || b.Sent != b.Delivered+b.Dropped+b.Lost.Sum()+tally.unseen+tally.missing {
		t.Errorf("balance %+v, unseen %d, missing %d", b, tally.unseen, tally.missing)
	}
}

// Losses longer than a round of numbers are not taken for others' arrivals.
func TestJoinLongLoss(t *testing.T) {
	h := newHistory(t)
	for i := range int64(200_000) {
		fate := delivered
		if i > 1000 && i < 100_000 {
			fate = lostBefore
		}
		h.packet(i*50_000, fate)
	}
	got := 0
	stray := h.join(func(f *Fate) error {
		if f.Received != 0 {
			got++
		}
		return nil
	})
	if got < 200_000-99_000-1<<bits4 || stray.Received != 0 {
		t.Errorf("%d received, %+v", got, stray)
	}
}

func TestJoinStray(t *testing.T) {
	h := newHistory(t)
	h.packet(0, delivered)
	b := make([]byte, logEntry)
	(&arrivalEntry{at: testAnchor + 500, tag: 4711, len: 60}).put(b)
	h.arrivals.Write(b)
	(&receivedEntry{at: testAnchor + 600, tag: 4711, len: 60}).put(b)
	h.received.Write(b)
	h.packet(1000, delivered)
	n := 0
	if stray := h.join(func(f *Fate) error { n += int(f.Received & 1); return nil }); stray != (Stray{Arrivals: 1, Received: 1}) {
		t.Errorf("%+v", stray)
	}
}

// TestBalance closes the account with the processes' counters.
func TestBalance(t *testing.T) {
	ta := newTally()
	for range 100 {
		ta.add(&Fate{At: 1, Arrived: true, Recorded: true, Received: 1, Record: traces.Record{Verdict: traces.Accept}})
	}
	for range 60 {
		ta.add(&Fate{At: 1})
	}
	for range 20 {
		ta.add(&Fate{At: 1, Arrived: true, Recorded: true, Record: traces.Record{Verdict: traces.Accept}})
	}
	a := accounts{queued: 145, maxLen: 1000}
	a.source.Link.TxPackets, a.router.In.RxPackets = 170, 170
	a.router.Live.Packets, a.router.Live.Losses.Missing, a.router.Discarded = 120, 15, 25
	a.router.Out.TxPackets, a.sink.Missed = 108, 10
	b := ta.close(&a, Stray{})
	want := Lost{Link: 10, RcvBuf: 15, QueueFull: 10, Router: 25, Released: 12, Missed: 8}
	if b.Sent != 180 || b.Delivered != 100 || b.Lost != want || b.Unexplained != 0 {
		t.Errorf("%+v, want lost %+v", b, want)
	}
	ta = newTally()
	ta.add(&Fate{At: 1})
	a = accounts{}
	a.source.Link.TxPackets, a.router.In.RxPackets = 1, 1
	if b := ta.close(&a, Stray{}); b.Unexplained != 1 {
		t.Errorf("nothing explains the loss, yet %+v", b)
	}
}

func TestSpread(t *testing.T) {
	s := newSpread()
	for _, ns := range []int64{-5, 0, 1000, 1001, 50_000, 99_000, int64(2 * time.Hour)} {
		s.add(ns)
	}
	h := s.histogram()
	if want := []Bucket{{1000, 3}, {2000, 1}, {50_000, 1}, {100_000, 1}, {-1, 1}}; !slices.Equal(h.Buckets, want) || h.Count != 7 {
		t.Errorf("%+v, want %v", h, want)
	}
}

// Logs survive a round trip, and a cut one ends at its last whole entry.
func TestLogs(t *testing.T) {
	var b bytes.Buffer
	l := newLogWriter(&b)
	const n = 5000
	for i := range int64(n) {
		(&sentEntry{due: i, at: -i, len: uint32(i), why: Why(i % 4), v6: i%2 == 1, errno: uint16(i)}).put(l.next())
	}
	if err := l.close(); err != nil || b.Len() != n*logEntry {
		t.Fatalf("%d bytes, %v", b.Len(), err)
	}
	r := newLogReader(io.LimitReader(&b, n*logEntry-5))
	for i := int64(0); ; i++ {
		var e sentEntry
		ok, err := r.next(e.get)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			if i != n-1 {
				t.Errorf("%d entries", i)
			}
			break
		}
		if want := (sentEntry{due: i, at: -i, len: uint32(i), why: Why(i % 4), v6: i%2 == 1, errno: uint16(i)}); e != want {
			t.Fatalf("%+v, want %+v", e, want)
		}
	}
}

func TestDifference(t *testing.T) {
	c := newComparer()
	c.live = []reality{{0, 0, 100, false}, {1, 1, -1, false}, {2, 2, 130, true}, {3, 3, 500, false}}
	s := &outcomes{of: []outcome{{90, false}, {-1, false}, {150, true}, {-1, false}}}
	d := c.differ(s, func(r *reality) uint64 { return r.arrival })
	if d.Compared != 2 || d.Sojourn.Max != 20 || d.Drops != (Pair{2, 1, 1}) || d.Marks != (Pair{1, 1, 1}) || d.Drops.Equal() || !d.Marks.Equal() {
		t.Errorf("%+v", d)
	}
}

func TestWhyNames(t *testing.T) {
	for w := Sendable; w <= Segmenting; w++ {
		if strings.TrimSpace(w.String()) == "" {
			t.Errorf("reason %d has no name", w)
		}
	}
}

// udpRecord is a packet of so many bytes at time 0.
func udpRecord(t *testing.T, flow string, size uint32) traces.Record {
	t.Helper()
	k, err := pkt.ParseFlowKey(flow)
	if err != nil {
		t.Fatal(err)
	}
	hdr := uint16(28)
	if k.V6 {
		hdr = 48
	}
	return traces.Record{Flow: k, Len: size, HdrLen: hdr, Segs: 1, KernelTime: traces.NoTime, VerdictTime: traces.NoTime, Dequeued: traces.NoTime, Due: traces.NoTime}
}

// traceOf is a trace of another kernel and architecture.
func traceOf(t *testing.T, recs []traces.Record) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := traces.NewWriter(&b, traces.Header{LinkHeader: 14, Host: &traces.Host{OS: "linux", Arch: "mips", Kernel: "2.6.39", CPUs: 1}}, traces.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range recs {
		if err := w.Append(&recs[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(traces.End{Clean: true}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
