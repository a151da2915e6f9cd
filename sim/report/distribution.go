package report

import (
	"math"
	"slices"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Distribution is a distribution of spans in nanoseconds. Up to fewSpans of
// them are kept as they are; more go into a histogram, if there is one to be
// had. The zero value is empty and has none.
type Distribution struct {
	n, sum, max int64
	few         [fewSpans]int64
	h           *hdrhistogram.Histogram
}

// fewSpans is how many spans need no histogram.
const fewSpans = 8

// highestNs is the largest span a histogram tells apart, about five hours;
// larger ones count as that, but for Max and Mean.
const highestNs = 1 << 44

// newHistogram has the given number of significant digits: 2 take 40 kB, 3 take
// 290 kB.
func newHistogram(digits int) *hdrhistogram.Histogram {
	return hdrhistogram.New(1, highestNs, digits)
}

// Record adds a span. When the spans become many, histogram is asked for one;
// it may answer nil, and from then on there are no quantiles.
func (d *Distribution) Record(ns int64, histogram func() *hdrhistogram.Histogram) {
	if d.n < fewSpans {
		d.few[d.n] = ns
	} else {
		d.many(ns, histogram)
	}
	d.n++
	d.sum += ns
	d.max = max(d.max, ns)
}

func (d *Distribution) many(ns int64, histogram func() *hdrhistogram.Histogram) {
	if d.n == fewSpans {
		if d.h = histogram(); d.h != nil {
			for _, v := range d.few {
				record(d.h, v)
			}
		}
	}
	if d.h != nil {
		record(d.h, ns)
	}
}

func record(h *hdrhistogram.Histogram, ns int64) {
	_ = h.RecordValue(min(ns, highestNs)) // cannot fail in range
}

// Count is the number of spans.
func (d *Distribution) Count() int64 { return d.n }

// Max is the largest span, exact.
func (d *Distribution) Max() int64 { return d.max }

// Mean is the average, rounded down; 0 without spans.
func (d *Distribution) Mean() int64 {
	if d.n == 0 {
		return 0
	}
	return d.sum / d.n
}

// Quantile returns the span that q percent do not exceed, as exact as the
// histogram's digits and never above Max. ok is false where it is not known.
func (d *Distribution) Quantile(q float64) (ns int64, ok bool) {
	switch {
	case d.n == 0:
		return 0, false
	case d.n <= fewSpans:
		few := d.few // a copy
		slices.Sort(few[:d.n])
		i := int(math.Ceil(q/100*float64(d.n))) - 1
		return few[max(i, 0)], true
	case d.h == nil:
		return 0, false
	}
	return min(d.h.ValueAtQuantile(q), d.max), true
}
