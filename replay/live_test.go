package replay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uqtool/uq/record"
	"github.com/uqtool/uq/record/decode"
	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/record/nfq/nfqtest"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// traffic makes packets of a few flows as the kernel hands them over.
type traffic struct {
	t   testing.TB
	rng *rand.Rand
	b   decode.Builder
	ect uint8
	gso bool
	// whole gives packets their payload, of random bytes.
	whole bool
}

func newTraffic(t testing.TB, seed uint64) *traffic {
	return &traffic{t: t, rng: rand.New(rand.NewPCG(seed, 1))}
}

func (g *traffic) packet() nfq.Packet {
	n := g.rng.IntN(6)
	r := traces.Record{Len: uint32(100 + g.rng.IntN(1400)), HdrLen: 28, Segs: 1, DSField: g.ect}
	flow := fmt.Sprintf("udp 10.0.1.2:%d>10.0.2.2:9", 1000+n)
	info := nfq.SkbInfo(0)
	if n < 3 {
		flow = fmt.Sprintf("tcp [fd00::1]:%d>[fd00::2]:80", 1000+n)
		r.HdrLen, r.L4Flags = 72, 0x10
		if g.gso {
			r.Len, info = uint32(1500*(1+g.rng.IntN(20))), nfq.GSO
		}
	}
	k, err := pkt.ParseFlowKey(flow)
	if err != nil {
		g.t.Fatal(err)
	}
	r.Flow = k
	h, err := g.b.Build(&r, 0)
	if err != nil {
		g.t.Fatal(err)
	}
	payload := bytes.Clone(h.Bytes)
	for g.whole && len(payload) < int(r.Len) {
		payload = append(payload, byte(g.rng.Uint32()))
	}
	return nfq.Packet{Len: r.Len, Payload: payload, Info: info, Hook: 2, InDev: 2, OutDev: 3}
}

// session runs a Live on the fake queue in a bubble with virtual time.
type session struct {
	q      *nfqtest.Queue
	trace  bytes.Buffer
	result Result
	err    error
}

// play starts a Live with conf, lets drive act on the queue, and ends it.
func play(t *testing.T, conf traces.Scheduler, opt LiveOptions, drive func(*session)) *session {
	t.Helper()
	s := &session{}
	synctest.Test(t, func(t *testing.T) {
		s.q = nfqtest.New() // its channels belong to the bubble
		opt.Clock = record.StartClock()
		opt.Ports, opt.Scheduler, opt.LinkHeader, opt.CEMark = ports, conf, 14, 1
		opt.Witness.KernelState = s.q.KernelState
		opt.Timer = Sleep // virtual time stands still for a loop that polls
		h := record.NewHeader(opt.Clock, traces.Capture{Mode: "test"})
		h.Scheduler = &conf
		w, err := traces.NewWriter(&s.trace, h, traces.WriterOptions{})
		if err != nil {
			t.Fatal(err)
		}
		l, err := NewLive(s.q, opt)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.result, s.err = l.Run(ctx, w)
		}()
		drive(s)
		cancel()
		<-done
	})
	return s
}

// burst pushes n packets at random times over about n*gap.
func (s *session) burst(g *traffic, n int, gap time.Duration) {
	for n > 0 {
		k := min(n, 1+g.rng.IntN(4))
		for range k {
			s.q.Push(g.packet())
		}
		n -= k
		time.Sleep(time.Duration(g.rng.Int64N(int64(2*gap)*int64(k)) + 1))
	}
}

// TestInterrupted ends a run with packets still held: they are accepted, and
// verify holds up to the horizon.
func TestInterrupted(t *testing.T) {
	conf := traces.Scheduler{Qdisc: "fq_codel", Link: "rate 1mbit delay 10ms", Seed: 1}
	s := play(t, conf, LiveOptions{}, func(s *session) { s.burst(newTraffic(t, 1), 300, time.Millisecond) })
	if s.err != nil || s.q.Held() != 0 || s.result.Unfinished == 0 {
		t.Fatalf("%v, %d held, %d unfinished", s.err, s.q.Held(), s.result.Unfinished)
	}
	v, err := verify(t, s.trace.Bytes())
	if err != nil || v.Divergence != nil || v.Undecided != s.result.Unfinished || v.Decisions+v.Undecided != 300 {
		t.Errorf("%v %v: %+v", err, v.Divergence, v)
	}
}

// TestLosses: the kernel gives up what it holds, packets go missing on the way
// and find the queue full. The run goes on, everything is told, and verify
// holds.
func TestLosses(t *testing.T) {
	conf := traces.Scheduler{Qdisc: "fq_codel", Link: "rate 5mbit", Seed: 1}
	s := play(t, conf, LiveOptions{}, func(s *session) {
		g := newTraffic(t, 4)
		s.burst(g, 500, 300*time.Microsecond)
		s.q.Flush()
		s.burst(g, 500, 300*time.Microsecond)
		s.q.Miss(7)
		s.burst(g, 500, 300*time.Microsecond)
		time.Sleep(10 * time.Second)
	})
	if s.err != nil {
		t.Fatal(s.err)
	}
	l := s.result.Losses
	if l.Missing != 7 || l.Gone == 0 {
		t.Errorf("losses %+v", l)
	}
	v, err := verify(t, s.trace.Bytes())
	if err != nil || v.Divergence != nil || v.Decisions != 1500 {
		t.Errorf("verify: %v, %v, %d decisions", err, v.Divergence, v.Decisions)
	}
	gone := uint64(0)
	r, _ := traces.NewReader(&s.trace)
	var rec traces.Record
	for r.Next(&rec) == nil {
		if rec.Info&traces.Gone != 0 {
			gone++
		}
	}
	if gone != l.Gone {
		t.Errorf("%d packets marked gone, %d counted", gone, l.Gone)
	}
}

