package report

import (
	"cmp"
	"encoding/json"
	"io"
	"maps"
	"slices"
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

// Run is one qdisc's result. Kind to Qlen have the keys and the meaning of
// "tc -s -j qdisc": what the qdisc let go and what it dropped. What the link did
// behind it is in the others.
type Run struct {
	Kind    string         `json:"kind"`
	Options map[string]any `json:"options"`
	Line    string         `json:"line"`
	// SplitGSO says that super-packets came as the packets on the wire.
	SplitGSO   bool   `json:"split_gso,omitempty"`
	Bytes      uint64 `json:"bytes"`
	Packets    uint64 `json:"packets"` // as tc counts: segments on the wire
	Drops      uint64 `json:"drops"`
	Overlimits uint64 `json:"overlimits"`
	Requeues   uint64 `json:"requeues"` // never: there is no device to refuse a packet
	Backlog    int    `json:"backlog"`
	Qlen       int    `json:"qlen"`
	// Stats are the qdisc's own counters, on the same level as in tc.
	Stats map[string]any `json:"-"`

	// Arrived and duplicated packets are those delivered, dropped by the qdisc or
	// lost on the link, and those still inside; a super-packet is one.
	ArrivedPackets uint64            `json:"arrived_packets"`
	ArrivedBytes   uint64            `json:"arrived_bytes"`
	Delivered      uint64            `json:"delivered_packets"`
	DeliveredBytes uint64            `json:"delivered_bytes"`
	Dropped        uint64            `json:"dropped_packets"`
	DropsByReason  map[string]uint64 `json:"drops_by_reason,omitempty"`
	Marks          uint64            `json:"marks"`
	MarksByReason  map[string]uint64 `json:"marks_by_reason,omitempty"`
	// Duplicated, Corrupted and Reordered are the link's doing: copies made,
	// packets delivered with changed bits, packets delivered after one that left
	// later.
	Duplicated uint64    `json:"duplicated,omitempty"`
	Corrupted  uint64    `json:"corrupted,omitempty"`
	Reordered  uint64    `json:"reordered,omitempty"`
	MaxQlen    int       `json:"max_qlen"`
	DurationUs float64   `json:"duration_us"`
	Throughput float64   `json:"throughput_bps"`
	Sojourn    Quantiles `json:"sojourn_us"`
	// Jain is over the bytes of FlowCount flows, nil if nothing was delivered.
	// These are all flows, but with MoreFlows the first MaxFlows to arrive.
	Jain      *float64 `json:"jain_bytes"`
	FlowCount int      `json:"flow_count"`
	MoreFlows bool     `json:"more_flows,omitempty"`
	Digest    string   `json:"digest"`
	// Flows are the largest by bytes arrived, Others the rest as one, without
	// quantiles.
	Flows  []Flow `json:"flows"`
	Others *Flow  `json:"other_flows,omitempty"`
	// StatsLine is Stats as tc prints them.
	StatsLine string `json:"stats_line,omitempty"`
	// Tins are the counters of a qdisc that has tins, in their order.
	Tins []map[string]any `json:"tins,omitempty"`
	// Classes are the qdiscs inside.
	Classes []Class `json:"classes,omitempty"`

	// WiFi is the medium's part, of a link that is an access point's.
	WiFi *WiFi `json:"wifi,omitempty"`
	// Air is the medium's log, if one was kept.
	Air *AirLog `json:"-"`

	tins [][]tc.Field
}

// Class is a qdisc inside another, and what that one counts of it.
type Class struct {
	// ID is tc's class, "1:2".
	ID      string           `json:"classid"`
	Kind    string           `json:"kind"`
	Options map[string]any   `json:"options"`
	Line    string           `json:"line"`
	Backlog int              `json:"backlog"`
	Qlen    int              `json:"qlen"`
	Stats   map[string]any   `json:"-"` // beside the others, as in tc
	Tins    []map[string]any `json:"tins,omitempty"`
	Classes []Class          `json:"classes,omitempty"`

	statsLine string
	tins      [][]tc.Field
}

// Flow is one flow's share of a Run.
type Flow struct {
	Flow           string            `json:"flow"`
	ArrivedPackets uint64            `json:"arrived_packets"`
	Delivered      uint64            `json:"delivered_packets"`
	Packets        uint64            `json:"packets"`
	Bytes          uint64            `json:"bytes"`
	Drops          uint64            `json:"drops"`
	DropsByReason  map[string]uint64 `json:"drops_by_reason,omitempty"`
	Marks          uint64            `json:"marks"`
	Throughput     float64           `json:"throughput_bps"`
	Sojourn        Quantiles         `json:"sojourn_us"`
}

// MarshalJSON puts the qdisc's own counters beside those that every qdisc has, as
// tc does.
func (run *Run) MarshalJSON() ([]byte, error) {
	type plain Run
	stats := maps.Clone(run.Stats)
	delete(stats, overlimits) // it is among the others
	return beside((*plain)(run), stats)
}

// MarshalJSON does so for a qdisc inside another.
func (c Class) MarshalJSON() ([]byte, error) {
	type plain Class
	return beside(plain(c), c.Stats)
}

// beside is the JSON object of v and, among its fields, stats.
func beside(v any, stats map[string]any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	if len(stats) == 0 {
		return b, nil
	}
	s, err := json.Marshal(stats)
	if err != nil {
		return nil, err
	}
	return append(append(b[:len(b)-1], ','), s[1:]...), nil
}

// Quantiles are in µs. All are nil without packets, P50 to P99 also where they
// are not known: for a flow past the first few hundred large ones. Those of more
// than fewSpans packets are up to 0.1 % too large for a run, 0.8 % for a flow or
// a station.
type Quantiles struct {
	Mean *float64 `json:"mean"`
	P50  *float64 `json:"p50"`
	P95  *float64 `json:"p95"`
	P99  *float64 `json:"p99"`
	Max  *float64 `json:"max"`
}

func quantiles(d *Distribution) Quantiles {
	us := func(ns int64, ok bool) *float64 {
		if !ok {
			return nil
		}
		v := float64(ns) / 1e3
		return &v
	}
	some := d.Count() > 0
	return Quantiles{us(d.Mean(), some), us(d.Quantile(50)), us(d.Quantile(95)), us(d.Quantile(99)), us(d.Max(), some)}
}

// NewRun reads the result of a finished run off its port and collector, with so
// many flows one by one.
func NewRun(port *egress.Port, c *Collector, flows int) *Run {
	t := &c.Total
	r := &Run{
		Bytes: c.SentBytes, Packets: c.SentSegs, Drops: t.Dropped - c.Drops[pkt.LinkLoss],
		ArrivedPackets: t.ArrivedPackets, ArrivedBytes: t.ArrivedBytes,
		Delivered: t.DeliveredPackets, DeliveredBytes: t.DeliveredBytes, Dropped: t.Dropped,
		DropsByReason: byReason(c.Drops[:]), Marks: t.Marked, MarksByReason: byReason(c.Marks[:]),
		Duplicated: c.Duplicated, Corrupted: c.Corrupted, Reordered: c.Reordered,
		MaxQlen: c.MaxBacklog, Sojourn: quantiles(&c.Sojourn), Digest: c.Digest.String(),
	}
	r.Qlen, r.Backlog = port.Scheduler().Backlog()
	if d, ok := port.Scheduler().(sched.Describer); ok {
		r.Kind, r.Line = d.Kind(), sched.Line(port.Scheduler())
		r.Options, r.Stats, r.StatsLine = values(d.Options()), values(d.Stats()), statsLine(d.Stats())
		over, _ := r.Stats[overlimits].(int64)
		r.Overlimits = uint64(over)
	}
	r.tins = tinsOf(port.Scheduler())
	r.Tins, r.Classes = tinValues(r.tins), classesOf(port.Scheduler())
	first, last := c.Span()
	span := last.Sub(first)
	r.DurationUs = float64(span) / 1e3
	r.Throughput = bps(r.DeliveredBytes, span)
	r.addFlows(c, flows, span)
	r.WiFi = wifiOf(port.Link(), c, span, r.Qlen)
	return r
}

// addFlows lists the largest flows and sums the rest. Which are large depends on
// the arrivals only, so runs over one trace list the same.
func (r *Run) addFlows(c *Collector, limit int, span time.Duration) {
	all := c.Flows()
	slices.SortStableFunc(all, func(a, b *FlowCounts) int { return cmp.Compare(b.ArrivedBytes, a.ArrivedBytes) })
	r.FlowCount, r.MoreFlows = len(all), c.Others.ArrivedPackets > 0
	if j, ok := c.Jain(); ok {
		r.Jain = &j
	}
	rest, n := c.Others.Counts, 0
	for i, f := range all {
		if i < limit {
			r.Flows = append(r.Flows, flowOf(f.Flow.String(), &f.Counts, &f.Sojourn, span, byReason(f.DropsByReason[:])))
			continue
		}
		rest.add(&f.Counts)
		n++
	}
	if rest.ArrivedPackets > 0 {
		o := flowOf(r.othersName(n), &rest, &Distribution{}, span, nil)
		r.Others = &o
	}
}

func flowOf(name string, n *Counts, d *Distribution, span time.Duration, drops map[string]uint64) Flow {
	return Flow{
		Flow: name, ArrivedPackets: n.ArrivedPackets, Delivered: n.DeliveredPackets,
		Packets: n.DeliveredSegs, Bytes: n.DeliveredBytes,
		Drops: n.Dropped, DropsByReason: drops, Marks: n.Marked,
		Throughput: bps(n.DeliveredBytes, span), Sojourn: quantiles(d),
	}
}

func bps(bytes uint64, span time.Duration) float64 {
	if span <= 0 {
		return 0
	}
	return float64(bytes) * 8 / span.Seconds()
}

func byReason[T uint32 | uint64](counts []T) map[string]uint64 {
	m := map[string]uint64{}
	for _, r := range pkt.Reasons() {
		if counts[r] > 0 {
			m[r.String()] = uint64(counts[r])
		}
	}
	return m
}

// values is fields as tc's JSON has them: numbers, and true for words.
func values(fields []tc.Field) map[string]any {
	m := map[string]any{}
	for _, f := range fields {
		key := f.Key
		if f.JSON != "" {
			key = f.JSON
		}
		switch {
		case f.Flag:
			m[key] = f.Num != 0
		case f.Hidden:
		case f.Value != nil:
			m[key] = f.Value
		default:
			m[key] = f.Num
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
