package inject

import (
	"bytes"
	"io"
	"testing"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// history writes the logs of a replay for a test.
type history struct {
	t                        *testing.T
	sent, arrivals, received bytes.Buffer
	copies                   bytes.Buffer
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
	return h.joinAll(give).stray
}

func (h *history) joinAll(give func(*Fate) error) rest {
	h.t.Helper()
	if err := h.w.Close(traces.End{Clean: true}); err != nil {
		h.t.Fatal(err)
	}
	r, err := traces.NewReader(bytes.NewReader(h.out.Bytes()))
	if err != nil {
		h.t.Fatal(err)
	}
	found, err := join(logs{&h.sent, &h.arrivals, &h.received, &h.copies}, r, give)
	if err != nil {
		h.t.Fatal(err)
	}
	return found
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
