package inject

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/uqtool/uq/record"
	"github.com/uqtool/uq/sim/report"
)

// Histogram is a distribution with its buckets, in ns: how many values were at
// most so large, not cumulative.
type Histogram struct {
	record.Distribution
	Buckets []Bucket `json:"buckets"`
}

// Bucket is a part of a Histogram.
type Bucket struct {
	// AtMost is in ns; the last bucket has none, -1.
	AtMost int64  `json:"at_most_ns"`
	Count  uint64 `json:"count"`
}

// bounds are the buckets' upper ends, in ns.
func bounds() []int64 {
	var out []int64
	for _, us := range []int64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 100_000, 1_000_000} {
		out = append(out, us*1000)
	}
	return out
}

// spread collects values for a Histogram. Negative ones count as 0.
type spread struct {
	h       *hdrhistogram.Histogram
	bounds  []int64
	buckets []uint64
}

func newSpread() *spread {
	b := bounds()
	return &spread{h: hdrhistogram.New(1, int64(time.Hour), 3), bounds: b, buckets: make([]uint64, len(b)+1)}
}

func (s *spread) add(ns int64) {
	ns = min(max(ns, 0), int64(time.Hour))
	_ = s.h.RecordValue(ns) // within its range
	i := 0
	for i < len(s.bounds) && ns > s.bounds[i] {
		i++
	}
	s.buckets[i]++
}

func (s *spread) histogram() Histogram {
	h := Histogram{Distribution: record.Distribute(s.h)}
	for i, n := range s.buckets {
		if n == 0 {
			continue
		}
		b := Bucket{AtMost: -1, Count: n}
		if i < len(s.bounds) {
			b.AtMost = s.bounds[i]
		}
		h.Buckets = append(h.Buckets, b)
	}
	return h
}

// Report is the outcome of a live replay.
type Report struct {
	// Run is the scheduler's, as a simulation has it.
	Run     *report.Run `json:"run,omitempty"`
	Balance Balance     `json:"balance"`
	// Injection is from when a packet was due to when the kernel had taken it;
	// Release from when a verdict was due to when the kernel had it. In ns.
	Injection Histogram `json:"injection_lateness_ns"`
	Release   Histogram `json:"release_lateness_ns"`
	// Delivery is from when a packet was due to leave the scheduler's link to
	// when the sink met it.
	Delivery Histogram `json:"delivery_lateness_ns"`
	// DriftNs is how late the last packet was, and SpanNs from the first's due
	// time to the last's.
	DriftNs int64 `json:"drift_ns"`
	SpanNs  int64 `json:"span_ns"`
	// Retries are sends repeated because the kernel had no room.
	Retries uint64 `json:"send_retries"`
	// Device is what the device has counted, where packets went out of one.
	Device      *Device       `json:"device,omitempty"`
	Live        record.Counts `json:"queue"`
	Interrupted bool          `json:"interrupted,omitempty"`
	Notes       []string      `json:"notes,omitempty"`
	Comparison  *Comparison   `json:"comparison,omitempty"`
	// Unwritten is set where the outcome could not be written to its end; such a
	// run is not compared.
	Unwritten *record.WriteError `json:"-"`
}
