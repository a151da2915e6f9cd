package series

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/random"
)

// tape feeds a Series and keeps every event, to compute with less haste what it
// should say.
type tape struct {
	s      *Series
	events []egress.Event
	id     uint64
}

func newTape() *tape { return &tape{s: New()} }

func (t *tape) event(at pkt.Time, k egress.Kind, p *pkt.Packet, r pkt.Reason) {
	e := egress.Event{Time: at, Kind: k, Packet: p, Reason: r}
	t.events = append(t.events, e)
	t.s.Event(e)
}

func (t *tape) arrive(at pkt.Time, f *pkt.Flow, length uint32) *pkt.Packet {
	p := &pkt.Packet{ID: t.id, Arrival: at, Flow: f, Len: length, Segs: 1}
	t.id++
	t.event(at, egress.Enqueue, p, pkt.NoReason)
	return p
}

func (t *tape) serve(at pkt.Time, p *pkt.Packet) {
	t.event(at, egress.Dequeue, p, pkt.NoReason)
	t.event(at, egress.Deliver, p, pkt.NoReason)
}

func testFlow(i int) *pkt.Flow {
	return pkt.NewFlow(pkt.FlowKey{SrcPort: uint16(i), Proto: pkt.ProtoUDP}, uint32(i), 1)
}

const ms = pkt.Time(time.Millisecond)

// TestSmall has a run short enough to follow by hand: two bins of 100 us with
// something in them, and one without between them.
func TestSmall(t *testing.T) {
	r := newTape()
	a, b := testFlow(0), testFlow(1)
	p := r.arrive(ms, a, 100)
	q := r.arrive(ms+10_000, b, 200)
	r.event(ms+20_000, egress.Drop, r.arrive(ms+20_000, b, 50), pkt.Overlimit) // never in the backlog
	r.serve(ms+30_000, p)
	r.event(ms+210_000, egress.Mark, q, pkt.AQM)
	r.serve(ms+210_000, q)

	d := Align([]*Series{r.s})[0]
	want := &Data{
		Start: ms, Width: FirstWidth,
		Total: Line{Count: []uint64{1, 0, 1}, Mean: []int64{30_000, None, 200_000}, Max: []int64{30_000, None, 200_000},
			Bytes: []uint64{100, 0, 200}, Drops: []uint32{1, 0, 0}, Marks: []uint32{0, 0, 1}},
		Arrived: []uint64{350, 0, 0},
		Min:     []int64{30_000, None, 200_000}, P50: []int64{30_000, None, 200_000}, P99: []int64{30_000, None, 200_000},
		QueueMin: []int64{0, 1, 0}, QueueMax: []int64{2, 1, 1}, QueueBytes: []int64{300, 200, 200},
	}
	flows, dist := d.Flows, d.Distribution
	d.Flows, d.Distribution, d.Others = nil, Distribution{}, Flow{}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(flows) != 2 || flows[0].Flow != b || flows[0].Line.Drops[0] != 1 || flows[1].Line.Bytes[0] != 100 {
		t.Errorf("flows %+v", flows)
	}
	if dist.Count != 2 || dist.At(0) != 30_000 || dist.At(50) != 30_015 || dist.At(100) != 200_000 || dist.At(99.99) != 200_000 || dist.At(12.3) != None {
		t.Errorf("distribution %+v", dist)
	}
}

