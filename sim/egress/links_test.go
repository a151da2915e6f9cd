package egress_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/random"
	"github.com/uqtool/uq/sim/report"
	"github.com/uqtool/uq/sim/sched"
)

// tail is a queue of at most 50 packets.
type tail struct {
	pkt.FIFO
	drop sched.DropFunc
}

func (q *tail) Enqueue(now pkt.Time, p *pkt.Packet) {
	if q.Len() == 50 {
		q.drop(now, p, pkt.Overlimit)
		return
	}
	q.Push(p)
}
func (q *tail) Dequeue(pkt.Time) *pkt.Packet { return q.Pop() }
func (q *tail) Backlog() (int, int)          { return q.Len(), q.Bytes() }

// rig is a port with such a queue.
type rig struct {
	*egress.Port
	pool pkt.Pool
	flow pkt.Flow
	id   uint64
}

func newRig(t *testing.T, spec string, seed uint64, sink egress.Sink) *rig {
	t.Helper()
	l, err := link.New(spec, link.Env{Seed: seed, ReadFile: func(name string) ([]byte, error) {
		switch name {
		case "lte.up":
			return []byte("0\n3\n3\n10\n11\n30\n"), nil
		case "steps.csv":
			return []byte("0s,8mbit\n20ms,0\n30ms,2mbit\n100ms,loop\n"), nil
		}
		return nil, fmt.Errorf("open %s: no such file", name)
	}})
	if err != nil {
		t.Fatalf("%s: %v", spec, err)
	}
	r := &rig{}
	r.Port, err = egress.New(func(d sched.DropFunc) (sched.Scheduler, error) { return &tail{drop: d}, nil }, l, sink, &r.pool)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) send(at pkt.Time, l3 uint32, ds uint8) {
	p := r.pool.Get()
	p.ID, p.Arrival, p.Flow, p.L3Len, p.Len, p.Segs, p.DSField = r.id, at, &r.flow, l3, l3+14, 1, ds
	r.id++
	r.Enqueue(at, p)
}

// impaired are links with everything that may happen to a packet.
var impaired = []string{
	"rate 5mbit delay 4ms 3ms", "rate 5mbit delay 4ms 1ms 20% distribution pareto loss 5%", "rate 5mbit duplicate 20%", "rate 5mbit corrupt 20%",
	"rate 5mbit loss 30% duplicate 30% ecn", "rate 5mbit loss state 2% 20% delay 3ms", "rate 5mbit loss gemodel 5% 20%",
	"rate 5mbit delay 5ms reorder 20% gap 2", "rate 5mbit slot 2ms 9ms packets 5", "rate 5mbit delay 30ms 30ms limit 7", "unlimited slot 5ms bytes 4k limit 4",
	"schedule lte.up delay 5ms 4ms loss 2%", "rate-file steps.csv atm duplicate 5% delay 9ms 9ms",
	"rate 5mbit front loss 20% duplicate 20% corrupt 10%", "rate 5mbit front loss 20% ecn slot 2ms 5ms packets 4", "unlimited front duplicate 50%", "unlimited front slot 3ms",
	"rate 5mbit delay 2ms 2ms loss 10% duplicate 10% corrupt 10% reorder 10% slot 1ms ecn front loss 5% duplicate 5% corrupt 5% slot 1ms packets 9",
}

// watch is a Sink that checks the events' order.
type watch struct {
	t       *testing.T
	spec    string
	last    pkt.Time
	corrupt *pkt.Packet // its Deliver must come next
	lines   []string
}

func (w *watch) Event(e egress.Event) {
	p := e.Packet
	switch {
	case e.Time < w.last:
		w.t.Fatalf("%s: %v at %v after %v", w.spec, e.Kind, e.Time, w.last)
	case w.corrupt != nil && (e.Kind != egress.Deliver || p != w.corrupt):
		w.t.Fatalf("%s: %v follows a corrupt", w.spec, e.Kind)
	case e.Kind == egress.Deliver && (p.Flaws&pkt.Corrupted != 0) != (w.corrupt != nil):
		w.t.Fatalf("%s: packet %d with flaws %d delivered, after corrupt: %v", w.spec, p.ID, p.Flaws, w.corrupt != nil)
	case e.Kind == egress.Duplicate && p.Flaws&pkt.Duplicated == 0:
		w.t.Fatalf("%s: a copy without its mark", w.spec)
	case e.Kind == egress.Mark && (e.Reason != pkt.LinkLoss || p.ECN() != pkt.CE):
		w.t.Fatalf("%s: mark %v of a packet with %v", w.spec, e.Reason, p.ECN())
	}
	w.last, w.corrupt = e.Time, nil
	if e.Kind == egress.Corrupt {
		w.corrupt = p
	}
	w.lines = append(w.lines, fmt.Sprint(e.Time, e.Kind, p.ID, e.Reason, p.Flaws))
}

