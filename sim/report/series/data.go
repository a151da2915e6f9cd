package series

import (
	"cmp"
	"math"
	"slices"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/uqtool/uq/sim/pkt"
)

// None stands where a bin has no span.
const None = -1

// Data is a series as arrays, one element a bin. Spans are ns.
type Data struct {
	// Start is the time of the first arrival and the beginning of the first bin.
	Start, Width pkt.Time
	Total        Line
	// Arrived are bytes.
	Arrived []uint64
	// Min, P50 and P99 are of sojourns, None without.
	Min, P50, P99 []int64
	// QueueMin and QueueMax are packets, QueueBytes the most bytes.
	QueueMin, QueueMax []int64
	QueueBytes         []int64
	Distribution       Distribution
	// Flows are the largest by bytes arrived, Others the rest as one; it has no
	// Distribution.
	Flows  []Flow
	Others Flow
}

// Line is what is known both of all packets and of a flow's.
type Line struct {
	// Count is how many packets were dequeued; Mean and Max their sojourns, None
	// without.
	Count        []uint64
	Mean, Max    []int64
	Bytes        []uint64 // delivered
	Drops, Marks []uint32
}

// Flow is a flow's part.
type Flow struct {
	Flow *pkt.Flow // nil for the others
	// Since is when it became one of the largest: before, it is in the others.
	Since        pkt.Time
	Arrived      uint64 // bytes, of all times
	Distribution Distribution
	Line         Line
}

// Empty says whether nothing happened.
func (l Line) Empty() bool {
	for i := range l.Count {
		if l.Count[i] > 0 || l.Bytes[i] > 0 || l.Drops[i] > 0 || l.Marks[i] > 0 {
			return false
		}
	}
	return true
}

// Sum is several flows' lines as one.
func Sum(flows []Flow) Line {
	var bins []share
	for _, f := range flows {
		l := &f.Line
		if bins == nil {
			bins = make([]share, len(l.Count))
		}
		for i := range bins {
			bins[i].merge(&share{
				count: l.Count[i], sum: l.Mean[i] * int64(l.Count[i]), max: max(l.Max[i], 0),
				bytes: l.Bytes[i], drops: l.Drops[i], marks: l.Marks[i],
			})
		}
	}
	return line(bins)
}

// Distribution is how sojourns spread. It is empty without any.
type Distribution struct {
	Count int64
	// Percentiles and Spans are the points of the distribution: so many percent
	// took no longer than that.
	Percentiles []float64
	Spans       []int64
}

// At is the span of one of the Percentiles, None if it is not one.
func (d *Distribution) At(percentile float64) int64 {
	if i := slices.Index(d.Percentiles, percentile); i >= 0 {
		return d.Spans[i]
	}
	return None
}

// wholeRank is the percentile of the first of n spans that p percent do not
// exceed. Of p itself the histogram rounds the rank to the nearest.
func wholeRank(p float64, n int64) float64 {
	const parts = 1000 // of a percent: those of the ladder are whole
	rank := (int64(math.Round(p*parts))*n + 100*parts - 1) / (100 * parts)
	return 100 * float64(rank) / float64(n)
}

// ladder are the percentiles told: every half, and finer towards the end.
func ladder() (ps []float64) {
	for i := range 199 {
		ps = append(ps, float64(i)/2)
	}
	for i := 1; i < 10; i++ {
		ps = append(ps, float64(990+i)/10)
	}
	for i := 1; i < 10; i++ {
		ps = append(ps, float64(9990+i)/100)
	}
	return append(ps, 99.999, 100)
}

// Align gives every series' data in bins of one width, so that they share an
// axis of time. They must have begun at the same time, as those of one trace
// do.
func Align(all []*Series) []*Data {
	var width, end pkt.Time
	for _, s := range all {
		width = max(width, s.width)
		end = max(end, pkt.Time(s.last+1)*s.width)
	}
	var out []*Data
	for _, s := range all {
		s.settle()
		for s.width < width {
			s.double()
		}
		out = append(out, s.data(int((end+width-1)/width)))
	}
	return out
}

func (s *Series) data(n int) *Data {
	d := &Data{Start: s.start, Width: s.width, Distribution: distribution(s.sojourn, s.maximal)}
	total := make([]share, n)
	left := bin{} // the bin before, for what it left
	for i := range n {
		b := &s.bins[i]
		if !b.seen { // nothing happened: the queue stayed as it was
			b = &bin{queueMin: left.queueLast, queueMax: left.queueLast, queueLast: left.queueLast,
				queueBytes: left.lastQueued, lastQueued: left.lastQueued}
		}
		total[i] = b.share
		d.add(b)
		left.queueLast, left.lastQueued = b.queueLast, b.lastQueued
	}
	d.Total = line(total)
	for i := range s.slots[:s.used] {
		l := &s.slots[i]
		ln := line(l.bins[:n])
		d.Flows = append(d.Flows, Flow{
			Flow: l.flow, Since: l.since, Arrived: s.ids[l.flow.ID].arrived,
			Distribution: distribution(l.sojourn, slices.Max(append(ln.Max, None))), Line: ln,
		})
	}
	slices.SortStableFunc(d.Flows, func(a, b Flow) int {
		return cmp.Or(cmp.Compare(b.Arrived, a.Arrived), cmp.Compare(a.Flow.ID, b.Flow.ID))
	})
	d.Others.Line = line(s.others[:n])
	return d
}

func (d *Data) add(b *bin) {
	least, p50, p99 := int64(None), int64(None), int64(None)
	if b.count > 0 {
		least = b.min
		p50 = min(max(b.spans.quantile(b.count, 500), b.min), b.max)
		p99 = min(max(b.spans.quantile(b.count, 990), b.min), b.max)
	}
	d.Min, d.P50, d.P99 = append(d.Min, least), append(d.P50, p50), append(d.P99, p99)
	d.Arrived = append(d.Arrived, b.arrived)
	d.QueueMin, d.QueueMax = append(d.QueueMin, int64(b.queueMin)), append(d.QueueMax, int64(b.queueMax))
	d.QueueBytes = append(d.QueueBytes, b.queueBytes)
}

func line(bins []share) (l Line) {
	for i := range bins {
		b := &bins[i]
		mean, most := int64(None), int64(None)
		if b.count > 0 {
			mean, most = b.sum/int64(b.count), b.max
		}
		l.Count = append(l.Count, b.count)
		l.Mean, l.Max = append(l.Mean, mean), append(l.Max, most)
		l.Bytes = append(l.Bytes, b.bytes)
		l.Drops, l.Marks = append(l.Drops, b.drops), append(l.Marks, b.marks)
	}
	return l
}

// distribution reads the points off a histogram; none exceeds the largest span.
func distribution(h *hdrhistogram.Histogram, most int64) Distribution {
	d := Distribution{Count: h.TotalCount()}
	if d.Count == 0 {
		return d
	}
	d.Percentiles = ladder()
	ranks := make([]float64, len(d.Percentiles))
	for i, p := range d.Percentiles {
		ranks[i] = wholeRank(p, d.Count)
	}
	for _, ns := range h.ValueAtPercentilesSlice(ranks) {
		d.Spans = append(d.Spans, min(ns, most))
	}
	d.Spans[0], d.Spans[len(d.Spans)-1] = min(h.Min(), most), most
	return d
}