// TestSums has random runs: whatever was merged and moved about, the sums are
// those of the events, and nothing is lost between the flows and the others.
func TestSums(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newTape()
		flows := make([]*pkt.Flow, rapid.IntRange(1, 3*MaxFlows).Draw(t, "flows"))
		for i := range flows {
			flows[i] = testFlow(i)
		}
		step := rapid.SampledFrom([]pkt.Time{10_000, ms, 50 * ms}).Draw(t, "step")
		now := pkt.Time(rapid.IntRange(0, 5).Draw(t, "start")) * ms
		var waiting []*pkt.Packet
		for range rapid.IntRange(1, 400).Draw(t, "packets") {
			now += pkt.Time(rapid.IntRange(0, 3).Draw(t, "gap")) * step
			p := r.arrive(now, rapid.SampledFrom(flows).Draw(t, "flow"), uint32(rapid.IntRange(40, 1500).Draw(t, "len")))
			switch waiting = append(waiting, p); rapid.IntRange(0, 3).Draw(t, "then") {
			case 0:
				r.event(now, egress.Mark, waiting[0], pkt.AQM)
				r.serve(now, waiting[0])
				waiting = waiting[1:]
			case 1:
				r.event(now, egress.Drop, p, pkt.Overlimit)
				waiting = waiting[:len(waiting)-1]
			case 2:
				r.event(now, egress.Dequeue, waiting[0], pkt.NoReason)
				r.event(now, egress.Drop, waiting[0], pkt.LinkLoss)
				waiting = waiting[1:]
			}
		}
		d := Align([]*Series{r.s})[0]
		checkSums(t, r, d)
		checkBins(t, r, d)
	})
}

// TestDense has a long run with something in every bin, so that full bins are
// made into one, and quiet times between.
func TestDense(t *testing.T) {
	r, stream := newTape(), random.Stream(1, "dense")
	var waiting []*pkt.Packet
	now := pkt.Time(0)
	for i := range 20_000 {
		now += pkt.Time(stream.Uint64() % 60_000)
		if i%1000 == 0 {
			now += 20 * ms
		}
		waiting = append(waiting, r.arrive(now, testFlow(int(stream.Uint64()%5)), uint32(100+stream.Uint64()%1000)))
		for n := stream.Uint64() % 3; n > 0 && len(waiting) > 0; n-- {
			now += pkt.Time(stream.Uint64() % 60_000)
			r.serve(now, waiting[0])
			waiting = waiting[1:]
		}
	}
	d := Align([]*Series{r.s})[0]
	checkSums(t, r, d)
	checkBins(t, r, d)
	if d.Width < 8*FirstWidth {
		t.Errorf("bins are %v wide", d.Width)
	}
}

// fataler is a test of either kind.
type fataler interface{ Fatalf(string, ...any) }

// totals are the sums of a line.
type totals struct {
	Count, Bytes, Drops, Marks uint64
	Max                        int64
}

func (n *totals) add(l Line) {
	for i := range l.Count {
		n.Count += l.Count[i]
		n.Bytes += l.Bytes[i]
		n.Drops += uint64(l.Drops[i])
		n.Marks += uint64(l.Marks[i])
		n.Max = max(n.Max, l.Max[i])
	}
}

func checkSums(t fataler, r *tape, d *Data) {
	var want, all, parts, sum totals
	for _, e := range r.events {
		switch e.Kind {
		case egress.Dequeue:
			want.Count++
			want.Max = max(want.Max, int64(e.Time-e.Packet.Arrival))
		case egress.Deliver:
			want.Bytes += uint64(e.Packet.Len)
		case egress.Drop:
			want.Drops++
		case egress.Mark:
			want.Marks++
		}
	}
	all.add(d.Total)
	for _, f := range append(slices.Clone(d.Flows), d.Others) {
		parts.add(f.Line)
	}
	sum.add(Sum(append(slices.Clone(d.Flows), d.Others)))
	if all != want || parts != want || sum != want {
		t.Fatalf("events sum to %+v, the total to %+v, the flows to %+v, %+v", want, all, parts, sum)
	}
}

// plain is a bin worked out the plain way.
type plain struct {
	Count                          uint64
	Min, Max, Mean                 int64
	Arrived                        uint64
	QueueMin, QueueMax, QueueBytes int64
}

