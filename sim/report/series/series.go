// Package series follows a port's events over time, in memory that does not
// grow with the run:
//
//	        bin 0   bin 1   bin 2 ...                 at most Bins of one width,
//	total   [     ] [     ] [     ]                   which doubles when the run
//	flow a  [     ] [     ] [     ]    the largest    outgrows them
//	flow b  [     ] [     ] [     ]    MaxFlows
//	others  [     ] [     ] [     ]    all the rest
//
// The same events give the same series. Sums are exact; the quantiles of a bin
// are those of a histogram, right to within 7 percent.
package series

import (
	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
)

const (
	// Bins is the most there are; it is even. Runs longer than FirstWidth times
	// Bins have more than half as many.
	Bins = 1024
	// FirstWidth is a bin's width at first, in ns.
	FirstWidth pkt.Time = 100_000
	// MaxFlows is how many flows have series of their own.
	MaxFlows = 16
	// maxIDs is how many flows are weighed against each other; any more are
	// always among the others.
	maxIDs = 1 << 16
	// highest is the largest span that the distributions tell apart, in ns.
	highest = 1 << 44
)

// Series is an egress.Sink.
type Series struct {
	start, width pkt.Time
	until        pkt.Time // end of the last bin; 0 before there is one
	last         int      // the bin of the latest event
	bins         []bin
	queued       int32
	queuedBytes  int64
	sojourn      *hdrhistogram.Histogram

	slots   [MaxFlows]slot
	used    int
	others  []share
	ids     []id // by Flow.ID
	maximal int64
}

var _ egress.Sink = (*Series)(nil)

// id is what is known of every flow.
type id struct {
	arrived uint64 // bytes
	slot    int32  // number of its slot plus 1; 0 without
}

// slot is a large flow's place.
type slot struct {
	flow    *pkt.Flow
	since   pkt.Time // before it was among the others
	bins    []share
	sojourn *hdrhistogram.Histogram
}

// bin is what happened in a time.
type bin struct {
	share
	spans                  spans
	min                    int64 // shortest sojourn, if any
	arrived                uint64
	queueMin, queueMax     int32 // packets
	queueLast              int32
	queueBytes, lastQueued int64 // most, last
	seen                   bool  // any event
}

// share is a flow's part of a bin. Spans are sojourns in ns, bytes those
// delivered.
type share struct {
	count        uint64
	sum, max     int64
	bytes        uint64
	drops, marks uint32
}

// New returns an empty series.
func New() *Series {
	return &Series{
		width: FirstWidth, bins: make([]bin, Bins), others: make([]share, Bins),
		sojourn: hdrhistogram.New(1, highest, 3),
	}
}

// Event implements egress.Sink.
func (s *Series) Event(e egress.Event) {
	i := s.at(e.Time)
	b := &s.bins[i]
	if !b.seen {
		b.seen, b.queueMin, b.queueMax, b.queueBytes = true, s.queued, s.queued, s.queuedBytes
	}
	p := e.Packet
	f := s.flow(p.Flow)
	if e.Kind == egress.Enqueue {
		f = s.arrived(p, e.Time)
		b.arrived += uint64(p.Len)
	}
	own := &s.others[i]
	if f != nil {
		own = &f.bins[i]
	}
	switch e.Kind {
	case egress.Dequeue:
		s.dequeued(b, own, f, e)
	case egress.Deliver:
		b.bytes += uint64(p.Len)
		own.bytes += uint64(p.Len)
	case egress.Drop:
		b.drops++
		own.drops++
	case egress.Mark:
		b.marks++
		own.marks++
	}
	s.depth(b, e)
}

func (s *Series) dequeued(b *bin, own *share, f *slot, e egress.Event) {
	ns := int64(e.Time - e.Packet.Arrival)
	if b.count == 0 || ns < b.min {
		b.min = ns
	}
	b.add(ns)
	b.spans.add(ns)
	own.add(ns)
	_ = s.sojourn.RecordValue(min(ns, highest)) // cannot fail in range
	s.maximal = max(s.maximal, ns)
	if f != nil {
		_ = f.sojourn.RecordValue(min(ns, highest))
	}
}

func (h *share) add(ns int64) {
	h.count++
	h.sum += ns
	h.max = max(h.max, ns)
}

// depth follows the backlog. An arrival counts when something else happens: one
// that is dropped for want of room never was in it.
func (s *Series) depth(b *bin, e egress.Event) {
	n := int64(e.Packet.Len)
	switch {
	case e.Kind == egress.Enqueue:
		s.queued++
		s.queuedBytes += n
		return
	case e.Kind == egress.Drop && e.Reason == pkt.LinkLoss:
		return
	case e.Kind == egress.Drop && (e.Reason == pkt.Overlimit || e.Reason == pkt.Overmemory):
		s.queued--
		s.queuedBytes -= n
	case e.Kind == egress.Drop, e.Kind == egress.Dequeue:
		b.most(s.queued, s.queuedBytes)
		s.queued--
		s.queuedBytes -= n
		b.queueMin = min(b.queueMin, s.queued)
	}
	b.most(s.queued, s.queuedBytes)
}

func (b *bin) most(packets int32, bytes int64) {
	b.queueMax, b.queueBytes = max(b.queueMax, packets), max(b.queueBytes, bytes)
}

// at is the bin of a time, which does not run back. What a bin leaves behind is
// noted when time passes to another.
func (s *Series) at(t pkt.Time) int {
	switch {
	case t < s.until:
		return s.last
	case s.until == 0:
		s.start, s.until = t, t+s.width
		return 0
	}
	s.settle()
	for t-s.start >= s.width*Bins {
		s.double()
	}
	s.last = int((t - s.start) / s.width)
	s.until = s.start + s.width*pkt.Time(s.last+1)
	return s.last
}

// settle notes what the last bin leaves behind.
func (s *Series) settle() {
	if b := &s.bins[s.last]; b.seen {
		b.most(s.queued, s.queuedBytes)
		b.queueLast, b.lastQueued = s.queued, s.queuedBytes
	}
}

// double makes every bin twice as wide.
func (s *Series) double() {
	s.width *= 2
	s.last /= 2
	for i := range Bins / 2 {
		merged := s.bins[2*i]
		merged.merge(&s.bins[2*i+1])
		s.bins[i] = merged
	}
	clear(s.bins[Bins/2:])
	halve(s.others)
	for i := range s.slots[:s.used] {
		halve(s.slots[i].bins)
	}
}

func halve(bins []share) {
	for i := range len(bins) / 2 {
		merged := bins[2*i]
		merged.merge(&bins[2*i+1])
		bins[i] = merged
	}
	clear(bins[len(bins)/2:])
}

func (h *share) merge(o *share) {
	h.count += o.count
	h.sum += o.sum
	h.max = max(h.max, o.max)
	h.bytes += o.bytes
	h.drops += o.drops
	h.marks += o.marks
}

// merge adds the bin that follows.
func (b *bin) merge(o *bin) {
	switch {
	case !o.seen:
		return
	case !b.seen:
		*b = *o
		return
	}
	if b.count == 0 || o.count > 0 && o.min < b.min {
		b.min = o.min
	}
	b.share.merge(&o.share)
	b.spans.merge(&o.spans)
	b.arrived += o.arrived
	b.queueMin, b.queueMax = min(b.queueMin, o.queueMin), max(b.queueMax, o.queueMax)
	b.queueBytes = max(b.queueBytes, o.queueBytes)
	b.queueLast, b.lastQueued = o.queueLast, o.lastQueued
}
