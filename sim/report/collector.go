// Package report turns a port's events into numbers, and numbers into words and
// JSON. It decides nothing; only here does sim use floating point.
package report

import (
	"slices"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
)

const (
	// MaxFlows is how many flows a Collector counts one by one, in order of
	// first appearance; it is as many as a trace's source tells apart. A flow
	// costs about 200 bytes.
	MaxFlows = 1 << 16
	// maxHistograms is how many of them have quantiles of more than a few spans.
	maxHistograms = 128
)

// Collector counts the events of one port. It is a Sink whose memory does not
// grow with the run.
type Collector struct {
	Total Counts
	// Sojourn is the time in the scheduler of each packet it let go.
	Sojourn Distribution
	Others  FlowCounts // flows past MaxFlows, without Sojourn
	// SentSegs and SentBytes are what the scheduler let go, as tc counts it,
	// whatever the link did with it then.
	SentSegs, SentBytes uint64
	// Drops and Marks count packets by reason.
	Drops, Marks [16]uint64
	// Duplicated, Corrupted and Reordered count what the link did: copies it made,
	// packets delivered with changed bits, packets delivered after one that left
	// later. Arrived and duplicated packets are those delivered, dropped and
	// still inside.
	Duplicated, Corrupted, Reordered uint64
	// MaxBacklog is the largest number of packets queued.
	MaxBacklog int
	Digest     *egress.Digest

	queued      int
	histograms  int
	histogram   func() *Histogram // ofFlow, bound once
	flows       []*FlowCounts
	first, last pkt.Time // first arrival, last departure of any kind
	seen        bool
	cell        *cellCounts // nil where the link has no stations
}

// Counts sums packets; bytes are pkt.Packet.Len, as tc counts them. A
// super-packet is one packet, but for DeliveredSegs.
type Counts struct {
	ArrivedPackets, ArrivedBytes     uint64
	DeliveredPackets, DeliveredBytes uint64
	// DeliveredSegs counts what tc calls pkt: a super-packet is its segments.
	DeliveredSegs uint64
	Dropped       uint64
	Marked        uint64
}

// FlowCounts are one flow's.
type FlowCounts struct {
	Flow *pkt.Flow
	Counts
	// Sojourn may have no quantiles: see maxHistograms.
	Sojourn       Distribution
	DropsByReason [pkt.NumReasons]uint32
}

// NewCollector returns an empty collector.
func NewCollector() *Collector {
	c := &Collector{Digest: egress.NewDigest()}
	c.histogram = c.ofFlow
	return c
}

// Flows returns the flows seen, in order of first appearance.
func (c *Collector) Flows() []*FlowCounts {
	return slices.DeleteFunc(slices.Clone(c.flows), func(f *FlowCounts) bool { return f == nil })
}

// Span returns the times of the first arrival and the last event.
func (c *Collector) Span() (first, last pkt.Time) { return c.first, c.last }

// Event implements egress.Sink.
func (c *Collector) Event(e egress.Event) {
	if c.cell != nil {
		c.cell.event(e)
	}
	c.Digest.Event(e)
	switch e.Kind {
	case egress.Enqueue:
		c.queued++
		c.arrived(e)
	case egress.Dequeue:
		c.dequeued(e)
	case egress.Deliver:
		c.delivered(e)
	case egress.Drop:
		c.dropped(e)
	default:
		c.other(e)
	}
}

func (c *Collector) arrived(e egress.Event) {
	if !c.seen {
		c.seen, c.first = true, e.Time
	}
	c.Total.arrived(e.Packet)
	c.flow(e.Packet.Flow).arrived(e.Packet)
}

func (c *Collector) delivered(e egress.Event) {
	c.last = e.Time
	c.Total.delivered(e.Packet)
	c.flow(e.Packet.Flow).delivered(e.Packet)
	if e.Packet.Flaws&pkt.Reordered != 0 {
		c.Reordered++
	}
}

// other counts what happens to few packets.
func (c *Collector) other(e egress.Event) {
	switch e.Kind {
	case egress.Uplink: // it waits in no queue here
		c.arrived(e)
	case egress.Mark:
		c.Marks[e.Reason&15]++
		c.Total.Marked++
		c.flow(e.Packet.Flow).Marked++
	case egress.Duplicate:
		c.Duplicated++
	case egress.Corrupt:
		c.Corrupted++
	}
}

func (c *Collector) dequeued(e egress.Event) {
	c.MaxBacklog = max(c.MaxBacklog, c.queued)
	c.queued--
	c.SentSegs += uint64(e.Packet.Segs)
	c.SentBytes += uint64(e.Packet.Len)
	ns := int64(e.Time - e.Packet.Arrival)
	c.Sojourn.Record(ns, func() *Histogram { return NewHistogram(Fine) })
	if f := c.flow(e.Packet.Flow); f != &c.Others {
		f.Sojourn.Record(ns, c.histogram)
	}
}

// ofFlow is one of a limited number, or nil.
func (c *Collector) ofFlow() *Histogram {
	if c.histograms == maxHistograms {
		return nil
	}
	c.histograms++
	return NewHistogram(Coarse)
}

func (c *Collector) dropped(e egress.Event) {
	c.last = e.Time
	switch e.Reason {
	case pkt.LinkLoss: // dequeued before
	case pkt.Overlimit, pkt.Overmemory: // made room for, or is, the arrival: never was in the backlog
		c.queued--
	default:
		c.MaxBacklog = max(c.MaxBacklog, c.queued)
		c.queued--
	}
	f := c.flow(e.Packet.Flow)
	c.Drops[e.Reason&15]++
	c.Total.Dropped++
	f.Dropped++
	if e.Reason < pkt.NumReasons {
		f.DropsByReason[e.Reason]++
	}
}

// flow returns what is counted of a flow.
func (c *Collector) flow(k *pkt.Flow) *FlowCounts {
	if i := uint64(k.ID); i < uint64(len(c.flows)) && c.flows[i] != nil {
		return c.flows[i]
	}
	return c.newFlow(k)
}

// newFlow is flow for the first packet of one, and for those past MaxFlows.
func (c *Collector) newFlow(k *pkt.Flow) *FlowCounts {
	if k.ID >= MaxFlows {
		return &c.Others
	}
	for int(k.ID) >= len(c.flows) {
		c.flows = append(c.flows, nil)
	}
	c.flows[k.ID] = &FlowCounts{Flow: k}
	return c.flows[k.ID]
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

func (n *Counts) add(m *Counts) {
	n.ArrivedPackets += m.ArrivedPackets
	n.ArrivedBytes += m.ArrivedBytes
	n.DeliveredPackets += m.DeliveredPackets
	n.DeliveredBytes += m.DeliveredBytes
	n.DeliveredSegs += m.DeliveredSegs
	n.Dropped += m.Dropped
	n.Marked += m.Marked
}

// Jain is Jain's fairness index over what each flow got delivered in bytes: 1
// when all got the same, 1/n when one got everything. Flows that nothing was
// delivered of count, too; those past MaxFlows do not. ok is false if none got
// anything.
func (c *Collector) Jain() (j float64, ok bool) {
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
		return 0, false
	}
	return sum * sum / (float64(n) * squares), true
}
