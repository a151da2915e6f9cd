package report

import (
	"math"
	"slices"
	"testing"

	"github.com/HdrHistogram/hdrhistogram-go"
	"pgregory.net/rapid"
)

// TestHistogramIsHDR holds the histogram against the library whose buckets it
// has: a quantile is the largest of its bucket, and of as many spans as no fewer
// are. The library's own rounds that number to the nearest.
func TestHistogramIsHDR(t *testing.T) {
	for half, digits := range map[uint]int{Fine: 3, Coarse: 2} {
		rapid.Check(t, func(t *rapid.T) {
			spans := rapid.SliceOfN(rapid.OneOf(
				rapid.Int64Range(0, 5000),
				rapid.Int64Range(0, usualNs),
				rapid.Custom(func(t *rapid.T) int64 { // about the powers of two
					return max(0, int64(1)<<rapid.IntRange(0, 44).Draw(t, "bit")-rapid.Int64Range(0, 1).Draw(t, "less"))
				}),
			), fewSpans+1, 50).Draw(t, "spans")
			d := Distribution{}
			for _, ns := range spans {
				d.Record(ns, func() *Histogram { return NewHistogram(half) })
			}
			slices.Sort(spans)
			for _, q := range []int{0, 1, 50, 90, 99, 100} {
				lower := hdrhistogram.New(1, usualNs, digits)
				for i, ns := range spans {
					if i > 0 && i*100 >= q*len(spans) {
						break
					}
					if err := lower.RecordValue(ns); err != nil {
						t.Fatal(err)
					}
				}
				want := min(lower.Max(), spans[len(spans)-1])
				if got, ok := d.Quantile(float64(q)); !ok || got != want {
					t.Errorf("%d digits, p%d of %v: %d, want %d", digits, q, spans, got, want)
				}
			}
		})
	}
}

// TestHistogramEdges checks what lies outside: there are buckets for all spans, and
// none is out of bounds.
func TestHistogramEdges(t *testing.T) {
	for _, half := range []uint{Fine, Coarse} {
		h := NewHistogram(half)
		before := len(h.counts)
		spans := []int64{0, usualNs - 1, usualNs, 1000 * usualNs, math.MaxInt64}
		for i, ns := range spans {
			h.record(ns)
			if got := h.atRank(uint64(i + 1)); got < ns || got-ns > ns>>half {
				t.Errorf("%d buckets a power of two: %d is %d", 1<<half, ns, got)
			}
			if i == 2 && len(h.counts) != before {
				t.Errorf("grew for a usual span to %d buckets", len(h.counts))
			}
		}
		if len(h.counts) > before*8/5 {
			t.Errorf("%d buckets became %d", before, len(h.counts))
		}
		if h.record(-1); h.counts[len(h.counts)-1] != 2 || h.counts[0] != 1 {
			t.Errorf("%d buckets a power of two: %d in the last, %d in the first", 1<<half, h.counts[len(h.counts)-1], h.counts[0])
		}
		for i := 1; i < len(h.counts); i++ {
			low := h.top(uint64(i-1)) + 1
			if h.bucket(uint64(low)) != uint64(i) || h.bucket(uint64(h.top(uint64(i)))) != uint64(i) {
				t.Fatalf("bucket %d is not from %d to %d", i, low, h.top(uint64(i)))
			}
		}
	}
}

// TestHistogramWraps checks the ranks where a bucket holds more spans than its
// count can.
func TestHistogramWraps(t *testing.T) {
	h := NewHistogram(Coarse)
	h.record(3)
	h.record(9)
	h.counts[5] = math.MaxUint32
	h.record(5)
	h.record(5)
	for rank, want := range map[uint64]int64{1: 3, 2: 5, 1<<32 + 2: 5, 1<<32 + 3: 9} {
		if got := h.atRank(rank); got != want {
			t.Errorf("rank %d is %d, want %d", rank, got, want)
		}
	}
}