// checkBins works every bin out again, from the events in its time.
func checkBins(t fataler, r *tape, d *Data) {
	never := map[*pkt.Packet]bool{} // in the backlog
	for _, e := range r.events {
		if e.Kind == egress.Drop && e.Reason == pkt.Overlimit {
			never[e.Packet] = true
		}
	}
	var depth, bytes int64
	next := 0
	for i := range d.Arrived {
		w := plain{Min: None, Max: None, Mean: None, QueueMin: depth, QueueMax: depth, QueueBytes: bytes}
		sum := int64(0)
		for ; next < len(r.events) && int((r.events[next].Time-d.Start)/d.Width) == i; next++ {
			e := r.events[next]
			n := int64(e.Packet.Len)
			if e.Kind == egress.Enqueue {
				w.Arrived += uint64(n)
			}
			switch {
			case never[e.Packet]:
			case e.Kind == egress.Enqueue:
				depth, bytes = depth+1, bytes+n
			case e.Kind == egress.Dequeue:
				depth, bytes = depth-1, bytes-n
				span := int64(e.Time - e.Packet.Arrival)
				if w.Count == 0 || span < w.Min {
					w.Min = span
				}
				w.Max, sum, w.Count = max(w.Max, span), sum+span, w.Count+1
			}
			w.QueueMin, w.QueueMax, w.QueueBytes = min(w.QueueMin, depth), max(w.QueueMax, depth), max(w.QueueBytes, bytes)
		}
		if w.Count > 0 {
			w.Mean = sum / int64(w.Count)
		}
		got := plain{d.Total.Count[i], d.Min[i], d.Total.Max[i], d.Total.Mean[i], d.Arrived[i], d.QueueMin[i], d.QueueMax[i], d.QueueBytes[i]}
		if got != w {
			t.Fatalf("bin %d of %d, %d ns wide: %+v, want %+v", i, len(d.Arrived), d.Width, got, w)
		}
		if w.Count > 0 && (d.Min[i] > d.P50[i] || d.P50[i] > d.P99[i] || d.P99[i] > d.Total.Max[i]) {
			t.Fatalf("bin %d: min %d p50 %d p99 %d max %d", i, d.Min[i], d.P50[i], d.P99[i], d.Total.Max[i])
		}
	}
	if next != len(r.events) || len(d.Arrived) > Bins {
		t.Fatalf("%d of %d events are in %d bins", next, len(r.events), len(d.Arrived))
	}
}

// TestReplaced: a flow that comes late and brings much gets a place, and the one
// it displaces joins the others.
func TestReplaced(t *testing.T) {
	r := newTape()
	for i := range MaxFlows {
		r.serve(0, r.arrive(0, testFlow(i), uint32(1000+i)))
	}
	late := testFlow(99)
	for i := range 3 {
		r.serve(ms, r.arrive(ms, late, 1000))
		_, has := place(r.s, late)
		if want := i == 2; has != want {
			t.Fatalf("after %d packets: has a place: %v", i+1, has)
		}
	}
	d := Align([]*Series{r.s})[0]
	if _, has := place(r.s, testFlow(0)); has || d.Others.Line.Count[0] != 1 {
		t.Errorf("flow 0 did not make room: others %v", d.Others.Line.Count)
	}
	if f := d.Flows[0]; f.Flow != late || f.Since != ms || f.Arrived != 3000 || f.Distribution.Count != 1 {
		t.Errorf("first flow %+v", f)
	}
	none := &pkt.Flow{ID: pkt.OtherFlows}
	r.serve(2*ms, r.arrive(2*ms, none, 1<<20))
	if _, has := place(r.s, none); has {
		t.Error("a flow that cannot be told apart got a place")
	}
}

func place(s *Series, f *pkt.Flow) (*slot, bool) {
	l := s.flow(f)
	return l, l != nil
}

