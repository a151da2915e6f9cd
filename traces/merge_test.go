package traces_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
	"pgregory.net/rapid"
)

// arrival is r as a merge gives it: later by offset, and without what became of
// it.
func arrival(r traces.Record, offset pkt.Time) traces.Record {
	r.Time += offset
	if r.KernelTime != traces.NoTime {
		r.KernelTime += offset
	}
	r.Verdict, r.Reason = traces.NoVerdict, pkt.NoReason
	r.VerdictTime, r.Dequeued, r.Due = traces.NoTime, traces.NoTime, traces.NoTime
	r.Info &^= traces.Gone | traces.Copied | traces.Corrupted
	return r
}

// pack writes a trace of text lines, without its header and end.
func pack(t testing.TB, header, end string, lines ...string) []byte {
	t.Helper()
	text := "uq-trace-text 1\nheader " + header + "\n" + strings.Join(lines, "\n") + "\nend " + end + "\n"
	src, err := traces.NewTextReader(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	w, err := traces.NewWriter(&file, src.Header(), traces.WriterOptions{})
	if err == nil {
		err = traces.Copy(w, src, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// merging opens files called a, b, c ... for a merge.
func merging(t testing.TB, offsets []pkt.Time, files ...[]byte) *traces.Merge {
	t.Helper()
	var in []traces.Merged
	for i, f := range files {
		r, err := traces.NewReader(bytes.NewReader(f))
		if err != nil {
			t.Fatal(err)
		}
		m := traces.Merged{Name: string(rune('a' + i)), Stream: r}
		if i < len(offsets) {
			m.Offset = offsets[i]
		}
		in = append(in, m)
	}
	m, err := traces.NewMerge("test", in)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestMergeOrder has the order of records and events, by the source port and the
// event's text.
func TestMergeOrder(t *testing.T) {
	p := func(at string, port int) string {
		return fmt.Sprintf("p time=%s flow=udp,10.0.0.1:%d>10.0.0.2:53 hdr=28 len=72 verdict=accept vtime=%s", at, port, at)
	}
	e := func(at, text string) string { return fmt.Sprintf("event time=%s kind=note text=%q", at, text) }
	a := []string{p("0.1", 1), p("0.3", 2), p("0.3", 3), p("0.5", 4)}
	for _, c := range []struct {
		name    string
		offsets []pkt.Time
		a, b    []string
		want    string
	}{
		{"by time", nil, a, []string{p("0.2", 11), p("0.4", 12)}, "1 11 2 3 12 4"},
		{"ties as the traces stand", nil, a, []string{p("0.1", 11), p("0.3", 12), p("0.3", 13)}, "1 11 2 3 12 13 4"},
		{"one later", []pkt.Time{0, 200e6}, a, []string{p("0.05", 11), p("0.2", 12)}, "1 11 2 3 12 4"},
		{"the first later", []pkt.Time{1e9}, a, []string{p("0.2", 11)}, "11 1 2 3 4"},
		{"one behind the other", []pkt.Time{0, 1e9}, a[:1], a[2:], "1 3 4"},
		{"nothing in one", nil, a, nil, "1 2 3 4"},
		{"an event stays before its record", nil, a, []string{e("0.2", "x"), p("0.4", 11), e("0.45", "y"), p("0.6", 12)}, "1 2 3 x 11 4 y 12"},
		{"an event behind the last record", nil, a, []string{p("0.2", 11), e("0.4", "x")}, "1 11 2 3 x 4"},
		{"events alone", nil, a[:2], []string{e("0.2", "x"), e("0.9", "y")}, "1 2 x y"},
		{"times of events run back", nil, a, []string{p("0.4", 11), e("0.2", "x")}, "1 2 3 11 x 4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			end := `{"clean":true}`
			m := merging(t, c.offsets, pack(t, "{}", end, c.a...), pack(t, "{}", end, c.b...))
			items, err := readItems(m)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, it := range items {
				if it.Event != nil {
					got = append(got, it.Event.Text)
				} else {
					got = append(got, fmt.Sprint(it.Record.Flow.SrcPort))
				}
			}
			if s := strings.Join(got, " "); s != c.want {
				t.Errorf("got %s, want %s", s, c.want)
			}
		})
	}
}

// TestMergeConserves holds that nothing is lost and nothing made up, that every
// trace keeps its own order, and that times do not run back.
func TestMergeConserves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var merged []traces.Merged
		var want [][]item
		for i := range rapid.IntRange(1, 4).Draw(t, "traces") {
			items := drawItems(t)
			offset := pkt.Time(rapid.Int64Range(0, 3).Draw(t, "offset"))
			var file bytes.Buffer
			w, _ := traces.NewWriter(&file, traces.Header{}, traces.WriterOptions{BlockRecords: 3})
			own := []item{}
			for _, it := range items {
				// The mark tells the trace, and times leave room for the offset.
				if it.Event != nil {
					it.Event.Time = min(it.Event.Time, traces.MaxTime-4)
					it.Event.Count = uint64(i)
					_ = w.Event(*it.Event)
					e := *it.Event
					e.Time += offset
					own = append(own, item{Event: &e})
					continue
				}
				r := it.Record
				r.Time, r.Mark = min(r.Time, traces.MaxTime-4), uint32(i)
				if r.KernelTime != traces.NoTime {
					r.KernelTime = min(r.KernelTime, traces.MaxTime-4)
				}
				if err := w.Append(r); err != nil {
					t.Fatal(err)
				}
				moved := arrival(*r, offset)
				own = append(own, item{Record: &moved})
			}
			if err := w.Close(traces.End{Clean: true}); err != nil {
				t.Fatal(err)
			}
			r, err := traces.NewReader(&file)
			if err != nil {
				t.Fatal(err)
			}
			merged = append(merged, traces.Merged{Name: fmt.Sprint(i), Stream: r, Offset: offset})
			want = append(want, own)
		}
		m, err := traces.NewMerge("", merged)
		if err != nil {
			t.Fatal(err)
		}
		items, err := readItems(m)
		if err != nil {
			t.Fatal(err)
		}
		got := make([][]item, len(want))
		last := -traces.MaxTime
		for _, it := range items {
			if it.Event != nil {
				got[it.Event.Count] = append(got[it.Event.Count], it)
				continue
			}
			if it.Record.Time < last {
				t.Fatalf("time %s after %s", it.Record.Time, last)
			}
			last = it.Record.Time
			got[it.Record.Mark] = append(got[it.Record.Mark], it)
		}
		for i := range want {
			if diff := cmp.Diff(want[i], append([]item{}, got[i]...)); diff != "" {
				t.Fatalf("trace %d (-want +got):\n%s", i, diff)
			}
		}
	})
}

// TestMergeOfOne is the trace itself to a simulation: packets, flows, events.
func TestMergeOfOne(t *testing.T) {
	rs := makeRecords(t, "mix-fifo", 20000)
	file := makeTrace(t, rs, traces.WriterOptions{})
	m := merging(t, nil, file)
	var out bytes.Buffer
	w, err := traces.NewWriter(&out, m.Header(), traces.WriterOptions{})
	if err == nil {
		err = traces.Copy(w, m, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, split := range []bool{false, true} {
		opts := traces.SourceOptions{Seed: 1, Split: split}
		want, got := sourceOf(t, file, opts), sourceOf(t, out.Bytes(), opts)
		var p, q pkt.Packet
		for n := 0; ; n++ {
			a, _ := want.Next(&p)
			b, err := got.Next(&q)
			if a != b || err != nil {
				t.Fatalf("packet %d: %t, want %t: %v", n, b, a, err)
			}
			if !a {
				break
			}
			if *p.Flow != *q.Flow {
				t.Fatalf("packet %d is of flow %v, want %v", n, q.Flow, p.Flow)
			}
			if q.Flow = p.Flow; p != q {
				t.Fatalf("packet %d is %+v, want %+v", n, q, p)
			}
		}
	}
	if got := m.Header(); got.LinkHeader != 14 {
		t.Errorf("link-layer header of %d bytes", got.LinkHeader)
	}
}

// TestMergeClosesTheAccount has the ends of two traces in one.
func TestMergeClosesTheAccount(t *testing.T) {
	a := pack(t, "{}", `{"duration_ns":5000,"clean":true,"lost":{"id_gap":3,"enobufs":1},"why":"interrupted"}`)
	b := pack(t, "{}", `{"duration_ns":4000,"clean":false,"lost":{"id_gap":2},"scheduled":{"horizon_ns":1,"digest":"x"}}`)
	m := merging(t, []pkt.Time{0, 2000}, a, b)
	if _, ok := m.End(); ok {
		t.Error("an end before the end")
	}
	var r traces.Record
	if err := m.Next(&r); err != io.EOF {
		t.Fatal(err)
	}
	got, ok := m.End()
	want := traces.End{DurationNs: 6000, Lost: map[string]uint64{"id_gap": 5, "enobufs": 1}, Why: "a: interrupted"}
	if diff := cmp.Diff(want, got); diff != "" || !ok {
		t.Errorf("end (-want +got):\n%s", diff)
	}
}

// TestMergeDamage merges what there is, of the other trace all, and tells every
// damage.
func TestMergeDamage(t *testing.T) {
	file, rs := smallTrace(t)
	whole := makeTrace(t, rs, traces.WriterOptions{})
	cut := file[:len(file)-3]
	for _, c := range []struct {
		name  string
		files [][]byte
		names []string
	}{
		{"the first", [][]byte{cut, whole}, []string{"a: "}},
		{"the second", [][]byte{whole, cut}, []string{"b: "}},
		{"both", [][]byte{cut, cut}, []string{"a: ", "b: "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := merging(t, nil, c.files...)
			var out bytes.Buffer
			w, err := traces.NewWriter(&out, m.Header(), traces.WriterOptions{})
			if err != nil {
				t.Fatal(err)
			}
			err = traces.Copy(w, m, nil)
			var damage *traces.Damage
			if !errors.As(err, &damage) || !errors.Is(err, traces.ErrTruncated) {
				t.Fatalf("error %v", err)
			}
			for _, n := range c.names {
				if !strings.Contains(err.Error(), n) {
					t.Errorf("error %q does not name %q", err, n)
				}
			}
			got, err := readRecords(out.Bytes(), false)
			if !errors.Is(err, traces.ErrTruncated) {
				t.Errorf("the merged trace has an end: %v", err)
			}
			if len(got) != 2*len(rs) {
				t.Errorf("%d records, want %d", len(got), 2*len(rs))
			}
			if _, ok := m.End(); ok {
				t.Error("an end record in spite of damage")
			}
		})
	}
}

// TestMergeStops at an error that is no damage, and stays stopped.
func TestMergeStops(t *testing.T) {
	_, rs := smallTrace(t)
	file := makeTrace(t, rs, traces.WriterOptions{BlockRecords: 10})
	broken := errors.New("broken pipe")
	r, err := traces.NewReader(io.MultiReader(bytes.NewReader(file[:len(file)/2]), failing{broken}))
	if err != nil {
		t.Fatal(err)
	}
	other, _ := traces.NewReader(bytes.NewReader(file))
	m, err := traces.NewMerge("", []traces.Merged{{Name: "a", Stream: other}, {Name: "b", Stream: r}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = readItems(m); !errors.Is(err, broken) || !strings.Contains(err.Error(), "b: ") {
		t.Errorf("error %v", err)
	}
	var rec traces.Record
	if again := m.Next(&rec); again == nil {
		t.Error("it goes on")
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestMergeRefuses what it cannot hold.
func TestMergeRefuses(t *testing.T) {
	file := pack(t, "{}", `{"clean":true}`, "p time=1 flow=udp,10.0.0.1:1>10.0.0.2:2 len=60")
	one := func(offset pkt.Time) traces.Merged {
		r, err := traces.NewReader(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		return traces.Merged{Name: "a", Stream: r, Offset: offset}
	}
	for _, c := range []struct {
		name string
		in   []traces.Merged
		want string
	}{
		{"none", nil, "merge 0 traces: want 1 to 64"},
		{"too many", slices.Repeat([]traces.Merged{one(0)}, traces.MaxMerged+1), "merge 65 traces"},
		{"before the beginning", []traces.Merged{one(-1)}, "out of range"},
		{"too late", []traces.Merged{one(traces.MaxTime)}, "out of range"},
	} {
		if _, err := traces.NewMerge("", c.in); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
	m, err := traces.NewMerge("", []traces.Merged{one(traces.MaxTime - 1)})
	if err != nil {
		t.Fatal(err)
	}
	var r traces.Record
	if err := m.Next(&r); err == nil || !strings.Contains(err.Error(), "later than a trace can be") {
		t.Errorf("error %v", err)
	}
}

// TestMergeMemory has it that a trace twice as long takes no more allocations.
func TestMergeMemory(t *testing.T) {
	a := makeTrace(t, makeRecords(t, "mix", 1<<15), traces.WriterOptions{})
	m := merging(t, nil, a, a)
	var r traces.Record
	read := func(n int) func() {
		return func() {
			for range n {
				if err := m.Next(&r); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	read(1 << 14)()
	if n := testing.AllocsPerRun(1, read(1<<14)); n > 64 {
		t.Errorf("%.0f allocations for %d records of blocks met before", n, 1<<14)
	}
}
