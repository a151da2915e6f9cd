package report

import (
	"encoding/json"
	"io"
	"time"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/tc"
)

// Format is the version of the JSON: raised when a key changes its meaning or
// goes; new keys may appear at any time.
const Format = 1

// Report is the outcome of one command: the same trace under one or more
// qdiscs. Its JSON has times in µs as tc's, rates in bit/s.
type Report struct {
	Format int    `json:"uq_format"`
	Trace  string `json:"trace"`
	// Loop is OpenLoop or Live.
	Loop string `json:"loop"`
	GSO  string `json:"gso"`
	Seed uint64 `json:"seed"`
	// Note says what to keep in mind about the trace: truncated, ...
	Notes []string `json:"notes,omitempty"`
	Link  string   `json:"link"`
	Runs  []*Run   `json:"qdiscs"`
}

// The labels of a run: OpenLoop when arrival times are fixed and senders do not
// react, Live when real packets were scheduled, whose senders do.
const (
	OpenLoop = "open-loop"
	Live     = "live"
)

// Run is one qdisc's result, with the keys of "tc -s -j qdisc" where tc has
// them.
type Run struct {
	Kind    string         `json:"kind"`
	Options map[string]any `json:"options"`
	Line    string         `json:"line"`
	Bytes   uint64         `json:"bytes"`
	Packets uint64         `json:"packets"`
	Drops   uint64         `json:"drops"`
	Backlog int            `json:"backlog"`
	Qlen    int            `json:"qlen"`
	// Stats are the qdisc's own counters, on the same level in tc.
	Stats map[string]any `json:"stats,omitempty"`

	ArrivedPackets uint64            `json:"arrived_packets"`
	ArrivedBytes   uint64            `json:"arrived_bytes"`
	DropsByReason  map[string]uint64 `json:"drops_by_reason,omitempty"`
	Marks          uint64            `json:"marks"`
	MarksByReason  map[string]uint64 `json:"marks_by_reason,omitempty"`
	MaxQlen        int               `json:"max_qlen"`
	DurationUs     float64           `json:"duration_us"`
	Throughput     float64           `json:"throughput_bps"`
	Sojourn        Quantiles         `json:"sojourn_us"`
	Jain           float64           `json:"jain_bytes"`
	Digest         string            `json:"digest"`
	Flows          []Flow            `json:"flows"`
	Others         *Flow             `json:"other_flows,omitempty"`
	// StatsLine is Stats as tc prints them.
	StatsLine string `json:"stats_line,omitempty"`
}

// Flow is one flow's share of a Run.
type Flow struct {
	Flow           string            `json:"flow"`
	ArrivedPackets uint64            `json:"arrived_packets"`
	Packets        uint64            `json:"packets"`
	Bytes          uint64            `json:"bytes"`
	Drops          uint64            `json:"drops"`
	DropsByReason  map[string]uint64 `json:"drops_by_reason,omitempty"`
	Marks          uint64            `json:"marks"`
	Throughput     float64           `json:"throughput_bps"`
	Sojourn        Quantiles         `json:"sojourn_us"`
}

// Quantiles are in µs.
type Quantiles struct {
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P95  float64 `json:"p95"`
	P99  float64 `json:"p99"`
	Max  float64 `json:"max"`
}

func quantiles(d *Distribution) Quantiles {
	us := func(ns int64) float64 { return float64(ns) / 1e3 }
	return Quantiles{us(d.Mean()), us(d.Quantile(50)), us(d.Quantile(95)), us(d.Quantile(99)), us(d.Max())}
}

// NewRun reads the result of a finished run off its port and collector.
func NewRun(port *egress.Port, c *Collector) *Run {
	r := &Run{
		Bytes: c.Total.DeliveredBytes, Packets: c.Total.DeliveredSegs, Drops: c.Total.Dropped,
		ArrivedPackets: c.Total.ArrivedPackets, ArrivedBytes: c.Total.ArrivedBytes,
		DropsByReason: byReason(&c.Drops), Marks: c.Total.Marked, MarksByReason: byReason(&c.Marks),
		MaxQlen: c.MaxBacklog, Sojourn: quantiles(c.Sojourn()), Jain: c.Jain(), Digest: c.Digest.String(),
	}
	r.Qlen, r.Backlog = port.Scheduler().Backlog()
	if d, ok := port.Scheduler().(sched.Describer); ok {
		r.Kind, r.Line = d.Kind(), tc.Line(d.Kind(), d.Options())
		r.Options, r.Stats, r.StatsLine = values(d.Options()), values(d.Stats()), statsLine(d.Stats())
	}
	first, last := c.Span()
	span := last.Sub(first)
	r.DurationUs = float64(span) / 1e3
	r.Throughput = bps(r.Bytes, span)
	for _, f := range c.Flows() {
		r.Flows = append(r.Flows, flowOf(f.Flow.String(), &f.Counts, span, byReason(&f.DropsByReason)))
	}
	if c.Others.ArrivedPackets > 0 {
		o := flowOf("others", &c.Others, span, nil)
		r.Others = &o
	}
	return r
}

func flowOf(name string, n *Counts, span time.Duration, drops map[string]uint64) Flow {
	return Flow{
		Flow: name, ArrivedPackets: n.ArrivedPackets, Packets: n.DeliveredSegs, Bytes: n.DeliveredBytes,
		Drops: n.Dropped, DropsByReason: drops, Marks: n.Marked,
		Throughput: bps(n.DeliveredBytes, span), Sojourn: quantiles(&n.Sojourn),
	}
}

func bps(bytes uint64, span time.Duration) float64 {
	if span <= 0 {
		return 0
	}
	return float64(bytes) * 8 / span.Seconds()
}

func byReason(counts *[16]uint64) map[string]uint64 {
	m := map[string]uint64{}
	for _, r := range pkt.Reasons() {
		if counts[r] > 0 {
			m[r.String()] = counts[r]
		}
	}
	return m
}

// values is fields as tc's JSON has them: numbers, and true for words.
func values(fields []tc.Field) map[string]any {
	m := map[string]any{}
	for _, f := range fields {
		switch {
		case f.Flag:
			m[f.Key] = f.Num != 0
		case !f.Hidden:
			m[f.Key] = f.Num
		}
	}
	return m
}

// LinkLine prints the link for the report.
func LinkLine(l link.Link) string { return link.Line(l) }

// WriteJSON writes r as one indented JSON object.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
