package replay

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/replay/raw"
	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/random"
	"github.com/uqtool/uq/traces"
)

// wayOut is a Sender that remembers.
type wayOut struct {
	sent [][]byte
	at   []time.Time
	mark uint32 // of all bits seen
	err  func(n int) error
	n    int
	// given counts verdicts, before holds what it said at each copy.
	given  func() int
	before []int
}

func (w *wayOut) Send(b []byte, dev, mark uint32) error {
	w.n++
	if w.given != nil {
		w.before = append(w.before, w.given())
	}
	if w.err != nil {
		if err := w.err(w.n); err != nil {
			return err
		}
	}
	if dev != 3 {
		return fmt.Errorf("device %d", dev)
	}
	w.sent, w.at, w.mark = append(w.sent, bytes.Clone(b)), append(w.at, time.Now()), w.mark|mark
	return nil
}

// rewriting are links with every way to copy and corrupt.
var rewriting = []string{
	"rate 20mbit duplicate 10%", "rate 20mbit corrupt 10%", "rate 20mbit delay 10ms 9ms duplicate 10% corrupt 10%",
	"rate 20mbit front duplicate 20% corrupt 20%", "rate 20mbit loss 20% duplicate 30% ecn front duplicate 20% loss 10% ecn",
	"unlimited delay 5ms 5ms duplicate 100%", "rate 20mbit delay 40ms limit 20 duplicate 30% corrupt 5% slot 1ms",
}

// TestParityOfRewrites is the promise of TestParity for links that copy and
// corrupt: the decisions are the simulator's, the account adds up, what the
// kernel gets to send has one bit changed where the trace says so, and every
// copy is its original but for that and CE.
func TestParityOfRewrites(t *testing.T) {
	for i, spec := range rewriting {
		t.Run(spec, func(t *testing.T) {
			conf := traces.Scheduler{Qdisc: "fq_codel", Link: spec, Seed: uint64(i)}
			out := &wayOut{}
			var arrived [][]byte
			note := func(_ uint64, p *nfq.Packet, _ pkt.Time) { arrived = append(arrived, bytes.Clone(p.Payload)) }
			s := play(t, conf, LiveOptions{Sender: out, OnArrival: note}, func(s *session) {
				g := newTraffic(t, uint64(i))
				g.whole, g.ect = true, uint8(i%3)
				s.burst(g, 1500, 600*time.Microsecond)
				time.Sleep(20 * time.Second)
			})
			if s.err != nil {
				t.Fatal(s.err)
			}
			checkParity(t, s, conf)
			checkAccount(t, s, out)
			given, recs := s.verdicts(t), s.records(t)
			for n, r := range recs {
				changed := r.Info&traces.Corrupted != 0
				if changed != (given[n].Payload != nil) || changed && differingBits(arrived[n], given[n].Payload) != 1 {
					t.Fatalf("packet %d, corrupted %v: %d bytes of payload", n, changed, len(given[n].Payload))
				}
			}
			if marked := checkCopies(t, arrived, recs, out); (marked > 0) != strings.Contains(spec, "ecn") {
				t.Errorf("%d copies were marked", marked)
			}
		})
	}
}

// checkAccount holds the account against the run's report and verify's.
func checkAccount(t *testing.T, s *session, out *wayOut) {
	t.Helper()
	rw, run := s.result.Rewrites, s.result.Run
	if rw.Copies != run.Duplicated || rw.Corrupted != run.Corrupted || rw.Copies+rw.Corrupted == 0 {
		t.Errorf("%d copies, %d corrupted; the report has %d and %d", rw.Copies, rw.Corrupted, run.Duplicated, run.Corrupted)
	}
	if rw.Sent != uint64(len(out.sent)) || rw.Copies != rw.Sent+rw.Lost || len(rw.Refused)+len(rw.Unchanged) > 0 {
		t.Errorf("%d copies went out: %v", len(out.sent), rw)
	}
	v, err := verify(t, s.trace.Bytes())
	if err != nil || v.Copies != rw.Copies || v.Corrupted != rw.Corrupted {
		t.Errorf("verify: %v: %d copies, %d corrupted; live %v", err, v.Copies, v.Corrupted, rw)
	}
}

// checkCopies finds the original of each copy, by its bytes, and counts the copies
// that were marked with CE.
func checkCopies(t *testing.T, arrived [][]byte, recs []traces.Record, out *wayOut) (marked int) {
	t.Helper()
	for _, c := range out.sent {
		n := slices.IndexFunc(arrived, func(b []byte) bool {
			plain := bytes.Clone(c)
			if c[0]>>4 == 4 {
				plain[1], plain[10], plain[11] = b[1], b[10], b[11]
			} else {
				plain[1] = b[1]
			}
			return len(b) == len(c) && differingBits(b, plain) <= 1
		})
		if n < 0 || recs[n].Info&traces.Copied == 0 {
			t.Fatalf("a copy of %d bytes has no original, or not one that was copied: %d", len(c), n)
		}
		if c[1] != arrived[n][1] {
			marked++
		}
		if c[0]>>4 == 4 && headerSum(c) != 0xffff {
			t.Fatalf("a copy of packet %d has a wrong header checksum", n)
		}
	}
	if out.mark&raw.Mark != 0 {
		t.Error("the Sender is to add its own mark")
	}
	return marked
}

