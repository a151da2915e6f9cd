package record

import (
	"iter"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// Losses counts what a recording missed, by kind.
type Losses struct {
	// Missing counts packets that did not fit the receive buffer: dropped, or
	// passed unseen under fail-open.
	Missing uint64 `json:"missing"`
	// Overflows counts the kernel's reports of a full receive buffer; the
	// packets are among Missing.
	Overflows uint64 `json:"overflows"`
	// QueueFull counts packets that found the kernel's queue full: dropped, or
	// passed unseen under fail-open. Where the kernel does not tell, it is what
	// the rule counted and nothing else explains; without a rule it stays 0. How
	// far to trust it says Ledger.QueueFullKnown.
	QueueFull uint64 `json:"queue_full"`
	// Gone counts packets that the kernel gave up before their verdict.
	Gone uint64 `json:"gone"`
	// Refused counts verdicts refused for another reason, or not even sent.
	Refused uint64 `json:"refused"`
	// Unparsed counts messages that could not be read.
	Unparsed uint64 `json:"unparsed"`
	// Records counts packets that passed but are not in the trace, because the
	// disk was too slow or failed.
	Records uint64 `json:"records"`
}

// Any says whether anything was lost.
func (l Losses) Any() bool { return l != Losses{} }

// refusedName names Refused, of which the trace has no event but a remark.
const refusedName = "verdicts_refused"

// ByKind gives the losses the names the trace's events have. Overflows are
// reports, not packets, and not listed.
func (l Losses) ByKind() map[string]uint64 {
	m := l.ByName()
	delete(m, traces.ENOBUFS.String())
	return m
}

// ByName lists whatever is not zero, Overflows too.
func (l Losses) ByName() map[string]uint64 {
	m := map[string]uint64{}
	for name, n := range l.All() {
		if n > 0 {
			m[name] = n
		}
	}
	return m
}

// All gives every kind with its name, in a fixed order, zero or not.
func (l Losses) All() iter.Seq2[string, uint64] {
	return func(yield func(string, uint64) bool) {
		_ = yield(traces.IDGap.String(), l.Missing) && yield(traces.ENOBUFS.String(), l.Overflows) &&
			yield(traces.QueueFull.String(), l.QueueFull) && yield(traces.KernelFlush.String(), l.Gone) &&
			yield(refusedName, l.Refused) && yield(traces.Undecodable.String(), l.Unparsed) &&
			yield(traces.WriterOverrun.String(), l.Records)
	}
}

// Counts is what the capture has seen so far.
type Counts struct {
	Packets uint64 `json:"packets"`
	// Bytes is from layer 3 up.
	Bytes  uint64 `json:"bytes"`
	Losses Losses `json:"losses"`
}

// Add counts what a batch lost.
func (c *Counts) Add(l nfq.Loss) {
	c.Losses.Missing += l.Missing
	c.Losses.Overflows += l.Overflows
	c.Losses.Gone += l.Gone
	c.Losses.Refused += l.Refused
	c.Losses.Unparsed += l.Unparsed
}

// counters passes Counts from the capture to the writer.
type counters struct {
	mu sync.Mutex
	c  Counts
}

func (s *counters) set(c Counts) {
	s.mu.Lock()
	s.c = c
	s.mu.Unlock()
}

func (s *counters) get() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.c
}

// Progress is the state of a recording under way.
type Progress struct {
	Counts
	// Elapsed is the time since the trace's time zero.
	Elapsed time.Duration
	// Written is what the trace's writer has done.
	Written traces.WriterStats
	// Err is set once the trace cannot be written any more.
	Err error
}

// NewProgress is the state of g, of whose packets the reader has counted c.
func NewProgress(g *Ledger, c Counts) Progress {
	c.Losses = g.Losses(c.Losses)
	return Progress{Counts: c, Elapsed: time.Duration(g.clock.Now()), Written: g.Stats(), Err: g.err}
}

func (wr *writer) report() Progress {
	return NewProgress(wr.Ledger, wr.shared.get())
}

