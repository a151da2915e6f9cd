package inject

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"testing"

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
