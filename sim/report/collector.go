// Package report turns a port's events into numbers, and numbers into words and
// JSON. It decides nothing; only here does sim use floating point.
package report

import (
	"slices"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
)

// DefaultFlows is how many flows are reported one by one unless told otherwise;
// those that appear later are summed up as one. A flow costs about 30 kB.
const DefaultFlows = 256

// Collector counts the events of one port. It is a Sink whose memory does not
// grow with the run.
type Collector struct {
	Total  Counts
	Others Counts // flows beyond the limit
	// Drops and Marks count packets by reason.
	Drops, Marks [16]uint64
	// MaxBacklog is the largest number of packets queued.
	MaxBacklog int
	Digest     *egress.Digest

	queued      int
	maxFlows    int
	flows       []*FlowCounts
	first, last pkt.Time // first arrival, last departure of any kind
	seen        bool
}

// Counts sums packets; bytes are pkt.Packet.Len, as tc counts them.
type Counts struct {
	ArrivedPackets, ArrivedBytes     uint64
	DeliveredPackets, DeliveredBytes uint64
	// DeliveredSegs counts what tc calls pkt: a super-packet is its segments.
	DeliveredSegs uint64
	Dropped       uint64
	Marked        uint64
	// Sojourn is the time in the scheduler of each packet it let go; that of
	// Total is Collector.Sojourn.
	Sojourn Distribution
}

// FlowCounts are one flow's.
type FlowCounts struct {
	Flow *pkt.Flow
	Counts
	DropsByReason [16]uint64
}

// NewCollector reports up to maxFlows flows one by one.
func NewCollector(maxFlows int) *Collector {
	return &Collector{Digest: egress.NewDigest(), maxFlows: maxFlows}
}

// Flows returns the flows seen, in order of first appearance. A nil entry is a
// flow number that did not occur.
func (c *Collector) Flows() []*FlowCounts {
	return slices.DeleteFunc(slices.Clone(c.flows), func(f *FlowCounts) bool { return f == nil })
}

// Sojourn is the distribution over all flows.
func (c *Collector) Sojourn() *Distribution {
	var all Distribution
	all.add(&c.Others.Sojourn)
	for _, f := range c.Flows() {
		all.add(&f.Sojourn)
	}
	return &all
}

// Span returns the times of the first arrival and the last event.
func (c *Collector) Span() (first, last pkt.Time) { return c.first, c.last }

// Event implements egress.Sink.
func (c *Collector) Event(e egress.Event) {
	c.Digest.Event(e)
	f := c.flow(e.Packet.Flow)
	switch e.Kind {
	case egress.Enqueue:
		if !c.seen {
			c.seen, c.first = true, e.Time
		}
		c.queued++
		c.Total.arrived(e.Packet)
		f.arrived(e.Packet)
	case egress.Dequeue:
		c.MaxBacklog = max(c.MaxBacklog, c.queued)
		c.queued--
		ns := int64(e.Time - e.Packet.Arrival)
		f.Sojourn.Record(ns)
	case egress.Mark:
		c.Marks[e.Reason&15]++
		c.Total.Marked++
		f.Marked++
	case egress.Deliver:
		c.last = e.Time
		c.Total.delivered(e.Packet)
		f.delivered(e.Packet)
	case egress.Drop:
		c.dropped(e, f)
	}
}

func (c *Collector) dropped(e egress.Event, f *Counts) {
	c.last = e.Time
	switch e.Reason {
	case pkt.LinkLoss: // dequeued before
	case pkt.Overlimit, pkt.Overmemory: // made room for, or is, the arrival: never was in the backlog
		c.queued--
	default:
		c.MaxBacklog = max(c.MaxBacklog, c.queued)
		c.queued--
	}
	c.Drops[e.Reason&15]++
	c.Total.Dropped++
	f.Dropped++
	if id := int(e.Packet.Flow.ID); f != &c.Others {
		c.flows[id].DropsByReason[e.Reason&15]++
	}
}

func (c *Collector) flow(f *pkt.Flow) *Counts {
	if f.ID >= uint32(c.maxFlows) {
		return &c.Others
	}
	id := int(f.ID)
	for id >= len(c.flows) {
		c.flows = append(c.flows, nil)
	}
	if c.flows[id] == nil {
		c.flows[id] = &FlowCounts{Flow: f}
	}
	return &c.flows[id].Counts
}

func (n *Counts) arrived(p *pkt.Packet) {
	n.ArrivedPackets++
	n.ArrivedBytes += uint64(p.Len)
}

func (n *Counts) delivered(p *pkt.Packet) {
	n.DeliveredPackets++
	n.DeliveredSegs += uint64(p.Segs)
	n.DeliveredBytes += uint64(p.Len)
}

// Distribution is a histogram of spans with two significant digits from a
// microsecond to half an hour. The zero value is empty.
type Distribution struct {
	h   *hdrhistogram.Histogram
	max int64
	sum int64
	n   int64
}

const (
	lowestNs  = 1000
	highestNs = 30 * 60 * 1e9
)

// Record adds a span in nanoseconds.
func (d *Distribution) Record(ns int64) {
	if d.h == nil {
		d.h = hdrhistogram.New(lowestNs, highestNs, 2)
	}
	d.n++
	d.sum += ns
	d.max = max(d.max, ns)
	_ = d.h.RecordValue(min(ns, highestNs)) // cannot fail in range
}

// add adds e's spans to d.
func (d *Distribution) add(e *Distribution) {
	if e.h == nil {
		return
	}
	if d.h == nil {
		d.h = hdrhistogram.New(lowestNs, highestNs, 2)
	}
	d.h.Merge(e.h)
	d.n, d.sum, d.max = d.n+e.n, d.sum+e.sum, max(d.max, e.max)
}

// Count is the number of spans.
func (d *Distribution) Count() int64 { return d.n }

// Max is the largest span in nanoseconds, exact.
func (d *Distribution) Max() int64 { return d.max }

// Mean is in nanoseconds, exact but for rounding down; 0 without spans.
func (d *Distribution) Mean() int64 {
	if d.n == 0 {
		return 0
	}
	return d.sum / d.n
}

// Quantile returns the span in nanoseconds that q percent do not exceed, to two
// significant digits and never above Max; 0 without spans.
func (d *Distribution) Quantile(q float64) int64 {
	if d.h == nil {
		return 0
	}
	return min(d.h.ValueAtQuantile(q), d.max)
}

// Jain is Jain's fairness index over what each reported flow got delivered in
// bytes: 1 when all got the same, 1/n when one got everything. Flows that
// nothing was delivered of count, too.
func (c *Collector) Jain() float64 {
	var sum, squares float64
	n := 0
	for _, f := range c.flows {
		if f == nil {
			continue
		}
		b := float64(f.DeliveredBytes)
		sum += b
		squares += b * b
		n++
	}
	if squares == 0 {
		return 1
	}
	return sum * sum / (float64(n) * squares)
}
