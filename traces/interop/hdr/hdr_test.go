package hdr_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/traces/interop"
	"github.com/uqtool/uq/traces/interop/hdr"
	"github.com/uqtool/uq/traces/interop/interoptest"
)

// TestBoth holds both files against the spans themselves.
func TestBoth(t *testing.T) {
	var dist, log bytes.Buffer
	var l interoptest.List
	run := interoptest.Run("fq_codel", "rate 10mbit")
	interoptest.Simulate(t, "mix.zst", "fq_codel", "rate 10mbit delay 5ms", interop.Tee(hdr.NewPercentiles(&dist), hdr.NewLog(&log, run), &l))
	var sojourn, delay []int64
	for _, e := range l.Events {
		if e.Leaves {
			sojourn = append(sojourn, int64(e.Sojourn()))
		}
		if e.Kind == egress.Deliver {
			delay = append(delay, int64(e.Sojourn()))
		}
	}
	slices.Sort(sojourn)
	slices.Sort(delay)
	distribution(t, dist.String(), sojourn)
	logged(t, log.Bytes(), "", sojourn, run.StartNs/1e6)
	logged(t, log.Bytes(), "delay", delay, run.StartNs/1e6)
}

// distribution reads a .hgrm, whose values are of three digits.
func distribution(t *testing.T, text string, want []int64) {
	t.Helper()
	lines := strings.Split(text, "\n")
	points := 0
	for _, line := range lines[2:] {
		var us, q, inverse float64
		var count int64
		if n, _ := fmt.Sscan(line, &us, &q, &count, &inverse); n < 3 {
			break
		}
		points++
		exact := float64(want[max(count-1, 0)]) / 1000
		if us < exact*0.998-0.002 || us > exact*1.002+0.002 {
			t.Errorf("%q: the %d-th value is %.3f", line, count, exact)
		}
	}
	if points < 20 || !strings.Contains(text, fmt.Sprintf("Count    = %12d", len(want))) && !strings.Contains(text, fmt.Sprint(len(want))) {
		t.Errorf("%d points of %d values in\n%s", points, len(want), text)
	}
}

// logged reads a log's histograms of one tag.
func logged(t *testing.T, log []byte, tag string, want []int64, startMs int64) {
	t.Helper()
	r := hdrhistogram.NewHistogramLogReader(bytes.NewReader(log))
	sum, last := hdrhistogram.New(1, 1<<44, 3), int64(0)
	for {
		h, err := r.NextIntervalHistogram()
		if err != nil {
			t.Fatal(err)
		}
		if h == nil {
			break
		}
		if h.Tag() != tag {
			continue
		}
		if h.StartTimeMs() < startMs || h.StartTimeMs() < last || h.EndTimeMs() > h.StartTimeMs()+1001 {
			t.Fatalf("interval %d to %d after %d", h.StartTimeMs(), h.EndTimeMs(), last)
		}
		last = h.StartTimeMs()
		sum.Merge(h)
	}
	if sum.TotalCount() != int64(len(want)) {
		t.Errorf("tag %q: %d values, want %d", tag, sum.TotalCount(), len(want))
	}
	for _, q := range []float64{50, 99, 100} {
		exact := float64(want[int(q/100*float64(len(want)-1))])
		if got := float64(sum.ValueAtQuantile(q)); got < exact*0.99 || got > exact*1.01 {
			t.Errorf("tag %q: quantile %v is %v, want %v", tag, q, got, exact)
		}
	}
}

// TestEmpty holds that a run of nothing is a file of nothing.
func TestEmpty(t *testing.T) {
	var dist, log bytes.Buffer
	for _, w := range []interop.Writer{hdr.NewPercentiles(&dist), hdr.NewLog(&log, interop.Run{})} {
		if err := w.Close(0); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(dist.String(), "Value") || strings.Contains(log.String(), "HIST") {
		t.Errorf("%s\n%s", &dist, &log)
	}
}
