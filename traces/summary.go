package traces

import (
	"cmp"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/uqtool/uq/sim/pkt"
)

// SummarySchema names the version of Summary's JSON form. A key may be added
// without a new version, none removed or changed.
const SummarySchema = "uq-trace-info/1"

// Summary is what a trace holds, in numbers. Bytes are those of layer 3.
type Summary struct {
	Schema string `json:"schema"`
	Header Header `json:"header"`
	// End is absent when the trace was cut.
	End    *End           `json:"end,omitempty"`
	Damage *DamageSummary `json:"damage,omitempty"`

	FileBytes int64  `json:"file_bytes"`
	Blocks    uint64 `json:"blocks"`
	Records   uint64 `json:"records"`
	// Packets counts super-packets by their segments.
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
	// FirstNs and LastNs are the times of the first and last record.
	FirstNs int64 `json:"first_ns"`
	LastNs  int64 `json:"last_ns"`

	// Flows is how many different flows there are; those past MaxFlows are
	// counted together in OtherRecords.
	Flows        int           `json:"flows"`
	OtherRecords uint64        `json:"other_flows_records,omitempty"`
	TopFlows     []FlowSummary `json:"top_flows"`

	// Counts of records by the text form's names; absent ones are 0.
	ECN      map[string]uint64 `json:"ecn"`
	DSCP     map[int]uint64    `json:"dscp"`
	Info     map[string]uint64 `json:"info"`
	Verdicts map[string]uint64 `json:"verdicts"`
	Reasons  map[string]uint64 `json:"reasons"`
	// GSO counts super-packets and the segments in them.
	GSO struct {
		Records  uint64 `json:"records"`
		Segments uint64 `json:"segments"`
	} `json:"gso"`
	// Held is the time from arrival to verdict, of the records that have one.
	Held struct {
		Records uint64 `json:"records"`
		MeanNs  int64  `json:"mean_ns"`
		MaxNs   int64  `json:"max_ns"`
		sum     float64
	} `json:"held"`

	// Events counts events, Losses what they cost, by kind.
	Events map[string]uint64 `json:"events"`
	Losses map[string]uint64 `json:"losses"`
}

// DamageSummary is a Damage for JSON.
type DamageSummary struct {
	Truncated bool   `json:"truncated"`
	Offset    int64  `json:"offset"`
	Record    uint64 `json:"record"`
	Lost      uint64 `json:"lost"`
	Places    int    `json:"places"`
	Error     string `json:"error"`
}

// FlowSummary is one flow.
type FlowSummary struct {
	Flow    string `json:"flow"`
	Proto   string `json:"proto"`
	Records uint64 `json:"records"`
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
	FirstNs int64  `json:"first_ns"`
	LastNs  int64  `json:"last_ns"`

	key pkt.FlowKey
}

// Duration is the time between the first and the last record.
func (s *Summary) Duration() time.Duration { return time.Duration(s.LastNs - s.FirstNs) }

// Summarize reads r to its end. top is how many flows to list. A damaged trace
// gives the summary of what could be read, which tells about the damage, and
// the *Damage as well.
func Summarize(r *Reader, top int) (*Summary, error) {
	s := &Summary{
		Schema: SummarySchema, Header: r.Header(), TopFlows: []FlowSummary{},
		ECN: map[string]uint64{}, DSCP: map[int]uint64{}, Info: map[string]uint64{},
		Verdicts: map[string]uint64{}, Reasons: map[string]uint64{},
		Events: map[string]uint64{}, Losses: map[string]uint64{},
	}
	t := tally{s: s, byKey: map[pkt.FlowKey]*FlowSummary{}}
	r.OnEvent(func(e Event) {
		s.Events[e.Kind.String()]++
		if e.Kind.Lossy() {
			s.Losses[e.Kind.String()] += e.Count
		}
	})
	var b Block
	var err error
	for {
		if err = r.NextBlock(&b); err != nil {
			break
		}
		t.add(&b)
	}
	t.finish(top)
	s.FileBytes = r.Offset()
	if end, ok := r.End(); ok {
		s.End = &end
	}
	var d *Damage
	if errors.As(err, &d) {
		s.Damage = &DamageSummary{errors.Is(d, ErrTruncated), d.Offset, d.Record, d.Lost, d.Places, d.Err.Error()}
	}
	if err == io.EOF {
		err = nil
	}
	return s, err
}

