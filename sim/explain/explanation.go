package explain

import (
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
)

// Fate is what became of a packet.
type Fate string

// The fates.
const (
	Delivered Fate = "delivered"
	Dropped   Fate = "dropped"
	Undecided Fate = "undecided" // still queued when the run ended
)

// Explanation is all that is known of one packet. Times are in nanoseconds.
type Explanation struct {
	Packet uint64 `json:"packet"`
	Flow   string `json:"flow"`
	Len    uint32 `json:"len"`
	Segs   uint16 `json:"segs"`
	DSCP   uint8  `json:"dscp"`
	ECN    string `json:"ecn"` // on arrival

	Fate Fate `json:"fate"`
	// Reason is that of a drop, Mark that of a mark; empty for none.
	Reason string `json:"reason,omitempty"`
	Mark   string `json:"mark,omitempty"`

	// Uplink says that a station of the link sent it, past the scheduler.
	Uplink bool `json:"uplink,omitempty"`

	Arrival pkt.Time `json:"arrival_ns"`
	// Decided is when the scheduler let the packet go or dropped it, End when it
	// was delivered or lost; both are the end of the run for one undecided.
	Decided pkt.Time `json:"decided_ns"`
	End     pkt.Time `json:"end_ns"`

	// Summary says it in a paragraph.
	Summary string `json:"summary"`

	Split Split `json:"time"`
	// Ahead is what was queued at the packet's arrival, all flows together.
	Ahead Amount `json:"ahead"`
	// Flows are those that had to do with the wait, the longest on the link first;
	// FlowsOmitted are how many more there were.
	Flows        []FlowShare `json:"flows"`
	FlowsOmitted int         `json:"flows_omitted,omitempty"`
	// Spans are the link's opportunities between arrival and decision and the
	// packet's own; SpansOmitted are how many there were besides the first.
	Spans        []Span `json:"spans"`
	SpansOmitted int    `json:"spans_omitted,omitempty"`

	State State `json:"state"`

	reason, mark pkt.Reason
	// trigger is the packet that arrived last, triggered whether at the instant of
	// the drop; alike is how many packets the scheduler dropped for the same reason
	// at that instant before.
	trigger   uint64
	triggered bool
	alike     int
}

// Split is a packet's time, divided. The spans sum up to Total. See the package's
// comment.
type Split struct {
	Total           int64 `json:"total_ns"`
	BehindFlow      int64 `json:"behind_own_flow_ns"`
	BehindOthers    int64 `json:"behind_other_flows_ns"`
	LinkWithheld    int64 `json:"link_withheld_ns"`
	SchedulerWaited int64 `json:"scheduler_waited_ns"`
	LinkHeld        int64 `json:"link_held_ns"`
	Transmission    int64 `json:"transmission_ns"`
	Beyond          int64 `json:"beyond_ns"`
}

// Amount is so many packets with so many bytes.
type Amount struct {
	Packets int    `json:"packets"`
	Bytes   uint64 `json:"bytes"`
}

func (a *Amount) add(n uint32) { a.Packets++; a.Bytes += uint64(n) }

// FlowShare is what a flow had to do with a packet's wait.
type FlowShare struct {
	Flow string `json:"flow"`
	Own  bool   `json:"own"`
	// Ahead was queued when the packet arrived. Of it Sent and Dropped left before
	// the decision; Passed was still queued then.
	Ahead   Amount `json:"ahead"`
	Sent    Amount `json:"sent"`
	Dropped Amount `json:"dropped"`
	Passed  Amount `json:"passed"`
	// LastLeft is how long after the packet's arrival the last of Ahead left that
	// did; Overtook arrived after the packet and was sent before it.
	LastLeft int64  `json:"last_left_ns"`
	Overtook Amount `json:"overtook"`
	// OnLink is for how long the link sent the flow's packets meanwhile.
	OnLink int64 `json:"on_link_ns"`

	key pkt.FlowKey
}

// Span is one opportunity of the link, as far as it concerns the packet.
type Span struct {
	From    pkt.Time `json:"from_ns"`
	Until   pkt.Time `json:"until_ns"`
	Packets []Sent   `json:"packets"`
}

// Sent is a packet that an opportunity took.
type Sent struct {
	Packet uint64 `json:"packet"`
	Flow   string `json:"flow"`
	Len    uint32 `json:"len"`

	key pkt.FlowKey
}

// State is what the scheduler knew at three instants.
type State struct {
	// Arrival is when the packet had not been enqueued yet; Before and After are
	// around the decision. All may differ in the part of the scheduler that would
	// take the packet.
	Arrival []Layer `json:"arrival"`
	Before  []Layer `json:"before"`
	After   []Layer `json:"after"`
}

// Layer is a sched.Layer for JSON.
type Layer struct {
	Name   string         `json:"name"`
	Law    string         `json:"law,omitempty"`
	Values map[string]any `json:"values"`

	fields []layerField
}

// layerField is a field in the scheduler's order.
type layerField struct {
	key, text string
	num       int64
}

func layersOf(ls []sched.Layer) []Layer {
	out := make([]Layer, len(ls))
	for i, l := range ls {
		out[i] = Layer{Name: l.Name, Law: l.Law, Values: map[string]any{}}
		for _, f := range l.Fields {
			var v any = f.Num
			if f.Value != nil {
				v = f.Value
			}
			out[i].Values[f.Key] = v
			out[i].fields = append(out[i].fields, layerField{f.Key, f.String(), f.Num})
		}
	}
	return out
}

// field finds a field by its key.
func (l *Layer) field(key string) (f layerField, ok bool) {
	for _, f := range l.fields {
		if f.key == key {
			return f, true
		}
	}
	return f, false
}