// TestConservation checks at every step that arrived and duplicated packets are
// those delivered, dropped and still inside.
func TestConservation(t *testing.T) {
	for _, spec := range impaired {
		for seed := uint64(1); seed <= 3; seed++ {
			c, w := report.NewCollector(), &watch{t: t, spec: spec}
			r := newRig(t, spec, seed, egress.Tee(c, w))
			rng := random.Stream(seed, "test")
			check := func() {
				t.Helper()
				in, out := c.Total.ArrivedPackets+c.Duplicated, c.Total.DeliveredPackets+c.Total.Dropped
				if uint64(r.pool.Out()) != in-out {
					t.Fatalf("%s: %d arrived, %d duplicated, %d delivered, %d dropped, %d inside", spec, c.Total.ArrivedPackets, c.Duplicated, c.Total.DeliveredPackets, c.Total.Dropped, r.pool.Out())
				}
			}
			at := pkt.Time(0)
			for range 3000 {
				at += pkt.Time(rng.Int64N(4e6) * rng.Int64N(2))
				r.send(at, uint32(40+rng.IntN(1460)), uint8(rng.IntN(4)))
				check()
				if rng.IntN(3) == 0 {
					at += pkt.Time(rng.Int64N(3e6))
					r.Advance(at)
					check()
				}
			}
			r.Drain()
			check()
			if r.pool.Out() != 0 || c.Total.ArrivedPackets != 3000 {
				t.Errorf("%s: %d packets left inside", spec, r.pool.Out())
			}
			for word, n := range map[string]uint64{"duplicate": c.Duplicated, "corrupt": c.Corrupted, "loss": c.Drops[pkt.LinkLoss], "jitter": c.Reordered, "ecn": c.Marks[pkt.LinkLoss]} {
				has := strings.Contains(spec, word) || word == "loss" && strings.Contains(spec, " limit ") || word == "jitter" && reorders(spec)
				if has != (n > 0) {
					t.Errorf("%s: %s of %d packets", spec, word, n)
				}
			}
		}
	}
}

// reorders says whether a link of this test lets packets overtake others.
func reorders(spec string) bool {
	for _, s := range []string{"delay 4ms 3ms", "delay 4ms 1ms", "reorder 20%", "delay 30ms 30ms", "delay 5ms 4ms", "delay 9ms 9ms"} {
		if strings.Contains(spec, s) {
			return true
		}
	}
	return false
}

// TestLateDriverOfLinks checks that a driver that wakes late sees the same
// events.
func TestLateDriverOfLinks(t *testing.T) {
	for _, spec := range impaired {
		var runs [2]*watch
		for i, step := range []pkt.Time{3e5, 7e9} {
			runs[i] = &watch{t: t, spec: spec}
			r := newRig(t, spec, 5, runs[i])
			for n := range 400 {
				at := pkt.Time(n) * 15e5
				for now := r.Now(); now+step < at; now += step {
					r.Advance(now)
				}
				r.send(at, 1000, 2)
			}
			for now := r.Now(); now < 5e9; now += step {
				r.Advance(now)
			}
			r.Advance(9e9)
		}
		if a, b := strings.Join(runs[0].lines, "\n"), strings.Join(runs[1].lines, "\n"); a != b {
			t.Errorf("%s: events differ with the driver's steps", spec)
		}
	}
}

// script is a Sink for people.
type script struct{ strings.Builder }

func (s *script) Event(e egress.Event) {
	fmt.Fprintf(s, "%9.3f %s %d", float64(e.Time)/1e6, e.Kind, e.Packet.ID)
	if e.Reason != pkt.NoReason {
		fmt.Fprintf(s, " %s", e.Reason)
	}
	for i, name := range []string{"copy", "corrupted", "reordered"} {
		if e.Packet.Flaws&(1<<i) != 0 && e.Kind == egress.Deliver {
			fmt.Fprintf(s, " %s", name)
		}
	}
	s.WriteByte('\n')
}

// TestScripts plays scripts of arrivals and compares the events, times in ms,
// with what a reader has judged. -rewrite writes them anew.
//
//	link [seed=N]
//	WORDS
//	----
//	send n=5 every=1ms [len=1000] [ds=2]
//	----
//	drain
//	----
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/links", func(t *testing.T, path string) {
		var r *rig
		var out *script
		at := pkt.Time(0)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "link":
				seed := 1
				d.MaybeScanArgs(t, "seed", &seed)
				out, at = &script{}, 0
				r = newRig(t, d.Input, uint64(seed), out)
				return link.Line(r.Link()) + "\n"
			case "send":
				n, l3, ds, every := 1, 986, 0, "0us"
				d.MaybeScanArgs(t, "n", &n)
				d.MaybeScanArgs(t, "len", &l3)
				d.MaybeScanArgs(t, "ds", &ds)
				d.MaybeScanArgs(t, "every", &every)
				gap, err := time.ParseDuration(every)
				if err != nil {
					d.Fatalf(t, "%v", err)
				}
				for range n {
					r.send(at, uint32(l3), uint8(ds))
					at = at.Add(gap)
				}
			case "drain":
				r.Drain()
				at = r.Now()
			default:
				d.Fatalf(t, "unknown command %s", d.Cmd)
			}
			defer out.Reset()
			return out.String()
		})
	})
}

// TestDigestOfFlaws checks that two runs that differ only in what the link did to
// packets have digests that differ.
func TestDigestOfFlaws(t *testing.T) {
	seen := map[string]string{}
	for _, spec := range []string{"rate 5mbit", "rate 5mbit corrupt 1%", "rate 5mbit duplicate 1%", "rate 5mbit front duplicate 1%", "rate 5mbit loss 1%", "rate 5mbit loss 1% ecn", "rate 5mbit delay 1ms reorder 1%"} {
		d := egress.NewDigest()
		r := newRig(t, spec, 1, d)
		for n := range 2000 {
			r.send(pkt.Time(n)*2e6, 986, 2)
		}
		r.Drain()
		if other, dup := seen[d.String()]; dup {
			t.Errorf("%s and %s have the digest %s", spec, other, d)
		}
		seen[d.String()] = spec
	}
}
