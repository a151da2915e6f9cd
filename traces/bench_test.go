package traces_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
	"github.com/uqtool/uq/traces/synth"
)

// benchRecords is how many records the benchmarks' traces hold.
const benchRecords = 1 << 19

func makeRecords(t testing.TB, kind string, n int) []traces.Record {
	t.Helper()
	g, err := synth.New(kind, 1)
	if err != nil {
		t.Fatal(err)
	}
	rs := make([]traces.Record, n)
	for i := range rs {
		g.Next(&rs[i])
	}
	return rs
}

func makeTrace(t testing.TB, rs []traces.Record, opts traces.WriterOptions) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := traces.NewWriter(&buf, traces.Header{LinkHeader: 14}, opts)
	if err != nil {
		t.Fatal(err)
	}
	for i := range rs {
		if err := w.Append(&rs[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(traces.End{Clean: true}); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func perRecord(b *testing.B, records int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(records), "ns/record")
	b.ReportMetric(float64(records)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mrecords/s")
}

func BenchmarkEncode(b *testing.B) {
	for _, kind := range synth.Kinds() {
		b.Run(kind, func(b *testing.B) {
			rs := makeRecords(b, kind, benchRecords)
			b.ReportAllocs()
			b.ResetTimer()
			for b.Loop() {
				w, err := traces.NewWriter(io.Discard, traces.Header{}, traces.WriterOptions{})
				if err != nil {
					b.Fatal(err)
				}
				for i := range rs {
					if err := w.Append(&rs[i]); err != nil {
						b.Fatal(err)
					}
				}
				if err := w.Close(traces.End{}); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(w.Stats().Bytes)/float64(len(rs)), "B/record")
			}
			perRecord(b, len(rs))
		})
	}
}

// decodeWith measures a way of reading a whole trace; read returns the number
// of records it saw.
func decodeWith(b *testing.B, read func(r *traces.Reader) (int, error)) {
	for _, kind := range synth.Kinds() {
		b.Run(kind, func(b *testing.B) {
			file := makeTrace(b, makeRecords(b, kind, benchRecords), traces.WriterOptions{})
			b.ReportAllocs()
			b.ResetTimer()
			for b.Loop() {
				r, err := traces.NewReader(bytes.NewReader(file))
				if err != nil {
					b.Fatal(err)
				}
				n, err := read(r)
				if err != nil || n != benchRecords {
					b.Fatal(n, err)
				}
			}
			perRecord(b, benchRecords)
		})
	}
}

func BenchmarkDecodeBlocks(b *testing.B) {
	var block traces.Block
	decodeWith(b, func(r *traces.Reader) (n int, err error) {
		for {
			if err := r.NextBlock(&block); err == io.EOF {
				return n, nil
			} else if err != nil {
				return n, err
			}
			n += block.Records()
		}
	})
}

func BenchmarkDecodeRecords(b *testing.B) {
	decodeWith(b, func(r *traces.Reader) (n int, err error) {
		var rec traces.Record
		for {
			if err := r.Next(&rec); err == io.EOF {
				return n, nil
			} else if err != nil {
				return n, err
			}
			n++
		}
	})
}

func BenchmarkSource(b *testing.B) {
	for _, split := range []bool{false, true} {
		b.Run(fmt.Sprintf("split=%t", split), func(b *testing.B) {
			decodeWith(b, func(r *traces.Reader) (int, error) {
				s, err := traces.NewSource(r, traces.SourceOptions{Split: split})
				if err != nil {
					return 0, err
				}
				var p pkt.Packet
				n := 0
				for {
					ok, err := s.Next(&p)
					if !ok {
						return n - max(0, n-benchRecords), err
					}
					n++
				}
			})
		})
	}
}

func BenchmarkSynth(b *testing.B) {
	g, err := synth.New(synth.Mix, 1)
	if err != nil {
		b.Fatal(err)
	}
	var r traces.Record
	for b.Loop() {
		g.Next(&r)
	}
}
