package sim_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/uqtool/uq/sim"
	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/report"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/sched/builtin"
	"github.com/uqtool/uq/sim/sched/schedtest"
	"github.com/uqtool/uq/traces"
	"github.com/uqtool/uq/traces/corpus"
)

// rig is a port with what a test needs around it.
type rig struct {
	port *egress.Port
	pool *pkt.Pool
	c    *report.Collector
}

func newRig(t testing.TB, qdisc, lnk string, sink func(egress.Sink) egress.Sink) *rig {
	t.Helper()
	r := &rig{pool: &pkt.Pool{}, c: report.NewCollector()}
	l, err := link.New(lnk, link.Env{})
	if err != nil {
		t.Fatal(err)
	}
	var s egress.Sink = r.c
	if sink != nil {
		s = sink(s)
	}
	r.port, err = egress.New(func(d sched.DropFunc) (sched.Scheduler, error) { return builtin.New(qdisc, sched.Env{Drop: d}) }, l, s, r.pool)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// cbr is an Agent that sends packets of one flow at a fixed spacing.
type cbr struct {
	flow  *pkt.Flow
	pool  *pkt.Pool
	len   uint32
	at    pkt.Time
	gap   time.Duration
	burst int
	id    uint64
}

func (c *cbr) Next() pkt.Time       { return c.at }
func (c *cbr) Observe(egress.Event) {}
func (c *cbr) Act(now pkt.Time, send func(*pkt.Packet)) {
	for range c.burst {
		p := c.pool.Get()
		p.ID, p.Flow, p.Len, p.Segs, p.DSField = c.id, c.flow, c.len, 1, 0
		c.id++
		send(p)
	}
	c.at = now.Add(c.gap)
}

// windowed is a closed-loop Agent: it keeps a window of packets unacknowledged,
// with acknowledgements arriving rtt after delivery.
type windowed struct {
	cbr
	rtt   time.Duration
	acks  []pkt.Time
	first bool
}

func (w *windowed) Next() pkt.Time {
	switch {
	case !w.first:
		return w.at
	case len(w.acks) == 0:
		return pkt.Never
	}
	return w.acks[0]
}

func (w *windowed) Observe(e egress.Event) {
	if e.Kind == egress.Deliver && e.Packet.Flow == w.flow {
		w.acks = append(w.acks, e.Time.Add(w.rtt))
	}
}

func (w *windowed) Act(now pkt.Time, send func(*pkt.Packet)) {
	if w.first {
		w.acks = w.acks[1:]
		w.burst = 1
	}
	w.first = true
	w.cbr.Act(now, send)
}

// TestClosedLoop checks that sources that react fit: a window of 10 packets
// over 10 Mbit/s and 50 ms gets exactly window/RTT, and 100 get the link's rate.
func TestClosedLoop(t *testing.T) {
	for _, window := range []int{10, 100} {
		var loop *sim.Loop
		r := newRig(t, "pfifo", "rate 10mbit", func(s egress.Sink) egress.Sink {
			loop = &sim.Loop{Sink: s}
			return loop
		})
		w := &windowed{cbr: cbr{flow: schedtest.TestFlow(1, 0), pool: r.pool, len: 700, burst: window}, rtt: 50 * time.Millisecond}
		loop.Add(w)
		loop.Run(r.port, pkt.Time(10*time.Second))
		got := r.c.Total.DeliveredPackets
		perRTT := float64(window) / (50e-3 + 0.56e-3) * 10 // a round: the RTT and a packet on the wire
		wire := 10e6 / 8 / 700 * 10
		want := min(perRTT, wire)
		if float64(got) < want*0.99 || float64(got) > want*1.01+float64(window) {
			t.Errorf("window %d: %d packets delivered in 10 s, want about %.0f", window, got, want)
		}
	}
}

// TestAgentOrder checks (time, sequence): two agents due at one time act in the
// order in which they scheduled it, alternating.
func TestAgentOrder(t *testing.T) {
	var order strings.Builder
	var loop *sim.Loop
	r := newRig(t, "pfifo", "unlimited", func(s egress.Sink) egress.Sink {
		loop = &sim.Loop{Sink: egress.Tee(s, sinkFunc(func(e egress.Event) {
			if e.Kind == egress.Enqueue {
				order.WriteByte(byte('a' + e.Packet.Flow.ID))
			}
		}))}
		return loop
	})
	for i, gap := range []time.Duration{2, 1, 1} {
		loop.Add(&cbr{flow: schedtest.TestFlow(i, 0), pool: r.pool, len: 100, gap: gap, burst: 1})
	}
	loop.Run(r.port, 5)
	// t=0: abc; 1: bc; 2: a scheduled first, then b, c; 3: bc; 4: abc
	if got, want := order.String(), "abcbcabcbcabc"; got != want {
		t.Errorf("order %s, want %s", got, want)
	}
}

type sinkFunc func(egress.Event)

func (f sinkFunc) Event(e egress.Event) { f(e) }

// TestSparseFlow checks fq_codel's latency for a sparse flow of 200-byte
// packets beside four saturating flows of 1514 bytes at 10 Mbit/s against the
// values computed from the rules alone (CoDel off): it waits for at most the
// packet in service while it counts as new, and for a share of a round once it
// does not.
func TestSparseFlow(t *testing.T) {
	for _, c := range []struct {
		gap time.Duration
		max float64 // ms
	}{
		{20 * time.Millisecond, 1.2112}, {10 * time.Millisecond, 1.2112}, {6 * time.Millisecond, 1.2112},
		{4500 * time.Microsecond, 1.2112}, {3 * time.Millisecond, 2.003}, {2500 * time.Microsecond, 2.504},
		{2 * time.Millisecond, 3.003}, {time.Millisecond, 3.632},
	} {
		var loop *sim.Loop
		r := newRig(t, "fq_codel target 999s interval 999s", "rate 10mbit", func(s egress.Sink) egress.Sink {
			loop = &sim.Loop{Sink: s}
			return loop
		})
		for i := range 4 {
			loop.Add(&cbr{flow: schedtest.TestFlow(i, 1), pool: r.pool, len: 1514, gap: 4 * time.Millisecond, burst: 4})
		}
		// an odd microsecond in the spacing sweeps all phases
		loop.Add(&cbr{flow: schedtest.TestFlow(9, 1), pool: r.pool, len: 200, at: 100e6, gap: c.gap + 1013*time.Nanosecond, burst: 1})
		loop.Run(r.port, pkt.Time(5*time.Second))
		flows := r.c.Flows()
		got := float64(flows[len(flows)-1].Sojourn.Max()) / 1e6
		if got < c.max*0.93 || got > c.max*1.07 {
			t.Errorf("spacing %v: longest wait %.3f ms, want about %.3f", c.gap, got, c.max)
		}
	}
}

// TestFairShares checks DRR: saturating flows of different packet sizes get
// equal bytes, to within a quantum and a packet.
func TestFairShares(t *testing.T) {
	var loop *sim.Loop
	r := newRig(t, "fq_codel target 999s interval 999s", "rate 50mbit", func(s egress.Sink) egress.Sink {
		loop = &sim.Loop{Sink: s}
		return loop
	})
	for i, n := range []uint32{100, 600, 1514} {
		loop.Add(&cbr{flow: schedtest.TestFlow(i, 1), pool: r.pool, len: n, gap: time.Duration(n) * 200, burst: 1})
	}
	loop.Run(r.port, pkt.Time(time.Second))
	low, high := uint64(1<<62), uint64(0)
	for _, f := range r.c.Flows() {
		low, high = min(low, f.DeliveredBytes), max(high, f.DeliveredBytes)
	}
	if high-low > 2*1514 {
		t.Errorf("shares from %d to %d bytes", low, high)
	}
}

// list is a Source over times.
type list struct {
	at  []pkt.Time
	err error
	n   int
}

func (l *list) Next(p *pkt.Packet) (bool, error) {
	if l.n == len(l.at) {
		return false, l.err
	}
	p.ID, p.Arrival, p.Flow, p.Len, p.Segs = uint64(l.n), l.at[l.n], schedtest.TestFlow(0, 0), 1000, 1
	l.n++
	return true, nil
}

// filler is a list that gives up to three packets at once, in place of others.
type filler struct{ *list }

func (f filler) Fill(ps []*pkt.Packet) (n int, err error) {
	for i := range min(3, len(ps)) {
		fresh := &pkt.Packet{}
		ok, err := f.Next(fresh)
		if !ok {
			return i, err
		}
		ps[i], n = fresh, i+1
	}
	return n, nil
}

func TestRun(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		name string
		src  list
		n    uint64
		err  string
	}{
		{"empty", list{}, 0, ""},
		{"one", list{at: []pkt.Time{7}}, 1, ""},
		{"ties", list{at: []pkt.Time{7, 7, 7}}, 3, ""},
		{"error", list{at: []pkt.Time{1, 2}, err: broken}, 2, "broken"},
		{"error after a few", list{at: []pkt.Time{1, 2, 3, 4}, err: broken}, 4, "broken"},
		{"backwards", list{at: []pkt.Time{5, 4}}, 1, "before its predecessor"},
		{"backwards with more to come", list{at: []pkt.Time{1, 1, 1, 5, 4, 7}}, 4, "before its predecessor"},
	} {
		one, many := c.src, c.src
		for _, src := range []sim.Source{&one, filler{&many}} {
			r := newRig(t, "fq_codel", "rate 1mbit", nil)
			n, err := sim.Run(src, r.port, r.pool)
			if n != c.n || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s, %T: %d arrivals, %v", c.name, src, n, err)
			}
			if r.pool.Out() != 0 || r.c.Total.DeliveredPackets != c.n {
				t.Errorf("%s, %T: %d packets out, %d delivered", c.name, src, r.pool.Out(), r.c.Total.DeliveredPackets)
			}
		}
	}
}

