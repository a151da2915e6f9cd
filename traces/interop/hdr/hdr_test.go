package hdr_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/report"
	"github.com/uqtool/uq/traces/interop"
	"github.com/uqtool/uq/traces/interop/hdr"
	"github.com/uqtool/uq/traces/interop/interoptest"
)

// TestBoth holds both files against the spans themselves, and those against the
// report's: a packet that is dropped had no time in the queue.
func TestBoth(t *testing.T) {
	for _, c := range []struct {
		qdisc, link string
		overlimit   bool
	}{{"fq_codel", "rate 10mbit delay 5ms", false}, {"pfifo limit 5", "rate 2mbit", true}, {"fq_codel", "rate 2mbit loss 10%", false}} {
		t.Run(c.qdisc+" "+c.link, func(t *testing.T) { both(t, c.qdisc, c.link, c.overlimit) })
	}
}

func both(t *testing.T, qdisc, link string, overlimit bool) {
	var dist, log bytes.Buffer
	var l interoptest.List
	run, counts := interoptest.Run(qdisc, link), report.NewCollector()
	interoptest.Simulate(t, "mix.zst", qdisc, link, interop.Tee(hdr.NewPercentiles(&dist), hdr.NewLog(&log, run), &l), counts)
	var sojourn, delay []int64
	for _, e := range l.Events {
		if e.Kind == egress.Dequeue {
			sojourn = append(sojourn, int64(e.Sojourn()))
		}
		if e.Kind == egress.Deliver {
			delay = append(delay, int64(e.Sojourn()))
		}
	}
	slices.Sort(sojourn)
	slices.Sort(delay)
	if n := counts.Sojourn.Count(); n != int64(len(sojourn)) || overlimit != (counts.Drops[pkt.Overlimit] > 0) {
		t.Fatalf("%d packets left, the report has %d and %d drops", len(sojourn), n, counts.Total.Dropped)
	}
	if p50, ok := counts.Sojourn.Quantile(50); !ok || p50 < sojourn[(len(sojourn)-1)/2] || p50 > sojourn[(len(sojourn)-1)/2]*1002/1000 {
		t.Errorf("the report's median is %d, not %d", p50, sojourn[(len(sojourn)-1)/2])
	}
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
		if points++; count > int64(len(want)) {
			t.Fatalf("%q of %d values", line, len(want))
		}
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