func headerSum(b []byte) uint16 {
	sum := uint32(0)
	for i := 0; i < int(b[0]&15)*4; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return uint16(sum)
}

// differingBits counts them; packets of different lengths differ in all.
func differingBits(a, b []byte) int {
	if len(a) != len(b) {
		return 1 << 20
	}
	n := 0
	for i := range a {
		n += bits.OnesCount8(a[i] ^ b[i])
	}
	return n
}

// TestOrderOfCopies: a copy that is due with its original follows it, and goes
// before the next packet, however many fall due at once.
func TestOrderOfCopies(t *testing.T) {
	const n = 50
	for _, spec := range []string{"unlimited duplicate 100%", "rate 8mbit duplicate 100%"} {
		conf := traces.Scheduler{Qdisc: "pfifo", Link: spec, Seed: 1}
		out := &wayOut{}
		s := play(t, conf, LiveOptions{Sender: out}, func(s *session) {
			out.given = func() int { return len(s.q.Given()) }
			g := newTraffic(t, 1)
			g.whole = true
			var ps []nfq.Packet
			for range n {
				ps = append(ps, g.packet())
			}
			s.q.Push(ps...)
			time.Sleep(time.Second)
		})
		if s.err != nil || len(out.before) != n {
			t.Fatalf("%s: %v: %d copies", spec, s.err, len(out.before))
		}
		for i, given := range out.before {
			if given != i+1 {
				t.Errorf("%s: copy %d went after %d verdicts", spec, i, given)
			}
		}
	}
}

// TestRefused: what cannot be copied or corrupted is counted by its reason, told
// in the trace, and changes no decision.
func TestRefused(t *testing.T) {
	conf := traces.Scheduler{Qdisc: "pfifo", Link: "rate 50mbit duplicate 100% corrupt 100%", Seed: 1}
	errs := []error{syscall.EMSGSIZE, syscall.EPERM, syscall.EAGAIN, syscall.ENETUNREACH, raw.ErrNoWay}
	out := &wayOut{err: func(n int) error {
		if n <= len(errs) {
			return errs[n-1]
		}
		return nil
	}}
	s := play(t, conf, LiveOptions{Sender: out}, func(s *session) {
		g := newTraffic(t, 1)
		for i := range 40 {
			g.whole = i < 20 // later ones are cut
			p := g.packet()
			switch i {
			case 17:
				p.Info |= nfq.GSO
			case 18:
				p.Info |= nfq.CsumNotReady
			case 19:
				p.Payload, p.Len = p.Payload[:0], 20
				p.Payload = append(p.Payload, 0x45, 0, 0, 20, 0, 1, 0, 0, 64, 99, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2)
			}
			s.q.Push(p)
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second)
	})
	rw := s.result.Rewrites
	want := map[string]uint64{
		"longer than the device takes": 1, "dropped by a firewall rule": 1, "no room in the kernel": 1, "no route": 1, raw.ErrNoWay.Error(): 1,
		superPacket: 1, sumNotReady: 1, beyondCopied: 20,
	}
	if s.err != nil || rw.Copies != 40 || rw.Sent != 13 || fmt.Sprint(rw.Refused) != fmt.Sprint(want) {
		t.Errorf("%v: %v\nwant %v", s.err, rw, want)
	}
	// Of each packet and its copy.
	want = map[string]uint64{superPacket: 2, sumNotReady: 2, beyondCopied: 40, noPayload: 2}
	if rw.Corrupted != 80 || fmt.Sprint(rw.Unchanged) != fmt.Sprint(want) {
		t.Errorf("%v\nwant %v", rw, want)
	}
	v, err := verify(t, s.trace.Bytes())
	if err != nil || v.Divergence != nil || v.Copies != 40 || v.Corrupted != 80 {
		t.Errorf("verify: %v: %+v", err, v)
	}
	r, err := traces.NewReader(&s.trace)
	if err != nil {
		t.Fatal(err)
	}
	told := ""
	r.OnEvent(func(e traces.Event) { told += e.Text })
	var rec traces.Record
	for r.Next(&rec) == nil {
	}
	for _, want := range []string{"copies: 40 made = 13 sent + 0 lost + 27 refused + 0 unfinished (a super-packet", "corrupted: 80 = 34 changed + 46 not"} {
		if !strings.Contains(told, want) {
			t.Errorf("the trace tells %q, want %q", told, want)
		}
	}
}

