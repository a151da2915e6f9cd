package traces_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
	"github.com/uqtool/uq/traces/synth"
	"pgregory.net/rapid"
)

// item is a record or an event, in the order of a trace.
type item struct {
	Record *traces.Record
	Event  *traces.Event
}

// readItems reads all of s.
func readItems(s traces.Stream) (items []item, err error) {
	s.OnEvent(func(e traces.Event) { items = append(items, item{Event: &e}) })
	for {
		r := new(traces.Record)
		if err := s.Next(r); err == io.EOF {
			return items, nil
		} else if err != nil {
			return items, err
		}
		items = append(items, item{Record: r})
	}
}

func readTrace(file []byte) ([]item, error) {
	r, err := traces.NewReader(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	return readItems(r)
}

// drawTime draws times from all of the range, mostly near.
func drawTime(t *rapid.T, label string, low pkt.Time) pkt.Time {
	high := traces.MaxTime - 1
	return rapid.OneOf(
		rapid.Map(rapid.Int64Range(0, 100000), func(d int64) pkt.Time { return min(high, low+pkt.Time(d)) }),
		rapid.Map(rapid.Int64Range(int64(low), int64(high)), func(v int64) pkt.Time { return pkt.Time(v) }),
		rapid.SampledFrom([]pkt.Time{low, high}),
	).Draw(t, label)
}

func drawOptionalTime(t *rapid.T, label string) pkt.Time {
	if rapid.Bool().Draw(t, label+" absent") {
		return traces.NoTime
	}
	return drawTime(t, label, -traces.MaxTime)
}

func drawFlow(t *rapid.T) pkt.FlowKey {
	k := pkt.FlowKey{
		V6:    rapid.Bool().Draw(t, "v6"),
		Proto: rapid.OneOf(rapid.SampledFrom([]uint8{1, 6, 17, 58, 132}), rapid.Uint8()).Draw(t, "proto"),
	}
	n := 4
	if k.V6 {
		n = 16
	}
	copy(k.Src[:n], rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "src"))
	copy(k.Dst[:n], rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "dst"))
	if k.HasPorts() {
		k.SrcPort, k.DstPort = rapid.Uint16().Draw(t, "sport"), rapid.Uint16().Draw(t, "dport")
	}
	return k
}

func drawRecord(t *rapid.T, flows []pkt.FlowKey, low pkt.Time) *traces.Record {
	return &traces.Record{
		Time:        drawTime(t, "time", low),
		KernelTime:  drawOptionalTime(t, "ktime"),
		Flow:        rapid.SampledFrom(flows).Draw(t, "flow"),
		Len:         rapid.Uint32().Draw(t, "len"),
		Segs:        rapid.Uint16Range(1, math.MaxUint16).Draw(t, "segs"),
		HdrLen:      rapid.Uint16().Draw(t, "hdr"),
		DSField:     rapid.Byte().Draw(t, "ds"),
		Info:        traces.Info(rapid.Uint16().Draw(t, "info")),
		L4Flags:     rapid.Uint16().Draw(t, "flags"),
		Seq:         rapid.Uint32().Draw(t, "seq"),
		Ack:         rapid.Uint32().Draw(t, "ack"),
		Mark:        rapid.Uint32().Draw(t, "mark"),
		Path:        traces.Path{Hook: rapid.Byte().Draw(t, "hook"), InDev: rapid.Uint32().Draw(t, "in"), OutDev: rapid.Uint32().Draw(t, "out")},
		Verdict:     traces.Verdict(rapid.Byte().Draw(t, "verdict")),
		Reason:      pkt.Reason(rapid.Byte().Draw(t, "reason")),
		VerdictTime: drawOptionalTime(t, "vtime"),
		Dequeued:    drawOptionalTime(t, "dequeued"),
		Due:         drawOptionalTime(t, "due"),
	}
}