// TestAlign brings a short and a long run to one axis.
func TestAlign(t *testing.T) {
	short, long := newTape(), newTape()
	for _, at := range []pkt.Time{0, 3 * ms, 50 * ms} {
		short.serve(at, short.arrive(at, testFlow(0), 100))
	}
	for i := range 5000 {
		at := pkt.Time(i) * ms
		long.serve(at+pkt.Time(i), long.arrive(at, testFlow(0), 100))
	}
	d := Align([]*Series{short.s, long.s})
	if d[0].Width != d[1].Width || len(d[0].Arrived) != len(d[1].Arrived) || d[1].Width != 64*FirstWidth {
		t.Errorf("widths %d %d, bins %d %d", d[0].Width, d[1].Width, len(d[0].Arrived), len(d[1].Arrived))
	}
	if n := len(d[1].Arrived); n <= Bins/2 {
		t.Errorf("only %d bins", n)
	}
	if n := d[0].Total.Count; n[0] != 2 || n[7] != 1 {
		t.Errorf("the short run's packets are in bins %v ...", n[:9])
	}
	if again := Align([]*Series{short.s, long.s}); cmp.Diff(d[0].Total, again[0].Total)+cmp.Diff(d[1].QueueMax, again[1].QueueMax) != "" {
		t.Error("aligned again they are others")
	}
	if got := Sum(d[1].Flows); cmp.Diff(got, d[1].Total) != "" {
		t.Errorf("the sum of one flow is not the total: %s", cmp.Diff(d[1].Total, got))
	}
	short.serve(50*ms+50_000, short.arrive(50*ms+50_000, testFlow(0), 100))
	if n := Align([]*Series{short.s})[0].Total.Count; n[7] != 2 {
		t.Errorf("a packet that came later is in bins %v", n)
	}
	if Align(nil) != nil {
		t.Error("nothing became something")
	}
}

// TestNothing: a run without events has no bins to speak of.
func TestNothing(t *testing.T) {
	d := Align([]*Series{New()})[0]
	if len(d.Total.Count) != 1 || d.Distribution.Count != 0 || d.Distribution.At(50) != None {
		t.Errorf("%+v", d)
	}
}

// TestBuckets: every span is within a sixteenth of the middle of its bucket,
// give or take the unit.
func TestBuckets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ns := rapid.Int64Range(0, highest/2).Draw(t, "ns")
		b := bucket(ns)
		got := middle(b)
		if off := max(got-ns, ns-got); off > ns/15+1<<spanUnit {
			t.Fatalf("%d is in bucket %d with middle %d", ns, b, got)
		}
		if next := bucket(ns + ns/4 + 2<<spanUnit); next <= b {
			t.Fatalf("bucket %d of %d, %d of a quarter more", b, ns, next)
		}
	})
	if got := bucket(1 << 62); got != spanBuckets-1 {
		t.Errorf("a span without end is in bucket %d", got)
	}
}

// TestQuantile compares the small histogram with the exact answer.
func TestQuantile(t *testing.T) {
	var h spans
	for i := range 1000 {
		h.add(int64(i+1) * 100_000)
	}
	for _, c := range []struct {
		thousandths uint64
		exact       int64
	}{{500, 50_000_000}, {990, 99_000_000}, {1, 100_000}, {1000, 100_000_000}} {
		got := h.quantile(1000, c.thousandths)
		if off := max(got-c.exact, c.exact-got); off*100 > c.exact*7 {
			t.Errorf("%d thousandths: %d, exactly %d", c.thousandths, got, c.exact)
		}
	}
}

// TestAllocations: once its flows are known, a series allocates nothing.
func TestAllocations(t *testing.T) {
	s, f := New(), testFlow(0)
	p := &pkt.Packet{Flow: f, Len: 100, Segs: 1}
	now := pkt.Time(0)
	round := func() {
		for _, k := range []egress.Kind{egress.Enqueue, egress.Dequeue, egress.Deliver} {
			s.Event(egress.Event{Time: now, Kind: k, Packet: p})
		}
		now += ms
		p.Arrival = now
	}
	round()
	if n := testing.AllocsPerRun(5000, round); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

func BenchmarkEvent(b *testing.B) {
	s := New()
	var ps []*pkt.Packet
	for i := range 64 {
		ps = append(ps, &pkt.Packet{Flow: testFlow(i), Len: 1000, Segs: 1})
	}
	now := pkt.Time(0)
	for i := range b.N {
		p := ps[i%len(ps)]
		p.Arrival = now
		for _, k := range []egress.Kind{egress.Enqueue, egress.Dequeue, egress.Deliver} {
			s.Event(egress.Event{Time: now + 5000, Kind: k, Packet: p})
		}
		now += 10_000
	}
}