// Summary is the account of a whole recording: Counts of what passed, the next
// three of what of it is in the trace.
type Summary struct {
	Counts
	// Records is how many packets are in the trace.
	Records uint64 `json:"records"`
	// Segs is how many packets on the wire the recorded ones stand for.
	Segs uint64 `json:"segs"`
	// RecordedBytes is their sum from layer 3 up.
	RecordedBytes uint64 `json:"recorded_bytes"`
	// DurationNs is from the trace's time zero to the end.
	DurationNs int64 `json:"duration_ns"`
	// PacketsPerSecond and BitsPerSecond are averages over the duration.
	PacketsPerSecond float64 `json:"packets_per_second"`
	BitsPerSecond    float64 `json:"bits_per_second"`
	// FileBytes is the trace's size, and BytesPerPacket what a record took.
	FileBytes      uint64  `json:"file_bytes"`
	BytesPerPacket float64 `json:"bytes_per_packet"`
	// Batch is in packets: how many came with one call.
	Batch Distribution `json:"batch"`
	// VerdictLatencyNs is from receipt to the end of the call that gave the
	// verdict.
	VerdictLatencyNs Distribution `json:"verdict_latency_ns"`
	// QueueFullKnown is how far Losses.QueueFull can be trusted.
	QueueFullKnown Certainty `json:"queue_full_known"`
	// Clean is false when an error ended the recording or its trace.
	Clean bool `json:"clean"`
	// Why is the reason of the end.
	Why string `json:"why"`
}

// Distribution is a histogram in short.
type Distribution struct {
	Count int64   `json:"count"`
	Mean  float64 `json:"mean"`
	P50   int64   `json:"p50"`
	P99   int64   `json:"p99"`
	Max   int64   `json:"max"`
}

// Distribute puts h in short.
func Distribute(h *hdrhistogram.Histogram) Distribution {
	return Distribution{
		Count: h.TotalCount(), Mean: h.Mean(), Max: h.Max(),
		P50: h.ValueAtQuantile(50), P99: h.ValueAtQuantile(99),
	}
}

func summarize(c *capture, wr *writer, why string) Summary {
	p := wr.report()
	s := Summary{
		Counts: p.Counts, DurationNs: int64(p.Elapsed), FileBytes: p.Written.Bytes,
		Batch: Distribute(c.batches), VerdictLatencyNs: Distribute(c.latency),
		QueueFullKnown: wr.QueueFullKnown(), Clean: wr.err == nil && !c.failed, Why: why,
	}
	s.Keep(wr.Safe())
	s.Rates()
	return s
}

// Keep sets what is in the trace.
func (s *Summary) Keep(k Kept) { s.Records, s.Segs, s.RecordedBytes = k.Records, k.Segs, k.Bytes }

// Rates sets the averages from the totals.
func (s *Summary) Rates() {
	if sec := float64(s.DurationNs) / 1e9; sec > 0 {
		s.PacketsPerSecond = float64(s.Packets) / sec
		s.BitsPerSecond = 8 * float64(s.Bytes) / sec
	}
	if s.Records > 0 {
		s.BytesPerPacket = float64(s.FileBytes) / float64(s.Records)
	}
}

// OverrunEvent tells of n records dropped because the disk was too slow.
func OverrunEvent(now pkt.Time, n uint64) traces.Event {
	return traces.Event{Time: now, Kind: traces.WriterOverrun, Count: n, Text: "the trace is written too slowly"}
}

// LossEvents words what a batch lost.
func LossEvents(now pkt.Time, l nfq.Loss) []traces.Event {
	var es []traces.Event
	for _, e := range [...]traces.Event{
		{Kind: traces.ENOBUFS, Count: l.Overflows, Text: "receive buffer full"},
		{Kind: traces.IDGap, Count: l.Missing},
		{Kind: traces.KernelFlush, Count: l.Gone},
		{Kind: traces.Undecodable, Count: l.Unparsed},
		{Kind: traces.Note, Count: l.Refused, Text: "verdicts refused"},
	} {
		if e.Count == 0 {
			continue
		}
		if e.Kind == traces.ENOBUFS {
			e.Count = 0 // reports, not packets; a gap in the ids counts those
		}
		e.Time = now
		es = append(es, e)
	}
	return es
}