func drawItems(t *rapid.T) []item {
	flows := rapid.SliceOfN(rapid.Custom(drawFlow), 1, 4).Draw(t, "flows")
	low := -traces.MaxTime
	items := make([]item, rapid.IntRange(0, 40).Draw(t, "items"))
	for i := range items {
		if rapid.IntRange(0, 5).Draw(t, "kind") == 0 {
			items[i].Event = &traces.Event{
				Time: drawTime(t, "event time", -traces.MaxTime), Kind: traces.EventKind(rapid.Byte().Draw(t, "event kind")),
				Count: rapid.Uint64().Draw(t, "count"), Text: rapid.StringN(0, 20, 60).Draw(t, "text"),
			}
			continue
		}
		r := drawRecord(t, flows, low)
		low = r.Time
		items[i].Record = r
	}
	return items
}

// writeItems writes items to s, with a flush now and then.
func writeItems(t *rapid.T, s traces.Sink, items []item) {
	for _, it := range items {
		var err error
		if it.Event != nil {
			err = s.Event(*it.Event)
		} else {
			err = s.Append(it.Record)
		}
		if err == nil && rapid.IntRange(0, 9).Draw(t, "flush") == 0 {
			err = s.Flush()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(traces.End{Clean: true, Why: "done"}); err != nil {
		t.Fatal(err)
	}
}

// What is written is what is read, for any values and any division into
// blocks, and the text form carries the same.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		items := drawItems(t)
		var file, text, packed bytes.Buffer
		opts := traces.WriterOptions{BlockRecords: rapid.IntRange(1, 20).Draw(t, "block")}
		w, err := traces.NewWriter(&file, traces.Header{Comment: "c"}, opts)
		if err != nil {
			t.Fatal(err)
		}
		writeItems(t, w, items)
		got, err := readTrace(file.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(items, got, equateEmpty); d != "" {
			t.Fatal("binary:", d)
		}
		mustCopy(t, toText(t, &text), fromTrace(t, &file))
		once := text.String()
		mustCopy(t, toTrace(t, &packed), fromText(t, &text))
		if got, err = readTrace(packed.Bytes()); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(items, got, equateEmpty); d != "" {
			t.Fatal("text:", d, once)
		}
		mustCopy(t, toText(t, &text), fromTrace(t, &packed))
		if d := cmp.Diff(once, text.String()); d != "" {
			t.Fatal("second text:", d)
		}
	})
}

// equateEmpty makes nil and empty slices of items equal.
var equateEmpty = cmp.Transformer("nonNil", func(s []item) []any {
	out := make([]any, 0, len(s))
	for _, it := range s {
		if it.Event != nil {
			out = append(out, *it.Event)
		} else {
			out = append(out, *it.Record)
		}
	}
	return out
})

// The four ends of a copy.
type fataler interface{ Fatal(...any) }