// tally counts with arrays what the summary has as maps.
type tally struct {
	s        *Summary
	byKey    map[pkt.FlowKey]*FlowSummary
	flows    []*FlowSummary // of the block's dictionary
	ds       [256]uint64
	verdicts [256]uint64
	reasons  [256]uint64
	info     [16]uint64
}

func (t *tally) add(b *Block) {
	s := t.s
	if s.Records == 0 {
		s.FirstNs = int64(b.Time[0])
	}
	s.LastNs = int64(b.Time[b.Records()-1])
	s.Blocks++
	s.Records += uint64(b.Records())
	t.resolve(b)
	for i, at := range b.Time {
		segs, bytes := uint64(b.Segs[i]), uint64(b.Len[i])
		s.Packets += segs
		s.Bytes += bytes
		t.ds[b.DSField[i]]++
		t.verdicts[b.Verdict[i]]++
		t.reasons[b.Reason[i]]++
		if info := b.Info[i]; info != 0 {
			for bit := range t.info {
				t.info[bit] += uint64(info >> bit & 1)
			}
		}
		if segs > 1 {
			s.GSO.Records++
			s.GSO.Segments += segs
		}
		if v := b.VerdictTime[i]; v != NoTime {
			held := int64(v - at)
			s.Held.Records++
			s.Held.sum += float64(held)
			s.Held.MaxNs = max(s.Held.MaxNs, held)
		}
		f := t.flows[b.Flow[i]]
		if f == nil {
			s.OtherRecords++
			continue
		}
		if f.Records == 0 {
			f.FirstNs = int64(at)
		}
		f.LastNs = int64(at)
		f.Records++
		f.Packets += segs
		f.Bytes += bytes
	}
}

// resolve finds or makes the flows of the block's dictionary, up to MaxFlows.
func (t *tally) resolve(b *Block) {
	t.flows = grow(t.flows, len(b.Flows))
	for i, k := range b.Flows {
		f := t.byKey[k]
		if f == nil && len(t.byKey) < MaxFlows {
			f = &FlowSummary{key: k}
			t.byKey[k] = f
		}
		t.flows[i] = f
	}
}

func (t *tally) finish(top int) {
	s := t.s
	for ds, n := range t.ds {
		if n > 0 {
			s.ECN[pkt.ECN(ds&3).String()] += n
			s.DSCP[ds>>2] += n
		}
	}
	for v, n := range t.verdicts {
		if n > 0 {
			s.Verdicts[Verdict(v).String()] = n
		}
	}
	for r, n := range t.reasons {
		if n > 0 && r != int(pkt.NoReason) {
			s.Reasons[pkt.Reason(r).String()] = n
		}
	}
	for bit, n := range t.info {
		if n > 0 {
			s.Info[Info(1<<bit).String()] = n
		}
	}
	if s.Held.Records > 0 {
		s.Held.MeanNs = int64(s.Held.sum / float64(s.Held.Records))
	}
	s.Flows = len(t.byKey)
	flows := make([]*FlowSummary, 0, len(t.byKey))
	for _, f := range t.byKey {
		flows = append(flows, f)
	}
	slices.SortFunc(flows, func(a, b *FlowSummary) int {
		ka, kb := a.key.Bytes(), b.key.Bytes()
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), slices.Compare(ka[:], kb[:]))
	})
	for _, f := range flows[:min(max(top, 0), len(flows))] {
		f.Flow, f.Proto = f.key.String(), pkt.ProtoName(f.key.Proto)
		s.TopFlows = append(s.TopFlows, *f)
	}
}