// TestQueueFull: packets that find the kernel's queue full have no id; the
// kernel's account tells of them, during the run and at its end.
func TestQueueFull(t *testing.T) {
	conf := traces.Scheduler{Qdisc: "pfifo", Link: "rate 1mbit", Seed: 1}
	s := play(t, conf, LiveOptions{}, func(s *session) {
		s.q.MaxLen = 20
		g := newTraffic(t, 8)
		s.burst(g, 100, time.Millisecond)
		time.Sleep(time.Second)
		for range 50 {
			s.q.Push(g.packet())
		}
	})
	st, _ := s.q.KernelState()
	if s.err != nil || st.Full == 0 || s.result.Losses.QueueFull != st.Full {
		t.Fatalf("%v: %d packets found the queue full, %d were counted", s.err, st.Full, s.result.Losses.QueueFull)
	}
	events, told := 0, uint64(0)
	r, err := traces.NewReader(&s.trace)
	if err != nil {
		t.Fatal(err)
	}
	r.OnEvent(func(e traces.Event) {
		if e.Kind == traces.QueueFull {
			events, told = events+1, told+e.Count
		}
	})
	var rec traces.Record
	for r.Next(&rec) == nil {
	}
	end, ok := r.End()
	if events < 2 || told != st.Full || !ok || end.Lost["queue_full"] != st.Full {
		t.Errorf("%d events tell %d, the end %v: want %d", events, told, end.Lost, st.Full)
	}
}

// TestPacketLimit ends a run by its own limit, and says so. What came beyond it
// is not lost; what never came is.
func TestPacketLimit(t *testing.T) {
	conf := traces.Scheduler{Qdisc: "pfifo", Link: "rate 1mbit", Seed: 1}
	fed := func() (uint64, error) { return 70, nil }
	s := play(t, conf, LiveOptions{Packets: 50, Witness: record.Witness{Fed: fed, FailOpen: true}}, func(s *session) {
		g := newTraffic(t, 9)
		for range 60 {
			s.q.Push(g.packet())
		}
		time.Sleep(time.Second)
	})
	if s.err != nil || s.result.Why != "limit of 50 packets" || s.result.Packets != 50 || s.result.Losses.QueueFull != 10 {
		t.Errorf("%v: %q after %d packets, %+v", s.err, s.result.Why, s.result.Packets, s.result.Losses)
	}
}

// TestTies: many packets in one instant, one packet, none.
func TestTies(t *testing.T) {
	for _, n := range []int{0, 1, 500} {
		conf := traces.Scheduler{Qdisc: "fq_codel limit 100", Link: "rate 5mbit", Seed: 1}
		s := play(t, conf, LiveOptions{}, func(s *session) {
			g := newTraffic(t, 5)
			for range n {
				s.q.Push(g.packet())
			}
			time.Sleep(5 * time.Second)
		})
		v, err := verify(t, s.trace.Bytes())
		if s.err != nil || err != nil || v.Divergence != nil || v.Decisions != uint64(n) {
			t.Errorf("%d packets: %v, %v, %v, %d decisions", n, s.err, err, v.Divergence, v.Decisions)
		}
	}
}

// TestFailingDisk: packets go on when the trace cannot be written.
func TestFailingDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := nfqtest.New()
		conf := traces.Scheduler{Qdisc: "pfifo", Link: "rate 5mbit", Seed: 1}
		opt := LiveOptions{Clock: record.StartClock(), Ports: ports, Scheduler: conf, Timer: Sleep}
		w, err := traces.NewWriter(&brokenDisk{left: 4000}, traces.Header{Scheduler: &conf}, traces.WriterOptions{})
		if err != nil {
			t.Fatal(err)
		}
		l, err := NewLive(q, opt)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(20*time.Second, cancel)
		go (&session{q: q}).burst(newTraffic(t, 6), 3000, time.Millisecond)
		res, err := l.Run(ctx, w)
		if err == nil || !strings.Contains(err.Error(), "the packets passed") {
			t.Errorf("error %v", err)
		}
		if res.Packets != 3000 || res.Losses.Records == 0 || q.Held() != 0 {
			t.Errorf("%d packets, %d records lost, %d held", res.Packets, res.Losses.Records, q.Held())
		}
	})
}

// brokenDisk is full after some bytes.
type brokenDisk struct{ left int }

func (d *brokenDisk) Write(p []byte) (int, error) {
	if d.left -= len(p); d.left < 0 {
		return 0, errors.New("no space left on device")
	}
	return len(p), nil
}