func toText(t fataler, w io.Writer) traces.Sink {
	s, err := traces.NewTextWriter(w, traces.Header{Comment: "c"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func toTrace(t fataler, w io.Writer) traces.Sink {
	s, err := traces.NewWriter(w, traces.Header{Comment: "c"}, traces.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func fromTrace(t fataler, r io.Reader) traces.Stream {
	s, err := traces.NewReader(r)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func fromText(t fataler, r io.Reader) traces.Stream {
	s, err := traces.NewTextReader(r)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustCopy(t fataler, dst traces.Sink, src traces.Stream) {
	if err := traces.Copy(dst, src, nil); err != nil {
		t.Fatal(err)
	}
}

func TestRoundTripOfSyntheticTraffic(t *testing.T) {
	for _, kind := range synth.Kinds() {
		rs := makeRecords(t, kind, 20000)
		got, err := readTrace(makeTrace(t, rs, traces.WriterOptions{}))
		if err != nil || len(got) != len(rs) {
			t.Fatal(len(got), err)
		}
		for i := range rs {
			if *got[i].Record != rs[i] {
				t.Fatalf("%s: record %d: %s", kind, i, cmp.Diff(rs[i], *got[i].Record))
			}
		}
	}
}

func TestWriterRefuses(t *testing.T) {
	good := traces.Record{Time: 5, Segs: 1, KernelTime: traces.NoTime, VerdictTime: traces.NoTime, Dequeued: traces.NoTime, Due: traces.NoTime}
	for name, spoil := range map[string]func(*traces.Record){
		"time backwards": func(r *traces.Record) { r.Time = 4 },
		"no segments":    func(r *traces.Record) { r.Segs = 0 },
		"far time":       func(r *traces.Record) { r.Time = traces.MaxTime },
		"far verdict":    func(r *traces.Record) { r.VerdictTime = -traces.MaxTime - 1 },
		"long IPv4":      func(r *traces.Record) { r.Flow.Src[4] = 1 },
		"ports of ICMP":  func(r *traces.Record) { r.Flow.Proto, r.Flow.SrcPort = 1, 1 },
	} {
		w, err := traces.NewWriter(io.Discard, traces.Header{}, traces.WriterOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Append(&good); err != nil {
			t.Fatal(err)
		}
		bad := good
		spoil(&bad)
		if err := w.Append(&bad); err == nil {
			t.Errorf("%s: no error", name)
		}
		// A refused record leaves the writer usable.
		if err := w.Append(&good); err != nil {
			t.Errorf("%s: afterwards: %v", name, err)
		}
		if err := w.Close(traces.End{}); err != nil {
			t.Errorf("%s: close: %v", name, err)
		}
		if w.Stats().Records != 2 {
			t.Errorf("%s: %d records", name, w.Stats().Records)
		}
	}
}

type failingWriter struct{ after int }

var errDisk = errors.New("disk is full")

func (f *failingWriter) Write(p []byte) (int, error) {
	if f.after--; f.after < 0 {
		return 0, errDisk
	}
	return len(p), nil
}

func TestWriterKeepsFailing(t *testing.T) {
	w, err := traces.NewWriter(&failingWriter{after: 1}, traces.Header{}, traces.WriterOptions{BlockRecords: 1})
	if err != nil {
		t.Fatal(err)
	}
	rs := makeRecords(t, synth.Mix, 1)
	for _, err := range []error{w.Append(&rs[0]), w.Append(&rs[0]), w.Event(traces.Event{}), w.Flush(), w.Close(traces.End{})} {
		if !errors.Is(err, errDisk) {
			t.Errorf("got %v", err)
		}
	}
}

// A trace is an ordinary zstd file to everybody else.
func TestPlainZstdReadsIt(t *testing.T) {
	file := makeTrace(t, makeRecords(t, synth.Mix, 20000), traces.WriterOptions{})
	d, err := zstd.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	n, err := io.Copy(io.Discard, d)
	if err != nil || n < 20000 {
		t.Fatal(n, err)
	}
}

// The steady state allocates nothing, however long the trace is.
func TestNoAllocationPerRecord(t *testing.T) {
	rs := makeRecords(t, synth.CBR, 3*traces.DefaultBlockRecords)
	w, err := traces.NewWriter(io.Discard, traces.Header{}, traces.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	write := func() {
		for i := range rs {
			rs[i].Time = rs[len(rs)-1].Time
			if err := w.Append(&rs[i]); err != nil {
				t.Fatal(err)
			}
		}
	}
	write()
	if n := testing.AllocsPerRun(5, write); n > 30 {
		t.Errorf("writing %d records: %.0f allocations", len(rs), n)
	}
	const blocks = 64
	file := makeTrace(t, makeRecords(t, synth.CBR, blocks*1024), traces.WriterOptions{BlockRecords: 1024})
	r, err := traces.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	s, err := traces.NewSource(r, traces.SourceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var p pkt.Packet
	next := func() {
		for range 1024 {
			if ok, err := s.Next(&p); !ok {
				t.Fatal(err)
			}
		}
	}
	next()
	// The decompressor's own pools may be emptied by a collection at any time.
	least := testing.AllocsPerRun(10, next)
	for range 4 {
		least = min(least, testing.AllocsPerRun(10, next))
	}
	if least > 1 && !raceEnabled {
		t.Errorf("reading 1024 packets: %.0f allocations", least)
	}
}