// TestReturned: copies that a rule sends to the queue pass beside the scheduler
// and are no arrivals.
func TestReturned(t *testing.T) {
	conf := traces.Scheduler{Qdisc: "pfifo", Link: "rate 1mbit duplicate 1%", Seed: 1}
	s := play(t, conf, LiveOptions{Sender: &wayOut{}}, func(s *session) {
		g := newTraffic(t, 1)
		for i := range 20 {
			p := g.packet()
			if i%2 == 1 {
				p.Mark = raw.Mark | 5
			}
			s.q.Push(p)
		}
		time.Sleep(time.Second)
	})
	if s.err != nil || s.result.Packets != 10 || s.result.Rewrites.Returned != 10 || s.q.Held() != 0 {
		t.Errorf("%v: %d packets, %v, %d held", s.err, s.result.Packets, s.result.Rewrites, s.q.Held())
	}
	at := map[bool]int{}
	for _, g := range s.q.Given()[:10] {
		at[g.ID%2 == 0]++
	}
	if at[true] < 9 {
		t.Errorf("the first verdicts are not those of copies: %v", at)
	}
	if v, err := verify(t, s.trace.Bytes()); err != nil || v.Divergence != nil || v.Packets != 10 {
		t.Errorf("verify: %+v, %v", v, err)
	}
}

// TestUnfinishedCopies ends a run with copies on the link: they are not sent, and
// counted; those that Drain waits for are.
func TestUnfinishedCopies(t *testing.T) {
	for _, drain := range []time.Duration{0, time.Minute} {
		conf := traces.Scheduler{Qdisc: "pfifo", Link: "rate 50mbit delay 100ms duplicate 100%", Seed: 1}
		opt := LiveOptions{Sender: &wayOut{}, Drain: func(error) time.Duration { return drain }}
		s := play(t, conf, opt, func(s *session) {
			g := newTraffic(t, 1)
			g.whole = true
			s.burst(g, 200, time.Millisecond)
		})
		rw := s.result.Rewrites
		if s.err != nil || rw.Copies == 0 || rw.Copies != rw.Sent+rw.Unfinished || (rw.Unfinished > 0) != (drain == 0) {
			t.Errorf("drain %v: %v: %v", drain, s.err, rw)
		}
		if v, err := verify(t, s.trace.Bytes()); err != nil || v.Divergence != nil || v.Copies != rw.Copies {
			t.Errorf("drain %v: verify: %+v, %v", drain, v, err)
		}
	}
}

// TestCutWithCopies verifies a trace cut anywhere, where copies outlive their
// originals.
func TestCutWithCopies(t *testing.T) {
	conf := traces.Scheduler{Qdisc: "fq_codel limit 50", Link: "rate 5mbit delay 30ms 30ms duplicate 30% corrupt 30%", Seed: 1}
	s := play(t, conf, LiveOptions{Sender: &wayOut{}}, func(s *session) {
		g := newTraffic(t, 2)
		g.whole = true
		s.burst(g, 3000, time.Millisecond)
	})
	whole := s.trace.Bytes()
	for cut := len(whole) - 1; cut > len(whole)/3; cut -= 1 + len(whole)/50 {
		v, err := verify(t, whole[:cut])
		var damage *traces.Damage
		if !errors.As(err, &damage) || v.Divergence != nil || v.Complete {
			t.Fatalf("cut at %d: %v, %v, complete %v", cut, err, v.Divergence, v.Complete)
		}
	}
}

// TestFlips: which bits are flipped follows from the seed and the order of the
// corrupted packets alone.
func TestFlips(t *testing.T) {
	conf := traces.Scheduler{Qdisc: "pfifo", Link: "rate 50mbit corrupt 30%", Seed: 7}
	var arrived [][]byte
	note := func(_ uint64, p *nfq.Packet, _ pkt.Time) { arrived = append(arrived, bytes.Clone(p.Payload)) }
	s := play(t, conf, LiveOptions{OnArrival: note}, func(s *session) {
		g := newTraffic(t, 3)
		g.whole = true
		s.burst(g, 300, time.Millisecond)
		time.Sleep(time.Second)
	})
	rng, n := random.Stream(7, "link/corrupt/bit"), 0
	for _, g := range s.q.Given() {
		if g.Payload == nil {
			continue
		}
		want := arrived[g.ID-1]
		if !flipBit(want, rng.Uint64()) || !bytes.Equal(want, g.Payload) {
			t.Fatalf("corrupted packet %d, number %d, is not what the stream says", n, g.ID)
		}
		n++
	}
	if s.err != nil || n < 50 || uint64(n) != s.result.Rewrites.Corrupted {
		t.Errorf("%v: %d corrupted, %v", s.err, n, s.result.Rewrites)
	}
}

// TestWhole: which links need what.
func TestWhole(t *testing.T) {
	for spec, want := range map[string][2]bool{
		"rate 1mbit loss 1%": {}, "unlimited": {}, "rate 1mbit corrupt 1%": {true, false},
		"rate 1mbit duplicate 1%": {true, true}, "unlimited front duplicate 1%": {true, true}, "unlimited front corrupt 1%": {true, false},
	} {
		l, err := ports.Link(egress.Config{Link: spec})
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]bool{Whole(l), Copies(l)}; got != want {
			t.Errorf("%s: whole and copies %v, want %v", spec, got, want)
		}
	}
}
