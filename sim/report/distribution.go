package report

import (
	"math"
	"slices"
)

// Distribution is a distribution of spans in nanoseconds. Up to fewSpans of
// them are kept as they are; more go into a histogram, if there is one to be
// had. The zero value is empty and has none.
type Distribution struct {
	n, sum, max int64
	h           *Histogram
	few         [fewSpans]int64
}

// fewSpans is how many spans need no histogram.
const fewSpans = 8

// Record adds a span. When the spans become many, histogram is asked for one;
// it may answer nil, and from then on there are no quantiles.
func (d *Distribution) Record(ns int64, histogram func() *Histogram) {
	if d.h != nil {
		d.h.record(ns)
	} else {
		d.keep(ns, histogram)
	}
	d.n++
	d.sum += ns
	d.max = max(d.max, ns)
}

// keep is Record's part while there is no histogram.
func (d *Distribution) keep(ns int64, histogram func() *Histogram) {
	if d.n < fewSpans {
		d.few[d.n] = ns
		return
	}
	if d.n > fewSpans {
		return // asked already
	}
	if d.h = histogram(); d.h != nil {
		for _, v := range d.few {
			d.h.record(v)
		}
		d.h.record(ns)
	}
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
// histogram's buckets and never above Max. ok is false where it is not known.
func (d *Distribution) Quantile(q float64) (ns int64, ok bool) {
	switch {
	case d.n == 0:
		return 0, false
	case d.n <= fewSpans:
		few := d.few // a copy
		slices.Sort(few[:d.n])
		return few[d.rank(q)-1], true
	case d.h == nil:
		return 0, false
	}
	return min(d.h.atRank(uint64(d.rank(q))), d.max), true
}

// rank is how many spans are q percent of them, rounded up so that no fewer are.
// It is exact for whole q: q/100 would not be.
func (d *Distribution) rank(q float64) int64 {
	return min(max(int64(math.Ceil(q*float64(d.n)/100)), 1), d.n)
}