// TestRunAll checks that lanes driven together decide as each alone, and that a
// backlog no link will ever send does not break the run.
func TestRunAll(t *testing.T) {
	qdiscs := []string{"pfifo limit 20", "fq_codel target 1ms", "codel"}
	var lanes []sim.Lane
	var rigs, alone []*rig
	for _, q := range qdiscs {
		r, a := newRig(t, q, "rate 50mbit", nil), newRig(t, q, "rate 50mbit", nil)
		rigs, alone = append(rigs, r), append(alone, a)
		lanes = append(lanes, sim.Lane{Port: r.port, Pool: r.pool})
		if _, err := sim.Run(newMemory(20000), a.port, a.pool); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := sim.RunAll(newMemory(20000), lanes); n != 20000 || err != nil {
		t.Fatalf("%d arrivals, %v", n, err)
	}
	for i, r := range rigs {
		if got, want := r.c.Digest.String(), alone[i].c.Digest.String(); got != want || r.pool.Out() != 0 {
			t.Errorf("%s: digest %s, alone %s; %d packets out", qdiscs[i], got, want, r.pool.Out())
		}
	}
	slow := newRig(t, "pfifo limit 100000", "rate 1bit", nil)
	if _, err := sim.Run(newMemory(50000), slow.port, slow.pool); err != nil || slow.c.Total.DeliveredPackets != 50000 {
		t.Errorf("%v, %d delivered", err, slow.c.Total.DeliveredPackets)
	}
}

// minded is a list that is asked whether to go on, and does not.
type minded struct {
	list
	asked int
}

var errEnough = errors.New("enough")

func (m *minded) Mind() error {
	m.asked++
	return errEnough
}

// TestMinder: a source that is no longer minded ends the run while packets still
// leave, not before they began to.
func TestMinder(t *testing.T) {
	few, many := &minded{}, &minded{}
	few.at, many.at = make([]pkt.Time, 100), make([]pkt.Time, 50_000)
	r := newRig(t, "pfifo limit 100000", "rate 1mbit", nil)
	if n, err := sim.Run(few, r.port, r.pool); n != 100 || err != nil || few.asked != 0 || r.c.Total.DeliveredPackets != 100 {
		t.Errorf("%d arrivals, %v, asked %d times, %d delivered", n, err, few.asked, r.c.Total.DeliveredPackets)
	}
	r = newRig(t, "pfifo limit 100000", "rate 1mbit", nil)
	if n, err := sim.Run(many, r.port, r.pool); n != 50_000 || err != errEnough || many.asked != 1 || r.c.Total.DeliveredPackets == 0 {
		t.Errorf("%d arrivals, %v, asked %d times, %d delivered", n, err, many.asked, r.c.Total.DeliveredPackets)
	}
}

// forgetful is a FIFO that loses every fifth packet, or counts those it let go.
type forgetful struct {
	sched.Scheduler
	loses bool
	n     int
}

func (f *forgetful) Enqueue(now pkt.Time, p *pkt.Packet) {
	if f.n++; !f.loses || f.n%5 != 0 {
		f.Scheduler.Enqueue(now, p)
	}
}

func (f *forgetful) Backlog() (packets, bytes int) {
	packets, bytes = f.Scheduler.Backlog()
	if !f.loses {
		packets++
	}
	return packets, bytes
}

// TestLosesCount: a scheduler that loses packets, or count of them, does not
// pass for one that works.
func TestLosesCount(t *testing.T) {
	for _, loses := range []bool{true, false} {
		pool := &pkt.Pool{}
		port, err := egress.New(func(d sched.DropFunc) (sched.Scheduler, error) {
			s, err := builtin.New("pfifo", sched.Env{Drop: d})
			return &forgetful{Scheduler: s, loses: loses}, err
		}, &link.Unlimited{}, report.NewCollector(), pool)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := sim.Run(&list{at: make([]pkt.Time, 100)}, port, pool); n != 100 || err == nil || !strings.Contains(err.Error(), "lost count") {
			t.Errorf("loses %v: %d arrivals, %v", loses, n, err)
		}
	}
}

// TestLaneSplits checks that a port that is handed segments decides as if the
// trace had held them, whatever its neighbours are handed.
func TestLaneSplits(t *testing.T) {
	run := func(split bool, splitLane ...bool) (digests []string) {
		tr, err := traces.NewReader(strings.NewReader(corpus.Default()))
		if err != nil {
			t.Fatal(err)
		}
		src, err := traces.NewSource(tr, traces.SourceOptions{Seed: 1, Split: split})
		if err != nil {
			t.Fatal(err)
		}
		var lanes []sim.Lane
		var rigs []*rig
		for _, s := range splitLane {
			r := newRig(t, "fq_codel limit 60", "rate 20mbit", nil)
			rigs = append(rigs, r)
			lanes = append(lanes, sim.Lane{Port: r.port, Pool: r.pool, Split: s, MTU: uint32(tr.Header().Capture.SegmentMTU)})
		}
		if _, err := sim.RunAll(src, lanes); err != nil {
			t.Fatal(err)
		}
		for _, r := range rigs {
			digests = append(digests, r.c.Digest.String())
			if r.pool.Out() != 0 {
				t.Errorf("%d packets are lost", r.pool.Out())
			}
		}
		return digests
	}
	whole, split := run(false, false)[0], run(true, false)[0]
	if whole == split {
		t.Fatal("the trace holds no super-packet")
	}
	if got := run(false, true, false, true); got[0] != split || got[1] != whole || got[2] != split {
		t.Errorf("digests %v, want %s whole and %s split", got, whole, split)
	}
}
